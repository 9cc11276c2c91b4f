#include "framework/train/evaluator.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cstring>
#include <numeric>

#include "framework/tasks/metrics.h"

namespace thaw {
namespace {

// Rows in batches of at most `tokens` tokens, longest first, so that rows of a batch are alike and memory peaks at once.
std::vector<std::vector<std::uint64_t>> batches_by_length(const std::vector<std::uint32_t>& lengths, std::int64_t tokens) {
  std::vector<std::uint64_t> rows(lengths.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](std::uint64_t a, std::uint64_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<std::uint64_t>> batches;
  std::int64_t filled = tokens;
  for (const std::uint64_t row : rows) {
    if (filled + lengths[row] > tokens) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back(row);
    filled += lengths[row];
  }
  return batches;
}

}  // namespace

at::Tensor predict(const Model& model, const DataSet& set, std::int64_t outputs, Communicator& comm, std::int64_t tokens,
                   const std::function<void(std::int64_t)>& progress) {
  const at::NoGradGuard no_grad;
  const auto rows = static_cast<std::int64_t>(set.shards->rows());
  const auto batches = batches_by_length(set.shards->lengths(), tokens);
  const auto ranks = static_cast<std::size_t>(comm.size());

  // Row numbers and outputs of this rank's batches, as bytes; then everybody's.
  std::string mine;
  std::int64_t done = 0;
  for (std::size_t b = static_cast<std::size_t>(comm.rank()); b < batches.size(); b += ranks) {
    std::vector<RowOfSet> members;
    for (const std::uint64_t row : batches[b]) members.push_back({&set, row});
    PackedBatch batch = collate(members, outputs);
    batch.to(model.device());
    const Context context{batch.input_ids, batch.token_types, batch.positions};
    const at::Tensor logits = model.forward(batch.cu_seqlens, context).to(at::kFloat).to(at::kCPU).contiguous();
    for (std::size_t i = 0; i < batches[b].size(); ++i) {
      mine.append(reinterpret_cast<const char*>(&batches[b][i]), sizeof(std::uint64_t));
      mine.append(reinterpret_cast<const char*>(logits[static_cast<std::int64_t>(i)].data_ptr<float>()), static_cast<std::size_t>(outputs) * sizeof(float));
    }
    done += static_cast<std::int64_t>(batches[b].size());
    if (progress) progress(done * comm.size());
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

Metrics of_classes(const at::Tensor& outputs, const DataSet& set, const RunData& data) {
  ClassCounts counts(data.labels.size());
  const at::Tensor predictions = outputs.argmax(1);
  const std::int64_t* const predicted = predictions.data_ptr<std::int64_t>();
  const std::vector<std::int32_t> labels = set.shards->labels();
  for (std::size_t row = 0; row < labels.size(); ++row)
    counts.add(static_cast<std::size_t>(set.label_ids[static_cast<std::size_t>(labels[row])]), static_cast<std::size_t>(predicted[row]));
  Metrics metrics{{"accuracy", counts.accuracy()}, {"f1_macro", counts.f1_macro()}, {"f1_micro", counts.f1_micro()}, {"matthews_correlation", counts.matthews()}};
  if (data.labels.size() == 2) metrics.emplace_back("f1", counts.f1(1));
  for (std::size_t c = 0; c < data.labels.size(); ++c) metrics.emplace_back("f1/" + data.labels[c], counts.f1(c));
  return metrics;
}

Metrics of_labels(const at::Tensor& outputs, const at::Tensor& targets, const RunData& data) {
  LabelCounts counts(data.labels.size());
  const auto width = static_cast<std::int64_t>(data.labels.size());
  for (std::int64_t row = 0; row < outputs.size(0); ++row) {
    std::vector<bool> target, prediction;
    for (std::int64_t label = 0; label < width; ++label) {
      target.push_back(targets.data_ptr<float>()[row * width + label] > 0.5F);
      prediction.push_back(outputs.data_ptr<float>()[row * width + label] > 0);
    }
    counts.add(target, prediction);
  }
  Metrics metrics{{"accuracy", counts.accuracy()}, {"f1_micro", counts.f1_micro()}, {"f1_macro", counts.f1_macro()}};
  for (std::size_t label = 0; label < data.labels.size(); ++label) metrics.emplace_back("f1/" + data.labels[label], counts.f1(label));
  return metrics;
}

Metrics of_numbers(const at::Tensor& outputs, const at::Tensor& targets) {
  const auto values = [](const at::Tensor& x) {
    const at::Tensor flat = x.to(at::kDouble).contiguous().view(-1);
    return std::vector<double>(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
  };
  const std::vector<double> expected = values(targets), predicted = values(outputs);
  return {{"mae", mean_absolute_error(expected, predicted)}, {"pearson", pearson(expected, predicted)}, {"spearman", spearman(expected, predicted)}};
}

}  // namespace

Metrics metrics_of(const at::Tensor& outputs, const DataSet& set, const RunData& data, const Loss& loss) {
  const Targets targets = targets_of(set, data.outputs());
  double share = 0;
  for (std::uint64_t row = 0; row < set.shards->rows(); ++row) share += share_of(set, row, loss);
  Metrics metrics{{"loss", loss.sum(outputs, targets).item<double>() / (share > 0 ? share : 1)}};
  const Metrics more = data.problem == Problem::single_label  ? of_classes(outputs, set, data)
                       : data.problem == Problem::multi_label ? of_labels(outputs, targets.labels, data)
                                                              : of_numbers(outputs, targets.labels);
  metrics.insert(metrics.end(), more.begin(), more.end());
  return metrics;
}

bool larger_is_better(const std::string& metric) {
  const std::string name = metric.substr(metric.find('/') + 1);
  return name != "loss" && name != "mae";
}

}  // namespace thaw
