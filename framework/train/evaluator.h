// Evaluation, shared by all ranks and exact also where rows do not divide: rows are dealt out, every rank gathers all
// outputs in row order, and each computes the same metrics from them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/models/model.h"
#include "framework/train/data.h"

namespace thaw {

using Metrics = std::vector<std::pair<std::string, double>>;  // in the order in which people want to read them

// The model's output for some rows, collated and with the context to run them in.
using Forward = std::function<at::Tensor(const std::vector<RowOfSet>& rows, const PackedBatch& batch, const Context& context)>;

// A set's rows in batches of at most 4096 tokens, longest first, so that rows of a batch are alike and memory peaks at once.
std::vector<std::vector<RowOfSet>> evaluation_batches(const DataSet& set);

// Outputs of every row: [rows, outputs] fp32 on the CPU, the same on every rank. Collective. `progress` is told the rows
// done, and may end it: it is called as often on every rank, gives the same answer on all, and where that is false the
// result is undefined. `forward` stands in for the model's own.
at::Tensor predict(const Model& model, const DataSet& set, std::int64_t outputs, Communicator& comm,
                   const std::function<bool(std::int64_t)>& progress = {}, const Forward& forward = {});

// The same of one batch, without the other ranks.
at::Tensor predict(const Model& model, const std::vector<RowOfSet>& batch, std::int64_t outputs, const Forward& forward = {});

// Classification: loss, accuracy, f1_macro, f1_micro, f1 (two labels: of the last), f1/LABEL, matthews_correlation.
// Several labels a row: loss, accuracy (all labels right), f1_micro, f1_macro. Regression: loss (mse), mae, pearson, spearman.
Metrics metrics_of(const at::Tensor& outputs, const DataSet& set, const RunData& data, const Loss& loss);

// What evaluations of a run will be called: "dev/loss", "dev/accuracy", …
std::vector<std::string> metric_names(const RunData& data);

// Whether a larger value of the metric is the better one ("dev/accuracy" yes, "dev/loss" no).
bool larger_is_better(const std::string& metric);
bool is_better(double value, double than, const std::string& metric);

}  // namespace thaw
