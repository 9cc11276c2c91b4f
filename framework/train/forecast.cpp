#include "framework/train/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/base/machine.h"

namespace thaw {
namespace {

// What one layer reads in an epoch: sums over its rows.
struct LayerLoad {
  double tokens = 0, squares = 0;  // lengths, and their squares
  double memory = 0, crossed = 0;  // of a decoder: lengths of the encoder's output, and those times the row's own
  double evaluation_tokens = 0;    // of the evaluation sets
};

struct EpochRows {
  double rows = 0, size = 0, length = 0;  // of the training rows as an epoch has them; length: of what the first layer reads
  double evaluation_size = 0;
  std::vector<LayerLoad> layers;
  at::Tensor ids;  // of the tokens that occur, where they are looked at
};

// What occurs in the first two million tokens of each training set: little is missing that the others bring.
at::Tensor ids_of(const RunData& data, std::int64_t vocabulary) {
  at::Tensor seen = at::zeros({vocabulary}, at::kBool);
  for (const DataSet& set : data.train) {
    std::size_t tokens = 0;
    for (std::uint64_t row = 0; row < set.shards->rows() && tokens < 2'000'000; ++row) {
      const EncodedRow encoded = set.shards->read(row);
      for (const auto id : encoded.input_ids) seen.data_ptr<bool>()[id] = true;
      tokens += encoded.input_ids.size();
    }
  }
  return at::nonzero(seen).flatten();
}

EpochRows epoch_rows(const Recipe& recipe, const RunData& data, const Model& model, bool look_at_tokens) {
  EpochRows epoch;
  epoch.layers.resize(model.layers.size());
  // Rows of one length, of what the first layer reads and of text: few kinds, many rows.
  std::map<std::pair<std::int64_t, std::int64_t>, double> training, evaluation;
  const auto kind_of = [&](const DataSet& set, std::uint64_t row) {
    return std::pair<std::int64_t, std::int64_t>{data.inputs->length(*set.shards, row), data.objective->decoder_length(set, row)};
  };
  for (std::size_t i = 0; i < data.train.size(); ++i)
    for (std::uint64_t row = 0; row < data.train[i].shards->rows(); ++row) {
      const double weight = recipe.data.train[i].weight;
      training[kind_of(data.train[i], row)] += weight;
      epoch.rows += weight;
      epoch.size += weight * data.inputs->size(*data.train[i].shards, row);
    }
  for (const DataSet& set : data.eval)
    for (const std::uint64_t row : evaluated_rows(set, recipe.evaluate.max_rows)) {
      evaluation[kind_of(set, row)] += 1;
      epoch.evaluation_size += data.inputs->size(*set.shards, row);
    }
  const auto tokens_read = [&](int layer, const auto& kind) {
    const bool of_decoder = model.decoder >= 0 && layer >= model.decoder;
    return static_cast<double>(of_decoder ? kind.second : model.tokens_read(layer, kind.first));
  };
  for (int layer = 0; layer < static_cast<int>(model.layers.size()); ++layer) {
    LayerLoad& load = epoch.layers[static_cast<std::size_t>(layer)];
    for (const auto& [kind, rows] : training) {
      const double tokens = tokens_read(layer, kind);
      const double memory = model.decoder >= 0 ? static_cast<double>(model.tokens_read(model.decoder, kind.first)) : 0;
      load.tokens += rows * tokens;
      load.squares += rows * tokens * tokens;
      load.memory += rows * memory;
      load.crossed += rows * tokens * memory;
      if (layer == 0) epoch.length += rows * static_cast<double>(kind.first);
    }
    // Of a decoder the encoder's output is kept.
    for (const auto& [kind, rows] : evaluation)
      load.evaluation_tokens += rows * static_cast<double>(model.tokens_read(model.kept_layer(layer), kind.first));
  }
  if (look_at_tokens) epoch.ids = ids_of(data, model.vocabulary_size);
  return epoch;
}

// Products of a pass over a share of an epoch: 2 a weight and token that it is applied to; forward in every layer, backward for weights that
// learn, and through every layer above the frontier.
double flops_of(const Model& model, const PlannedPhase& phase, const EpochRows& epoch, double share) {
  const auto load_of = [&](int layer) -> const LayerLoad& { return epoch.layers[static_cast<std::size_t>(layer)]; };
  double flops = 0;
  for (std::size_t i = 0; i < model.parameters.size(); ++i) {
    const Parameter& parameter = model.parameters[i];
    if (parameter.role != Role::matrix) continue;
    const double tokens = parameter.stride > 0        ? epoch.length / static_cast<double>(parameter.stride)
                          : parameter.of_first_tokens ? epoch.rows
                          : parameter.of_memory       ? load_of(parameter.group).memory
                                                      : load_of(parameter.group).tokens;
    const double pass = 2 * static_cast<double>(parameter.value.numel()) * tokens;
    flops += pass * (1 + (parameter.group > phase.frontier ? 1 : 0) + (phase.learning[i] ? 1 : 0));
  }
  // q·kᵀ and p·v: 4 · queries · length · width a row and block, twice that again backward
  for (int block = model.first_block; block < model.head(); ++block) {
    if (block == model.decoder) continue;  // its embeddings
    const LayerLoad& load = load_of(block);
    const bool of_decoder = model.decoder >= 0 && block > model.decoder;
    const double pairs = model.layers[static_cast<std::size_t>(block)].gives_first_tokens ? load.tokens
                         : of_decoder                                                     ? load.squares + load.crossed
                                                                                          : load.squares;
    flops += 4 * pairs * static_cast<double>(model.width) * (block >= phase.frontier ? 3 : 1);
  }
  return flops * share;
}

// What is kept of what a layer reads.
struct KeptBytes {
  double training, evaluation;
};

KeptBytes kept_bytes(const Model& model, const EpochRows& epoch, int layer) {
  const double token = static_cast<double>(model.width_read(layer)) * static_cast<double>(c10::elementSize(model.flow_type()));
  const LayerLoad& load = epoch.layers[static_cast<std::size_t>(layer)];
  return {token * (layer == model.decoder ? load.memory : load.tokens), token * load.evaluation_tokens};
}

// Of those, what one of some ranks has looked at after so many passes, each of which deals the training rows out anew: the
// system counts it as that rank's memory.
double looked_at(const KeptBytes& kept, double passes, int ranks) {
  return kept.training * (1 - std::pow(1 - 1.0 / ranks, passes)) + kept.evaluation / ranks;
}

double slowest(Communicator& comm, double seconds) {
  comm.all_reduce(&seconds, 1, CommType::f64, CommOp::max);
  return seconds;
}

// Seconds a token of some steps, taken once each, on the slowest rank.
double seconds_a_token(Trainer& trainer, const std::vector<Step>& steps, Communicator& comm) {
  double seconds = 0, tokens = 0;
  for (const Step& step : steps) {
    seconds += trainer.take(step).step_s;
    tokens += static_cast<double>(step.tokens);
  }
  return slowest(comm, seconds) / tokens;
}

using EvaluationCost = Trainer::EvaluationCost;

void measure(Trainer& trainer, const EpochRows& epoch, Communicator& comm, int count, PhaseForecast& phase, EvaluationCost& evaluation) {
  const Batches& batches = trainer.batches();
  const std::int64_t in_epoch = batches.steps(0);
  std::vector<Step> steps;
  for (int i = 0; i < count; ++i) steps.push_back(batches.step(0, i * in_epoch / count));
  const double tokens_of_step = static_cast<double>(phase.tokens) / static_cast<double>(phase.steps);
  if (epoch.ids.defined()) trainer.expect_ids(epoch.ids);
  reset_peak_memory();
  trainer.take(batches.step(0, in_epoch - 1));  // memory is found, kernels are chosen
  phase.step_s = seconds_a_token(trainer, steps, comm) * tokens_of_step;
  if (phase.cache_bytes > 0) phase.cached_step_s = seconds_a_token(trainer, steps, comm) * tokens_of_step;
  const EvaluationCost mine = trainer.sample_evaluation(/*time_it=*/evaluation.all == 0);
  const EvaluationCost sampled{slowest(comm, mine.model) / comm.size(), slowest(comm, mine.all) / comm.size()};
  if (evaluation.all == 0) evaluation = sampled;
  phase.peak_memory_bytes = peak_memory();
}

// What can be counted.
PhaseForecast counted(const Trainer& trainer, const Model& model, const EpochRows& epoch, const PlannedPhase& planned) {
  PhaseForecast phase;
  phase.steps = planned.steps;
  const double steps = static_cast<double>(planned.steps), epochs = steps / static_cast<double>(trainer.batches().steps(0));
  phase.rows = std::llround(epoch.rows * epochs);
  phase.tokens = std::llround(epoch.size * epochs);
  for (std::size_t i = 0; i < planned.learning.size(); ++i)
    if (planned.learning[i]) phase.learning += model.parameters[i].value.numel();
  phase.learning_bytes = trainer.learning_bytes();
  phase.buckets = trainer.gradients().bucket_count();
  phase.flops = flops_of(model, planned, epoch, epochs / steps);
  return phase;
}

// A phase's times, from those of its steps. `filled`: earlier phases have kept all that it reads.
void add_up(PhaseForecast& phase, std::int64_t evaluate_every, double steps_of_epoch, EvaluationCost evaluation, bool filled) {
  const double steps = static_cast<double>(phase.steps);
  const bool cached = phase.cache_bytes > 0;
  const double every = evaluate_every > 0 ? static_cast<double>(evaluate_every) : steps_of_epoch;
  const double evaluations = std::ceil(steps / every - 1e-9);
  phase.evaluation_s = evaluation.all * evaluations;
  phase.uncached_time_s = phase.step_s * steps + phase.evaluation_s;
  const double computed = !cached ? steps : filled ? 0 : std::min(steps, steps_of_epoch);
  const double computed_evaluations = !cached ? evaluations : filled ? 0 : std::min(1.0, evaluations);
  const double cached_share = phase.cached_step_s > 0 ? std::min(1.0, phase.cached_step_s / phase.step_s) : 1;
  phase.time_s = phase.step_s * computed + phase.cached_step_s * (steps - computed) +
                 evaluation.model * (computed_evaluations + (evaluations - computed_evaluations) * cached_share) +
                 (evaluation.all - evaluation.model) * evaluations;  // what follows the model's pass is never kept
}

// Steps of the phase that the trainer is in, in turn; the median of ratios.
double cost_of_fixed_order(Trainer& trainer, Communicator& comm, int count) {
  const std::int64_t in_epoch = trainer.batches().steps(0);
  std::vector<double> ratios;
  for (int i = 0; i < 2 * count + 1; ++i) {
    double seconds[2] = {};
    for (const bool fixed : {false, true}) {
      trainer.sum_in_fixed_order(fixed);
      seconds[fixed ? 1 : 0] = slowest(comm, trainer.take(trainer.batches().step(0, i % in_epoch)).step_s);
    }
    if (i > 0) ratios.push_back(seconds[1] / seconds[0]);
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios[ratios.size() / 2];
}

}  // namespace

Forecast forecast(Trainer& trainer, const Recipe& recipe, const Model& model, const RunData& data, Communicator& comm, int count) {
  const EpochRows epoch = epoch_rows(recipe, data, model, count > 0 && !data.inputs->hears());
  const double steps_of_epoch = static_cast<double>(trainer.batches().steps(0));
  Forecast out;
  std::map<int, double> passes;  // over what is kept of a layer's input, by the earlier phases
  EvaluationCost evaluation;
  for (std::size_t number = 0; number < trainer.plan().phases.size(); ++number) {
    const PlannedPhase& planned = trainer.plan().phases[number];
    trainer.jump_to_phase(number);
    PhaseForecast phase = counted(trainer, model, epoch, planned);
    const std::vector<int> kept = trainer.cached_layers();
    const int layer_read = model.kept_layer(planned.frontier);
    if (trainer.changes_rows(number)) passes.clear();
    const bool filled = passes.contains(layer_read);
    if (filled || std::find(kept.begin(), kept.end(), layer_read) != kept.end()) {
      const KeptBytes bytes = kept_bytes(model, epoch, layer_read);
      phase.cache_bytes = static_cast<std::uint64_t>(bytes.training + bytes.evaluation);
    }
    if (count > 0) measure(trainer, epoch, comm, count, phase, evaluation);
    const double epochs = static_cast<double>(planned.steps) / steps_of_epoch;
    for (const int layer : kept) {
      passes[layer] += layer == layer_read ? epochs : std::min(1.0, epochs);
      if (count > 0)
        phase.peak_memory_bytes += static_cast<std::uint64_t>(looked_at(kept_bytes(model, epoch, layer), passes[layer], comm.size()));
    }
    phase.network_bytes = comm.size() > 1 || count > 0 ? trainer.bytes_per_step() : 0;
    const EvaluationCost whole{evaluation.model * epoch.evaluation_size, evaluation.all * epoch.evaluation_size};
    add_up(phase, recipe.evaluate.every_steps, steps_of_epoch, whole, filled);
    std::erase_if(passes, [&](const auto& entry) { return entry.first > planned.frontier; });
    out.time_s += phase.time_s;
    out.uncached_time_s += phase.uncached_time_s;
    out.phases.push_back(phase);
  }
  if (recipe.reproducible && count > 0) out.fixed_order = cost_of_fixed_order(trainer, comm, count);
  return out;
}

}  // namespace thaw
