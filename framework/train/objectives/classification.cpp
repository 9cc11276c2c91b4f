#include "framework/train/objectives/classification.h"

#include <cstring>

#include "framework/base/text.h"
#include "framework/tasks/metrics.h"
#include "framework/train/evaluator.h"

namespace thaw {
namespace {

// Metrics by name, so that a recipe's can be checked before anything runs.
template <typename Counts>
using Table = std::vector<std::pair<std::string, std::function<double(const Counts&)>>>;
using Numbers = std::pair<std::vector<double>, std::vector<double>>;  // expected, predicted

Table<ClassCounts> of_classes(const std::vector<std::string>& labels) {
  Table<ClassCounts> table{{"accuracy", [](const ClassCounts& counts) { return counts.accuracy(); }},
                           {"f1_macro", &ClassCounts::f1_macro},
                           {"f1_micro", &ClassCounts::f1_micro},
                           {"matthews_correlation", &ClassCounts::matthews}};
  if (labels.size() == 2) table.emplace_back("f1", [](const ClassCounts& counts) { return counts.f1(1); });
  for (std::size_t c = 0; c < labels.size(); ++c) {
    table.emplace_back("f1/" + labels[c], [c](const ClassCounts& counts) { return counts.f1(c); });
    table.emplace_back("accuracy/" + labels[c], [c](const ClassCounts& counts) { return counts.accuracy(c); });
  }
  return table;
}

Table<LabelCounts> of_labels(const std::vector<std::string>& labels) {
  Table<LabelCounts> table{
      {"accuracy", &LabelCounts::accuracy}, {"f1_micro", &LabelCounts::f1_micro}, {"f1_macro", &LabelCounts::f1_macro}};
  for (std::size_t c = 0; c < labels.size(); ++c)
    table.emplace_back("f1/" + labels[c], [c](const LabelCounts& counts) { return counts.f1(c); });
  return table;
}

const Table<Numbers>& of_numbers() {
  static const Table<Numbers> table{{"mae", [](const Numbers& n) { return mean_absolute_error(n.first, n.second); }},
                                    {"pearson", [](const Numbers& n) { return pearson(n.first, n.second); }},
                                    {"spearman", [](const Numbers& n) { return spearman(n.first, n.second); }}};
  return table;
}

ClassCounts count_classes(const at::Tensor& outputs, const Targets& targets) {
  ClassCounts counts(static_cast<std::size_t>(outputs.size(1)));
  const at::Tensor predictions = outputs.argmax(1);
  for (std::int64_t row = 0; row < outputs.size(0); ++row)
    counts.add(static_cast<std::size_t>(targets.labels.data_ptr<std::int64_t>()[row]),
               static_cast<std::size_t>(predictions.data_ptr<std::int64_t>()[row]));
  return counts;
}

LabelCounts count_labels(const at::Tensor& outputs, const Targets& targets) {
  LabelCounts counts(static_cast<std::size_t>(outputs.size(1)));
  const auto bits = [width = outputs.size(1)](const float* values, float above) {
    std::vector<bool> row;
    for (std::int64_t label = 0; label < width; ++label) row.push_back(values[label] > above);
    return row;
  };
  for (std::int64_t row = 0; row < outputs.size(0); ++row)
    counts.add(bits(targets.labels.data_ptr<float>() + row * outputs.size(1), 0.5F),
               bits(outputs.data_ptr<float>() + row * outputs.size(1), 0.0F));
  return counts;
}

Numbers numbers(const at::Tensor& outputs, const Targets& targets) {
  const auto values = [](const at::Tensor& x) {
    const at::Tensor flat = x.to(at::kDouble).contiguous().view(-1);
    return std::vector<double>(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
  };
  return {values(targets.labels), values(outputs)};
}

std::size_t index(std::int32_t label) { return static_cast<std::size_t>(label); }

}  // namespace

Targets Classification::targets(const std::vector<RowOfSet>& rows, Context&) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  Targets targets{loss_.problem == Problem::multi_label    ? at::zeros({count, outputs()})
                  : loss_.problem == Problem::single_label ? at::zeros({count}, at::kLong)
                                                           : at::zeros({count}),
                  weights_of(rows)};
  for (std::int64_t at = 0; at < count; ++at) {
    const auto& [set, row] = rows[static_cast<std::size_t>(at)];
    const ShardSet& shards = *set->shards;
    switch (loss_.problem) {
      case Problem::single_label: targets.labels.data_ptr<std::int64_t>()[at] = set->label_ids[index(shards.labels()[row])]; break;
      case Problem::multi_label:
        for (const std::int32_t label : shards.read(row).labels)
          targets.labels.data_ptr<float>()[at * outputs() + set->label_ids[index(label)]] = 1;
        break;
      case Problem::regression: targets.labels.data_ptr<float>()[at] = shards.targets()[row]; break;
    }
  }
  return targets;
}

double Classification::share(const DataSet& set, std::uint64_t row) const {
  const double weight = set.weight(row);
  if (loss_.problem != Problem::single_label || loss_.class_weights.empty()) return weight;
  return loss_.share(weight, set.label_ids[index(set.shards->labels()[row])]);
}

std::optional<Metrics> Classification::measure(const DataSet& set, const Evaluation& evaluation) const {
  const std::vector<std::uint64_t> rows = evaluated_rows(set);
  const auto width = static_cast<std::size_t>(outputs()) * sizeof(float);
  const auto found = find_of_rows(set, rows, evaluation, [&](const std::vector<RowOfSet>& batch) {
    const at::Tensor logits = run_batch(evaluation, batch).values;
    std::vector<std::string> bytes;
    for (std::size_t i = 0; i < batch.size(); ++i)
      bytes.emplace_back(reinterpret_cast<const char*>(logits.data_ptr<float>()) + i * width, width);
    return bytes;
  });
  if (!found) return {};
  const at::Tensor logits = at::empty({static_cast<std::int64_t>(rows.size()), outputs()});
  std::vector<RowOfSet> all;
  double divisor = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(reinterpret_cast<char*>(logits.data_ptr<float>()) + i * width, (*found)[i].data(), width);
    all.push_back({&set, rows[i]});
    divisor += share(set, rows[i]);
  }
  Context unused;
  const Targets expected = targets(all, unused);
  if (evaluation.see) evaluation.see(logits, expected);
  Metrics metrics{{"loss", loss_.sum(logits, expected).item<double>() / (divisor > 0 ? divisor : 1)}};
  const auto add = [&](const auto& table, const auto& counts) {
    for (const auto& [name, value] : table) metrics.emplace_back(name, value(counts));
  };
  switch (loss_.problem) {
    case Problem::single_label: add(of_classes(labels_), count_classes(logits, expected)); break;
    case Problem::multi_label: add(of_labels(labels_), count_labels(logits, expected)); break;
    case Problem::regression: add(of_numbers(), numbers(logits, expected)); break;
  }
  return metrics;
}

std::function<void(const std::vector<RowOfSet>& batch)> Classification::pass(const Evaluation& evaluation) const {
  return [&evaluation](const std::vector<RowOfSet>& batch) { run_batch(evaluation, batch); };
}

std::vector<std::string> Classification::metrics() const {
  std::vector<std::string> names{"loss"};
  const auto add = [&](const auto& table) {
    for (const auto& entry : table) names.push_back(entry.first);
  };
  switch (loss_.problem) {
    case Problem::single_label: add(of_classes(labels_)); break;
    case Problem::multi_label: add(of_labels(labels_)); break;
    case Problem::regression: add(of_numbers()); break;
  }
  return names;
}

std::string Classification::words() const { return labels_.empty() ? task_ : fmt::format("{}: {}", task_, listed(labels_)); }

}  // namespace thaw
