#include "framework/train/evaluator.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "framework/tasks/metrics.h"

namespace thaw {

std::vector<std::vector<RowOfSet>> evaluation_batches(const DataSet& set) {
  constexpr std::int64_t most = 4096;
  const std::vector<std::uint32_t>& lengths = set.shards->lengths();
  std::vector<std::uint64_t> rows(lengths.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](std::uint64_t a, std::uint64_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<RowOfSet>> batches;
  std::int64_t filled = most;
  for (const std::uint64_t row : rows) {
    if (filled + lengths[row] > most) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back({&set, row});
    filled += lengths[row];
  }
  return batches;
}

at::Tensor predict(const Model& model, const std::vector<RowOfSet>& rows, std::int64_t outputs, const Forward& forward) {
  const at::NoGradGuard no_grad;
  PackedBatch batch = collate(rows, outputs);
  batch.to(model.device());
  const Context context{batch.input_ids, batch.token_types, batch.positions};
  const at::Tensor output = forward ? forward(rows, batch, context) : model.forward(batch.cu_seqlens, context);
  return output.to(at::kFloat).to(at::kCPU).contiguous();
}

at::Tensor predict(const Model& model, const DataSet& set, std::int64_t outputs, Communicator& comm,
                   const std::function<bool(std::int64_t)>& progress, const Forward& forward) {
  const auto rows = static_cast<std::int64_t>(set.shards->rows());
  const std::vector<std::vector<RowOfSet>> batches = evaluation_batches(set);
  const auto ranks = static_cast<std::size_t>(comm.size());

  // Row numbers and outputs of this rank's batches, as bytes; then everybody's.
  std::string mine;
  std::int64_t done = 0;
  for (std::size_t round = 0; round < batches.size(); round += ranks) {
    const std::size_t next = std::min(round + ranks, batches.size());
    for (std::size_t b = round; b < next; ++b) done += static_cast<std::int64_t>(batches[b].size());
    const std::size_t b = round + static_cast<std::size_t>(comm.rank());
    if (b < next) {
      const at::Tensor logits = predict(model, batches[b], outputs, forward);
      for (std::size_t i = 0; i < batches[b].size(); ++i) {
        mine.append(reinterpret_cast<const char*>(&batches[b][i].row), sizeof(std::uint64_t));
        mine.append(reinterpret_cast<const char*>(logits[static_cast<std::int64_t>(i)].data_ptr<float>()),
                    static_cast<std::size_t>(outputs) * sizeof(float));
      }
    }
    if (progress && !progress(done)) return {};
  }
  at::Tensor all = at::zeros({rows, outputs});
  const std::size_t record = sizeof(std::uint64_t) + static_cast<std::size_t>(outputs) * sizeof(float);
  for (const std::string& part : comm.all_gather_text(mine))
    for (std::size_t at = 0; at + record <= part.size(); at += record) {
      std::uint64_t row = 0;
      std::memcpy(&row, part.data() + at, sizeof row);
      std::memcpy(all.data_ptr<float>() + static_cast<std::int64_t>(row) * outputs, part.data() + at + sizeof row, record - sizeof row);
    }
  return all;
}

namespace {

// Metrics by name, so that a recipe's can be checked before anything runs.
template <typename Counts>
using Table = std::vector<std::pair<std::string, std::function<double(const Counts&)>>>;
using Numbers = std::pair<std::vector<double>, std::vector<double>>;  // expected, predicted

Table<ClassCounts> of_classes(const std::vector<std::string>& labels) {
  Table<ClassCounts> table{{"accuracy", &ClassCounts::accuracy},
                           {"f1_macro", &ClassCounts::f1_macro},
                           {"f1_micro", &ClassCounts::f1_micro},
                           {"matthews_correlation", &ClassCounts::matthews}};
  if (labels.size() == 2) table.emplace_back("f1", [](const ClassCounts& counts) { return counts.f1(1); });
  for (std::size_t c = 0; c < labels.size(); ++c)
    table.emplace_back("f1/" + labels[c], [c](const ClassCounts& counts) { return counts.f1(c); });
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

}  // namespace

Metrics metrics_of(const at::Tensor& outputs, const DataSet& set, const RunData& data, const Loss& loss) {
  const Targets targets = targets_of(set, data.outputs());
  double share = 0;
  for (std::uint64_t row = 0; row < set.shards->rows(); ++row) share += share_of(set, row, loss);
  Metrics metrics{{"loss", loss.sum(outputs, targets).item<double>() / (share > 0 ? share : 1)}};
  const auto add = [&](const auto& table, const auto& counts) {
    for (const auto& [name, value] : table) metrics.emplace_back(name, value(counts));
  };
  switch (data.problem) {
    case Problem::single_label: add(of_classes(data.labels), count_classes(outputs, targets)); break;
    case Problem::multi_label: add(of_labels(data.labels), count_labels(outputs, targets)); break;
    case Problem::regression: add(of_numbers(), numbers(outputs, targets)); break;
  }
  return metrics;
}

std::vector<std::string> metric_names(const RunData& data) {
  std::vector<std::string> names;
  for (const DataSet& set : data.eval) {
    names.push_back(set.name + "/loss");
    const auto add = [&](const auto& table) {
      for (const auto& entry : table) names.push_back(set.name + "/" + entry.first);
    };
    switch (data.problem) {
      case Problem::single_label: add(of_classes(data.labels)); break;
      case Problem::multi_label: add(of_labels(data.labels)); break;
      case Problem::regression: add(of_numbers()); break;
    }
  }
  return names;
}

bool larger_is_better(const std::string& metric) {
  const std::string name = metric.substr(metric.find('/') + 1);
  return name != "loss" && name != "mae";
}

bool is_better(double value, double than, const std::string& metric) { return larger_is_better(metric) ? value > than : value < than; }

}  // namespace thaw
