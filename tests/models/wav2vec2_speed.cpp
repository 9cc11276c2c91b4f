// Seconds of a training pass (forward, CTC loss, backward) of a wav2vec 2.0 of base shape with random weights, whose
// convolutions are frozen: ten rows of five seconds. tests/models/wav2vec2_speed.py measures transformers likewise.
//   wav2vec2_speed fp32|bf16 [THREADS [PASSES]]
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "framework/models/registry.h"

namespace thaw {
namespace {

constexpr std::int64_t rows = 10, samples = 80000, symbols = 32, letters = 60;

std::unique_ptr<Model> random_model(at::ScalarType type) {
  const Json config{{"model_type", "wav2vec2"}, {"layerdrop", 0.0}};  // the defaults are the base model's
  std::unique_ptr<Model> model = build_model(JsonView(config, "config.json"), {symbols, -1, Head::ctc});
  at::manual_seed(1);
  for (Parameter& parameter : model->parameters) {
    const bool ones = parameter.name.ends_with("weight_g") || (parameter.role == Role::norm && parameter.name.ends_with("weight"));
    parameter.value = ones ? at::ones(parameter.value.sizes()) : at::randn(parameter.value.sizes()) * 0.02;
  }
  model->set_precision(type);
  std::vector<bool> learning;
  for (const Parameter& parameter : model->parameters) learning.push_back(parameter.group > 0);
  model->set_learning(learning);
  return model;
}

double seconds_of_pass(Model& model, Context& context, std::uint64_t pass) {
  const auto start = std::chrono::steady_clock::now();
  context.random_key = pass;
  std::vector<std::int64_t> cu_seqlens{0};
  for (std::int64_t row = 0; row < rows; ++row) cu_seqlens.push_back(cu_seqlens.back() + samples);
  const at::Tensor logits = model.forward(cu_seqlens, context);
  const std::int64_t frames = logits.size(0) / rows;
  const at::Tensor targets = at::randint(1, symbols, {rows, letters}, at::kLong);
  const at::Tensor loss = at::ctc_loss(at::log_softmax(logits.view({rows, frames, symbols}).transpose(0, 1), -1), targets,
                                       at::full({rows}, frames, at::kLong), at::full({rows}, letters, at::kLong));
  loss.backward();
  for (Parameter& parameter : model.parameters) parameter.working.mutable_grad() = at::Tensor();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(const std::string& precision, int threads, int passes) {
  at::set_num_threads(threads);
  const auto model = random_model(precision == "bf16" ? at::kBFloat16 : at::kFloat);
  Context context;
  context.features = at::randn({rows * samples});
  context.training = true;
  double best = seconds_of_pass(*model, context, 0);
  for (int pass = 1; pass <= passes; ++pass) best = std::min(best, seconds_of_pass(*model, context, static_cast<std::uint64_t>(pass)));
  fmt::print("{{\"precision\": \"{}\", \"threads\": {}, \"seconds\": {:.3f}}}\n", precision, threads, best);
  return 0;
}

}  // namespace
}  // namespace thaw

int main(int argc, char** argv) {
  return thaw::run(argc > 1 ? argv[1] : "fp32", argc > 2 ? std::stoi(argv[2]) : 2, argc > 3 ? std::stoi(argv[3]) : 3);
}
