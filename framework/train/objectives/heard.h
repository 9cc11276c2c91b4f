// What a recogniser heard, measured: the part of an evaluation that CTC models and Whisper share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/train/objectives/objective.h"

namespace thaw {

struct HeardOptions {
  std::int64_t max_rows = 0;  // of each set, evenly spaced; 0: all
  std::int64_t beams = 0;     // of the search; 0: the most probable token, or label, each time
  // Of the search by a decoder: words that cost nothing, and begin so where they are not whole; all, if null.
  std::function<bool(const std::string& word, bool whole)> known_word = {};
  double unknown_word = 0;                                       // log-probability that others cost
  std::function<std::string(const std::string&)> spelling = {};  // what both texts go through before they are compared
};

struct HeardRow {
  double loss = 0;  // the row's sum, weighted
  std::string text;
};

class Recognition : public Objective {
 public:
  explicit Recognition(HeardOptions options) : options_(std::move(options)) {}
  std::vector<std::string> metrics() const override { return {"loss", "wer", "cer"}; }
  std::string usual_metric() const override { return "wer"; }

  // loss, wer, cer; and wer/speaker/NAME, wer/language/NAME where a set has 2 to 20 of them. Writes eval/NAME.wer.txt where there is a
  // run directory.
  std::optional<Metrics> measure(const DataSet& set, const Evaluation& evaluation) const override;
  std::function<void(const std::vector<RowOfSet>& batch)> pass(const Evaluation& evaluation) const override { return hear(evaluation); }

 protected:
  // What hears the batches of an evaluation, which has to outlive it.
  using Hear = std::function<std::vector<HeardRow>(const std::vector<RowOfSet>& batch)>;
  virtual Hear hear(const Evaluation& evaluation) const = 0;
  const HeardOptions& heard() const { return options_; }

 private:
  HeardOptions options_;
};

}  // namespace thaw
