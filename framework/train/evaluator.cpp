#include "framework/train/evaluator.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <unordered_map>

namespace thaw {

std::vector<std::uint64_t> evaluated_rows(const DataSet& set, std::int64_t most) {
  const std::uint64_t all = set.shards->rows();
  std::vector<std::uint64_t> rows(most > 0 ? std::min<std::uint64_t>(all, static_cast<std::uint64_t>(most)) : all);
  for (std::uint64_t i = 0; i < rows.size(); ++i) rows[i] = i * all / rows.size();
  return rows;
}

std::vector<std::vector<RowOfSet>> evaluation_batches(const DataSet& set, const Inputs& inputs, const std::vector<std::uint64_t>& wanted) {
  const std::int64_t most = inputs.evaluation_length();
  const auto length = [&](std::uint64_t row) { return inputs.length(*set.shards, row); };
  std::vector<std::uint64_t> rows = wanted;
  std::stable_sort(rows.begin(), rows.end(), [&](std::uint64_t a, std::uint64_t b) { return length(a) > length(b); });
  std::vector<std::vector<RowOfSet>> batches;
  std::int64_t filled = most;
  for (const std::uint64_t row : rows) {
    if (filled + length(row) > most) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back({&set, row});
    filled += length(row);
  }
  return batches;
}

Packed run_batch(const Evaluation& evaluation, const std::vector<RowOfSet>& rows, Context context) {
  const at::NoGradGuard no_grad;
  move_to(context, evaluation.model.device());
  Packed output;
  if (evaluation.forward) {
    output = evaluation.forward(rows, context);
  } else {
    std::vector<std::int64_t> cu_seqlens = evaluation.inputs.read(rows, context);
    move_to(context, evaluation.model.device());
    output = evaluation.model.run(pack_of(std::move(cu_seqlens)), context, 0, static_cast<int>(evaluation.model.layers.size()));
  }
  output.values = output.values.to(at::kFloat).to(at::kCPU).contiguous();
  return output;
}

std::optional<std::vector<std::string>> find_of_rows(const DataSet& set, const std::vector<std::uint64_t>& rows,
                                                     const Evaluation& evaluation, const Find& find) {
  const std::vector<std::vector<RowOfSet>> batches = evaluation_batches(set, evaluation.inputs, rows);
  const auto ranks = static_cast<std::size_t>(evaluation.comm.size());

  // This rank's rows as (number, length, text); then everybody's.
  std::string mine;
  std::int64_t done = 0;
  for (std::size_t round = 0; round < batches.size(); round += ranks) {
    const std::size_t next = std::min(round + ranks, batches.size());
    for (std::size_t b = round; b < next; ++b) done += static_cast<std::int64_t>(batches[b].size());
    const std::size_t b = round + static_cast<std::size_t>(evaluation.comm.rank());
    if (b < next) {
      const std::vector<std::string> found = find(batches[b]);
      for (std::size_t i = 0; i < batches[b].size(); ++i) {
        const std::array<std::uint64_t, 2> header{batches[b][i].row, found[i].size()};
        mine.append(reinterpret_cast<const char*>(header.data()), sizeof header);
        mine.append(found[i]);
      }
    }
    if (evaluation.progress && !evaluation.progress(done)) return {};
  }
  std::unordered_map<std::uint64_t, std::string> by_row;
  for (const std::string& part : evaluation.comm.all_gather_text(mine)) {
    std::array<std::uint64_t, 2> header{};
    for (std::size_t at = 0; at + sizeof header <= part.size(); at += sizeof header + header[1]) {
      std::memcpy(header.data(), part.data() + at, sizeof header);
      by_row[header[0]] = part.substr(at + sizeof header, header[1]);
    }
  }
  std::vector<std::string> all;
  for (const std::uint64_t row : rows) all.push_back(std::move(by_row.at(row)));
  return all;
}

bool larger_is_better(const std::string& metric) {
  const std::string name = metric.substr(metric.find('/') + 1);
  for (const char* error : {"loss", "mae", "wer", "cer"})
    if (name == error || name.starts_with(std::string(error) + "/")) return false;
  return true;
}

bool is_better(double value, double than, const std::string& metric) { return larger_is_better(metric) ? value > than : value < than; }

}  // namespace thaw
