#include "framework/train/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/base/machine.h"

namespace thaw {
namespace {

struct Corpus {
  double rows = 0, tokens = 0, squares = 0;  // of the training rows as an epoch has them: sums of lengths and of their squares
  double evaluation_rows = 0, evaluation_tokens = 0;
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

Corpus corpus_of(const Recipe& recipe, const RunData& data, std::int64_t vocabulary, bool look_at_tokens) {
  Corpus corpus;
  for (std::size_t i = 0; i < data.train.size(); ++i)
    for (const double length : data.train[i].shards->lengths()) {
      const double weight = recipe.data.train[i].weight;
      corpus.rows += weight;
      corpus.tokens += weight * length;
      corpus.squares += weight * length * length;
    }
  if (look_at_tokens) corpus.ids = ids_of(data, vocabulary);
  for (const DataSet& set : data.eval) {
    corpus.evaluation_rows += static_cast<double>(set.shards->rows());
    corpus.evaluation_tokens += static_cast<double>(set.shards->tokens());
  }
  return corpus;
}

// Products of one pass over `tokens` tokens in `rows` rows: 2 a weight and token that it is applied to; forward in every layer,
// backward for weights that learn, and through every layer above the frontier.
double flops_of(const Model& model, const PlannedPhase& phase, double rows, double tokens, double square_sum) {
  double flops = 0;
  for (std::size_t i = 0; i < model.parameters.size(); ++i) {
    const Parameter& parameter = model.parameters[i];
    if (parameter.role != Role::matrix) continue;
    const double pass = 2 * static_cast<double>(parameter.value.numel()) * (parameter.of_first_tokens ? rows : tokens);
    flops += pass * (1 + (parameter.group > phase.frontier ? 1 : 0) + (phase.learning[i] ? 1 : 0));
  }
  // q·kᵀ and p·v: 4 · queries · length · width a row and block, twice that again backward
  for (int block = model.first_block; block < model.head(); ++block) {
    const double pairs = model.layers[static_cast<std::size_t>(block)].gives_first_tokens ? tokens : square_sum;
    flops += 4 * pairs * static_cast<double>(model.width) * (block >= phase.frontier ? 3 : 1);
  }
  return flops;
}

// What is kept of what a layer reads.
struct KeptBytes {
  double training, evaluation;
};

KeptBytes kept_bytes(const Model& model, const Corpus& corpus, int layer) {
  const double token = static_cast<double>(model.width) * static_cast<double>(c10::elementSize(model.flow_type()));
  const bool first_alone = model.reads_first_tokens(layer);
  return {token * (first_alone ? corpus.rows : corpus.tokens), token * (first_alone ? corpus.evaluation_rows : corpus.evaluation_tokens)};
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

void measure(Trainer& trainer, const Corpus& corpus, Communicator& comm, int count, PhaseForecast& phase, double& evaluation_token_s) {
  const Batches& batches = trainer.batches();
  const std::int64_t in_epoch = batches.steps(0);
  std::vector<Step> steps;
  for (int i = 0; i < count; ++i) steps.push_back(batches.step(0, i * in_epoch / count));
  const double tokens_of_step = static_cast<double>(phase.tokens) / static_cast<double>(phase.steps);
  trainer.expect_ids(corpus.ids);
  reset_peak_memory();
  trainer.take(batches.step(0, in_epoch - 1));  // memory is found, kernels are chosen
  phase.step_s = seconds_a_token(trainer, steps, comm) * tokens_of_step;
  if (phase.cache_bytes > 0) phase.cached_step_s = seconds_a_token(trainer, steps, comm) * tokens_of_step;
  const double sampled = slowest(comm, trainer.sample_evaluation(/*time_it=*/evaluation_token_s == 0)) / comm.size();
  if (evaluation_token_s == 0) evaluation_token_s = sampled;
  phase.peak_memory_bytes = peak_memory();
}

// What can be counted.
PhaseForecast counted(const Trainer& trainer, const Model& model, const Corpus& corpus, const PlannedPhase& planned) {
  PhaseForecast phase;
  phase.steps = planned.steps;
  const double steps = static_cast<double>(planned.steps), epochs = steps / static_cast<double>(trainer.batches().steps(0));
  phase.rows = std::llround(corpus.rows * epochs);
  phase.tokens = std::llround(corpus.tokens * epochs);
  for (std::size_t i = 0; i < planned.learning.size(); ++i)
    if (planned.learning[i]) phase.learning += model.parameters[i].value.numel();
  phase.learning_bytes = trainer.learning_bytes();
  phase.buckets = trainer.gradients().bucket_count();
  phase.flops = flops_of(model, planned, static_cast<double>(phase.rows) / steps, static_cast<double>(phase.tokens) / steps,
                         corpus.squares * epochs / steps);
  return phase;
}

// A phase's times, from those of its steps. `filled`: earlier phases have kept all that it reads.
void add_up(PhaseForecast& phase, std::int64_t evaluate_every, double steps_of_epoch, double evaluation_s, bool filled) {
  const double steps = static_cast<double>(phase.steps);
  const bool cached = phase.cache_bytes > 0;
  const double every = evaluate_every > 0 ? static_cast<double>(evaluate_every) : steps_of_epoch;
  const double evaluations = std::ceil(steps / every - 1e-9);
  phase.evaluation_s = evaluation_s * evaluations;
  phase.uncached_time_s = phase.step_s * steps + phase.evaluation_s;
  const double computed = !cached ? steps : filled ? 0 : std::min(steps, steps_of_epoch);
  const double computed_evaluations = !cached ? evaluations : filled ? 0 : std::min(1.0, evaluations);
  const double cached_share = phase.cached_step_s > 0 ? std::min(1.0, phase.cached_step_s / phase.step_s) : 1;
  phase.time_s = phase.step_s * computed + phase.cached_step_s * (steps - computed) +
                 evaluation_s * (computed_evaluations + (evaluations - computed_evaluations) * cached_share);
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
  const Corpus corpus = corpus_of(recipe, data, model.vocabulary_size, count > 0);
  const double steps_of_epoch = static_cast<double>(trainer.batches().steps(0));
  Forecast out;
  std::map<int, double> passes;  // over what is kept of a layer's input, by the earlier phases
  double evaluation_token_s = 0;
  for (std::size_t number = 0; number < trainer.plan().phases.size(); ++number) {
    const PlannedPhase& planned = trainer.plan().phases[number];
    trainer.jump_to_phase(number);
    PhaseForecast phase = counted(trainer, model, corpus, planned);
    const std::vector<int> kept = trainer.cached_layers();
    const bool filled = passes.contains(planned.frontier);
    if (filled || std::find(kept.begin(), kept.end(), planned.frontier) != kept.end()) {
      const KeptBytes bytes = kept_bytes(model, corpus, planned.frontier);
      phase.cache_bytes = static_cast<std::uint64_t>(bytes.training + bytes.evaluation);
    }
    if (count > 0) measure(trainer, corpus, comm, count, phase, evaluation_token_s);
    const double epochs = static_cast<double>(planned.steps) / steps_of_epoch;
    for (const int layer : kept) {
      passes[layer] += layer == planned.frontier ? epochs : std::min(1.0, epochs);
      if (count > 0)
        phase.peak_memory_bytes += static_cast<std::uint64_t>(looked_at(kept_bytes(model, corpus, layer), passes[layer], comm.size()));
    }
    phase.network_bytes = comm.size() > 1 || count > 0 ? trainer.bytes_per_step() : 0;
    add_up(phase, recipe.evaluate.every_steps, steps_of_epoch, evaluation_token_s * corpus.evaluation_tokens, filled);
    std::erase_if(passes, [&](const auto& entry) { return entry.first > planned.frontier; });
    out.time_s += phase.time_s;
    out.uncached_time_s += phase.uncached_time_s;
    out.phases.push_back(phase);
  }
  if (recipe.reproducible && count > 0) out.fixed_order = cost_of_fixed_order(trainer, comm, count);
  return out;
}

}  // namespace thaw
