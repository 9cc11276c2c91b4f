// Evaluation, shared by all ranks and exact also where rows do not divide: rows are dealt out, every rank gathers what all
// have found in row order, and each computes the same metrics from it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "framework/train/objectives/objective.h"

namespace thaw {

// The rows of a set that an evaluation looks at: all, or as many as `most` (0: all), evenly spaced.
std::vector<std::uint64_t> evaluated_rows(const DataSet& set, std::int64_t most = 0);

// Rows of a set in batches of at most Inputs::evaluation_length, longest first, so that rows of a batch are alike and memory peaks at once.
std::vector<std::vector<RowOfSet>> evaluation_batches(const DataSet& set, const Inputs& inputs, const std::vector<std::uint64_t>& rows);

// The model's output for some rows of an evaluation, on the CPU.
Packed run_batch(const Evaluation& evaluation, const std::vector<RowOfSet>& rows, Context context = {});

// Of each of `rows`, in their order, what `found` says of it, any bytes: it is given a batch, and answers with a text for each row.
// The same on every rank; nothing where Evaluation::progress ended it. Collective.
using Find = std::function<std::vector<std::string>(const std::vector<RowOfSet>& batch)>;
std::optional<std::vector<std::string>> find_of_rows(const DataSet& set, const std::vector<std::uint64_t>& rows,
                                                     const Evaluation& evaluation, const Find& find);

// Whether a larger value of the metric is the better one ("dev/accuracy" yes, "dev/loss" no).
bool larger_is_better(const std::string& metric);
bool is_better(double value, double than, const std::string& metric);

}  // namespace thaw
