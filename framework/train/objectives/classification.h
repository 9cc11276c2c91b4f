// Classification of rows (one label or several) and regression, of text and of audio.
#pragma once

#include <string>
#include <vector>

#include "framework/tasks/classification.h"
#include "framework/train/objectives/objective.h"

namespace thaw {

class Classification final : public Objective {
 public:
  // `labels`: names by number; empty for regression. `task`: its name, for people.
  Classification(std::string task, std::vector<std::string> labels, Loss loss)
      : task_(std::move(task)), labels_(std::move(labels)), loss_(std::move(loss)) {}

  HeadSpec head() const override { return {.outputs = outputs()}; }
  Targets targets(const std::vector<RowOfSet>& rows, Context& context) const override;
  at::Tensor loss(const Packed& output, const Targets& targets) const override { return loss_.sum(output.values, targets); }
  double share(const DataSet& set, std::uint64_t row) const override;

  // One label: loss, accuracy, f1_macro, f1_micro, matthews_correlation, f1 (two labels: of the last), f1/LABEL.
  // Several labels a row: loss, accuracy (all labels right), f1_micro, f1_macro. Regression: loss (mse), mae, pearson, spearman.
  std::optional<Metrics> measure(const DataSet& set, const Evaluation& evaluation) const override;
  std::function<void(const std::vector<RowOfSet>& batch)> pass(const Evaluation& evaluation) const override;
  std::vector<std::string> metrics() const override;
  std::string usual_metric() const override { return loss_.problem == Problem::regression ? "loss" : "accuracy"; }
  std::string words() const override;

 private:
  std::int64_t outputs() const { return loss_.problem == Problem::regression ? 1 : static_cast<std::int64_t>(labels_.size()); }

  std::string task_;
  std::vector<std::string> labels_;
  Loss loss_;
};

}  // namespace thaw
