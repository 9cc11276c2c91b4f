// Seconds, by the clock and of all threads' work, of a training step (forward, loss, backward, gradients dropped) of a speech model with random weights, on rows of
// noise: wav2vec 2.0 base with CTC, four rows of ten seconds; Whisper tiny, eight windows of 30 s with 64 tokens each.
// `frozen`: wav2vec 2.0's convolutions, Whisper's encoder, do not learn. recipes/benchmarks/speech_step.sh runs it beside
// transformers.
//   speech_step wav2vec2|whisper fp32|bf16 all|frozen [THREADS [STEPS]]
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <string>

#include "framework/models/registry.h"

namespace thaw {
namespace {

std::vector<std::int64_t> rows_of(std::int64_t rows, std::int64_t length) {
  std::vector<std::int64_t> cu_seqlens{0};
  for (std::int64_t row = 0; row < rows; ++row) cu_seqlens.push_back(cu_seqlens.back() + length);
  return cu_seqlens;
}

struct Step {
  std::unique_ptr<Model> model;
  std::vector<std::int64_t> cu_seqlens;
  Context context;
  int frozen_layers;  // where `frozen`
  std::function<at::Tensor(const at::Tensor& logits)> loss;
};

Step wav2vec2_step() {
  constexpr std::int64_t rows = 4, samples = 160000, symbols = 32, letters = 120;
  const Json config{{"model_type", "wav2vec2"}, {"layerdrop", 0.0}};  // the defaults are the base model's
  Step step{build_model(JsonView(config, "config.json"), {symbols, -1, Head::ctc}), rows_of(rows, samples), {}, 1, {}};
  step.context.features = at::randn({rows * samples});
  const at::Tensor targets = at::randint(1, symbols, {rows, letters}, at::kLong);
  step.loss = [=](const at::Tensor& logits) {
    const std::int64_t frames = logits.size(0) / rows;
    return at::ctc_loss(at::log_softmax(logits.view({rows, frames, symbols}).transpose(0, 1), -1), targets,
                        at::full({rows}, frames, at::kLong), at::full({rows}, letters, at::kLong));
  };
  return step;
}

Step whisper_step() {
  constexpr std::int64_t rows = 8, frames = 3000, mels = 80, tokens = 64, vocabulary = 51865;
  const Json config{{"model_type", "whisper"},  {"d_model", 384},          {"encoder_layers", 4},          {"decoder_layers", 4},
                    {"vocab_size", vocabulary}, {"num_mel_bins", mels},    {"max_source_positions", 1500}, {"max_target_positions", 448},
                    {"encoder_ffn_dim", 1536},  {"decoder_ffn_dim", 1536}, {"encoder_attention_heads", 6}, {"decoder_attention_heads", 6}};
  Step step{build_model(JsonView(config, "config.json"), {vocabulary, -1, Head::language}), rows_of(rows, frames), {}, 0, {}};
  step.frozen_layers = step.model->decoder;
  step.context.features = at::randn({rows * frames, mels});
  step.context.decoder_cu_seqlens = rows_of(rows, tokens);
  step.context.input_ids = at::randint(0, vocabulary, {rows * tokens}, at::kLong);
  step.context.positions = at::arange(tokens).repeat({rows});
  const at::Tensor targets = at::randint(0, vocabulary, {rows * tokens}, at::kLong);
  step.loss = [=](const at::Tensor& logits) { return at::cross_entropy_loss(logits, targets); };
  return step;
}

void prepare(Model& model, at::ScalarType type, int frozen_layers) {
  for (Parameter& parameter : model.parameters) {
    const bool ones = parameter.name.ends_with("weight_g") || (parameter.role == Role::norm && parameter.name.ends_with("weight"));
    parameter.value = ones ? at::ones(parameter.value.sizes()) : at::randn(parameter.value.sizes()) * 0.02;
  }
  model.set_precision(type);
  std::vector<bool> learning;
  for (const Parameter& parameter : model.parameters) learning.push_back(parameter.group >= frozen_layers);
  model.set_learning(learning);
}

struct Seconds {
  double clock, cpu;
};

Seconds seconds_of(Step& step, std::uint64_t number) {
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t work = std::clock();
  step.context.random_key = number;
  step.loss(step.model->forward(step.cu_seqlens, step.context)).backward();
  for (Parameter& parameter : step.model->parameters) parameter.working.mutable_grad() = at::Tensor();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(std::clock() - work) / CLOCKS_PER_SEC};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(const std::string& name, const std::string& precision, const std::string& learning, int threads, int steps) {
  mallopt(M_TRIM_THRESHOLD, 1 << 30), mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program has it
  at::set_num_threads(threads);
  at::manual_seed(1);
  Step step = name == "whisper" ? whisper_step() : wav2vec2_step();
  step.context.training = true;
  prepare(*step.model, precision == "bf16" ? at::kBFloat16 : at::kFloat, learning == "frozen" ? step.frozen_layers : 0);
  seconds_of(step, 0);
  std::vector<double> clock, cpu;
  for (int number = 1; number <= steps; ++number) {
    const Seconds seconds = seconds_of(step, static_cast<std::uint64_t>(number));
    clock.push_back(seconds.clock), cpu.push_back(seconds.cpu);
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{{\"seconds\": {:.4f}, \"cpu_seconds\": {:.4f}, \"peak_mb\": {}}}\n", median(clock), median(cpu), usage.ru_maxrss / 1024);
  return 0;
}

}  // namespace
}  // namespace thaw

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: speech_step wav2vec2|whisper fp32|bf16 all|frozen [THREADS [STEPS]]\n");
    return 64;
  }
  return thaw::run(argv[1], argv[2], argv[3], argc > 4 ? std::stoi(argv[4]) : 2, argc > 5 ? std::stoi(argv[5]) : 3);
}
