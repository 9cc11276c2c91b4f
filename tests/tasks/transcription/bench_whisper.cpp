// How fast Whisper transcribes, from log-mel features to greedy tokens without timestamps:
//   bench_whisper MODEL FEATURES.safetensors fp32|bf16 WINDOWS-TOGETHER THREADS ROUNDS
// FEATURES: features fp32 [windows, mels, 3000], prompt int64 [prompt]. Prints one JSON object: the seconds of each round (on
// the clock, and of all threads' work), those of the encoder, and the tokens. See recipes/benchmarks/transcribe.sh.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>

#include <cstdio>
#include <ctime>

#include "framework/base/clock.h"
#include "framework/models/registry.h"
#include "framework/tasks/transcription/whisper_decoder.h"
#include "framework/tensor/safetensors.h"
#include "tests/tasks/transcription/greedy.h"

namespace {

// Adds up what the encoder takes.
class Timed : public thaw::SpeechDecoder {
 public:
  explicit Timed(std::unique_ptr<thaw::SpeechDecoder> inner) : inner_(std::move(inner)) {}
  std::int64_t vocabulary_size() const override { return inner_->vocabulary_size(); }
  std::int64_t max_tokens() const override { return inner_->max_tokens(); }
  void encode(const at::Tensor& features) override {
    const auto begun = thaw::Clock::now();
    inner_->encode(features);
    encode_s += thaw::seconds_since(begun);
  }
  void hear(const std::vector<at::Tensor>& encoded) override { inner_->hear(encoded); }
  void begin(const std::vector<std::int64_t>& windows) override { inner_->begin(windows); }
  at::Tensor step(const at::Tensor& tokens, bool all) override { return inner_->step(tokens, all); }
  void reorder(const std::vector<std::int64_t>& from) override { inner_->reorder(from); }
  at::Tensor cross_attention(const at::Tensor& tokens, const std::vector<std::pair<int, int>>& heads) override {
    return inner_->cross_attention(tokens, heads);
  }
  double encode_s = 0;

 private:
  std::unique_ptr<thaw::SpeechDecoder> inner_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "bench_whisper MODEL FEATURES.safetensors fp32|bf16 WINDOWS-TOGETHER THREADS ROUNDS\n");
    return 64;
  }
  at::set_num_threads(std::atoi(argv[5]));
  mallopt(M_TRIM_THRESHOLD, 1 << 30);  // freed memory is soon needed again: asking the system for it took a tenth of the time
  mallopt(M_MMAP_THRESHOLD, 1 << 25);
  thaw::HeadSpec head;
  head.kind = thaw::Head::language;
  const auto model = thaw::load_model(argv[1], head, 1);
  const thaw::SafetensorsFile given(argv[2]);
  Timed decoder(thaw::whisper_decoder(*model, std::string(argv[3]) == "bf16" ? at::kBFloat16 : at::kFloat));
  const auto end = model->config["eos_token_id"].get<std::int64_t>();
  thaw::OrderedJson result{
      {"seconds", thaw::OrderedJson::array()}, {"cpu_seconds", thaw::OrderedJson::array()}, {"encoder", thaw::OrderedJson::array()}};
  const std::int64_t together = std::atoi(argv[4]);
  thaw::greedy(decoder, given.tensor("features").slice(0, 0, together), given.tensor("prompt"), end, together);
  for (int round = 0; round < std::atoi(argv[6]); ++round) {
    decoder.encode_s = 0;
    const auto begun = thaw::Clock::now();
    const std::clock_t cpu_begun = std::clock();
    const auto tokens = thaw::greedy(decoder, given.tensor("features"), given.tensor("prompt"), end, together);
    result["seconds"].push_back(thaw::seconds_since(begun));
    result["cpu_seconds"].push_back(static_cast<double>(std::clock() - cpu_begun) / CLOCKS_PER_SEC);
    result["encoder"].push_back(decoder.encode_s);
    result["tokens"] = tokens;
  }
  std::puts(result.dump().c_str());
}
