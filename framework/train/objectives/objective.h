// What a run is to learn, as the trainer sees it: what rows should give, the loss of what the model gives, and how an evaluation
// measures it. A sum over rows everywhere: the trainer divides by the whole step's, over ranks and passes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/models/head.h"
#include "framework/nn/packed.h"
#include "framework/tasks/targets.h"
#include "framework/train/data_set.h"
#include "framework/train/inputs/inputs.h"

namespace thaw {

using Metrics = std::vector<std::pair<std::string, double>>;  // in the order in which people want to read them

// The model's output for some rows, with the context to run them in (an encoder–decoder's ids stand in it).
using Forward = std::function<Packed(const std::vector<RowOfSet>& rows, const Context& context)>;

// What an evaluation runs in.
struct Evaluation {
  const Model& model;
  const Inputs& inputs;
  Communicator& comm;
  // Is told the rows done, and may end it: it is called as often on every rank, and gives the same answer on all.
  std::function<bool(std::int64_t done)> progress = {};
  Forward forward = {};            // stands in for the model's own
  std::string run_directory = {};  // for reports, on rank 0; empty: none are written
  // Is shown, on every rank, what a classifier or regressor gave for all rows, in their order: fp32 [rows, outputs].
  std::function<void(const at::Tensor& outputs, const Targets& targets)> see = {};
};

// The rows' weights: fp32 [rows].
inline at::Tensor weights_of(const std::vector<RowOfSet>& rows) {
  at::Tensor weights = at::empty({static_cast<std::int64_t>(rows.size())});
  for (std::size_t i = 0; i < rows.size(); ++i) weights.data_ptr<float>()[i] = rows[i].set->weight(rows[i].row);
  return weights;
}

class Objective {
 public:
  virtual ~Objective() = default;

  virtual HeadSpec head() const = 0;  // that the model needs for it; dropout left as it is

  // What rows should give, on the CPU; and, for an encoder–decoder, what its decoder reads of them, in the context.
  virtual Targets targets(const std::vector<RowOfSet>& rows, Context& context) const = 0;
  // Tokens that a decoder reads of a row; 0 where there is none.
  virtual std::int64_t decoder_length(const DataSet&, std::uint64_t) const { return 0; }

  // The sum over rows of weight × loss; a scalar, fp32.
  virtual at::Tensor loss(const Packed& output, const Targets& targets) const = 0;
  // A row's part of the divisor, from what every rank knows of all rows: a step's sum needs no collective.
  virtual double share(const DataSet& set, std::uint64_t row) const = 0;

  // The metrics of a set, the same on every rank; nothing where `progress` ended it. Collective.
  virtual std::optional<Metrics> measure(const DataSet& set, const Evaluation& evaluation) const = 0;
  // What it does with a batch of rows, for forecasts.
  virtual std::function<void(const std::vector<RowOfSet>& batch)> pass(const Evaluation& evaluation) const = 0;
  virtual std::vector<std::string> metrics() const = 0;  // their names
  virtual std::string usual_metric() const = 0;          // that which chooses the best model where the recipe names none

  virtual std::string words() const = 0;  // "text-classification: bad, good"
};

}  // namespace thaw
