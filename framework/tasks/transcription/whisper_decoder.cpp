#include "framework/tasks/transcription/whisper_decoder.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>

#include "framework/base/error.h"
#include "framework/models/whisper_inference.h"
#include "framework/nn/cpu/kernels.h"
#include "framework/nn/key_value_cache.h"
#include "framework/nn/parallel.h"

namespace thaw {
namespace {

PanelLinear panels(const WhisperValues& values, const std::string& name, at::ScalarType type) {
  return {values(name + ".weight"), values(name + ".bias"), type};
}

class WhisperDecoder : public SpeechDecoder {
 public:
  WhisperDecoder(const WhisperValues& values, at::ScalarType type);
  std::int64_t vocabulary_size() const override { return config_.vocabulary; }
  std::int64_t max_tokens() const override { return config_.target_positions; }
  void encode(const at::Tensor& features) override;
  void hear(const std::vector<at::Tensor>& encoded) override;
  void begin(const std::vector<std::int64_t>& windows) override;
  at::Tensor step(const at::Tensor& tokens, bool all) override;
  void reorder(const std::vector<std::int64_t>& from) override;
  at::Tensor cross_attention(const at::Tensor& tokens, const std::vector<std::pair<int, int>>& heads) override;

 private:
  struct Layer {
    NormValues self_norm, cross_norm, norm;
    PanelLinear qkv, self_out, query, cross_out, up, down;
  };
  // Where cross-attention's probabilities go: chosen heads of a layer and their places in `to`, [sequences, chosen, n, frames].
  struct Recording {
    const std::vector<std::pair<int, int>>& heads;
    at::Tensor to;
  };
  KeyValueCache empty_cache(std::int64_t tokens) const { return {config_.decoder.layers, config_.decoder.heads, head_dim_, tokens, type_}; }
  // Keeps what each window's encoding, [frames, width], gives to cross-attention.
  void cache_audio(std::int64_t windows, const std::function<at::Tensor(std::int64_t window)>& encoded);
  at::Tensor run(const at::Tensor& tokens, const Recording* recording);
  at::Tensor embedded(const at::Tensor& tokens) const;
  at::Tensor attend_to_text(const at::Tensor& qkv, std::int64_t layer, std::int64_t n);
  at::Tensor attend_to_audio(const at::Tensor& queries, std::int64_t layer, std::int64_t n, const Recording* recording) const;
  void make_room(std::int64_t tokens);

  WhisperConfig config_;
  at::ScalarType type_;
  std::int64_t head_dim_;
  float scale_;
  WhisperEncoder encoder_;
  std::vector<PackedLinear> audio_;  // keys and values of each layer, of the encoder's output
  at::Tensor tokens_, positions_;
  std::vector<Layer> layers_;
  NormValues final_norm_;
  PanelLinear projection_;

  std::vector<KeyValueCache> audio_caches_, text_caches_;  // of each window; of each sequence
  std::vector<std::int64_t> audio_frames_;                 // of each window
  std::vector<std::int64_t> windows_;                      // of each sequence
  std::int64_t length_ = 0;                                // tokens so far
};

WhisperDecoder::WhisperDecoder(const WhisperValues& values, at::ScalarType type)
    : config_(values.config()),
      type_(type),
      head_dim_(config_.width / config_.decoder.heads),
      scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim_)))),
      encoder_(values, type),
      tokens_(values("decoder.embed_tokens.weight")),
      positions_(values("decoder.embed_positions.weight")),
      final_norm_(values, "decoder.layer_norm") {
  for (std::int64_t index = 0; index < config_.decoder.layers; ++index) {
    const std::string prefix = fmt::format("decoder.layers.{}.", index), self = prefix + "self_attn.", cross = prefix + "encoder_attn.";
    const std::vector<std::string> projections{"q_proj", "k_proj", "v_proj"}, of_audio{"k_proj", "v_proj"};
    layers_.push_back({NormValues(values, prefix + "self_attn_layer_norm"), NormValues(values, prefix + "encoder_attn_layer_norm"),
                       NormValues(values, prefix + "final_layer_norm"),
                       PanelLinear(values.stacked(self, projections, "weight"), values.stacked(self, projections, "bias"), type),
                       panels(values, self + "out_proj", type), panels(values, cross + "q_proj", type),
                       panels(values, cross + "out_proj", type), panels(values, prefix + "fc1", type),
                       panels(values, prefix + "fc2", type)});
    audio_.emplace_back(values.stacked(cross, of_audio, "weight"), values.stacked(cross, of_audio, "bias"), type);
  }
  projection_ = PanelLinear(config_.tied ? tokens_ : values("proj_out.weight"), {}, type);
}

void WhisperDecoder::encode(const at::Tensor& features) {
  if (features.dim() != 3 || features.size(2) != config_.window())
    throw DataError("features: expected [windows, {}, {}], found [{}]", config_.mels, config_.window(), fmt::join(features.sizes(), ", "));
  cache_audio(features.size(0), [&](std::int64_t window) { return encoder_(features[window]); });
}

void WhisperDecoder::hear(const std::vector<at::Tensor>& encoded) {
  for (const at::Tensor& window : encoded)
    if (window.dim() != 2 || window.size(0) < 1 || window.size(0) > config_.source_positions || window.size(1) != config_.width)
      throw DataError("a window's encoding: expected [1 to {}, {}], found [{}]", config_.source_positions, config_.width,
                      fmt::join(window.sizes(), ", "));
  cache_audio(static_cast<std::int64_t>(encoded.size()),
              [&](std::int64_t window) { return encoded[static_cast<std::size_t>(window)].to(at::kCPU, type_).contiguous(); });
}

// A thread a window, where there are as many: no thread then waits for another inside a layer. Each takes the next window when it
// is done with one, since a thread that shares its core is slower. What the last windows were kept in is written over.
void WhisperDecoder::cache_audio(std::int64_t windows, const std::function<at::Tensor(std::int64_t window)>& encoded) {
  begin({});
  const auto kept = static_cast<std::int64_t>(audio_caches_.size());
  audio_caches_.resize(static_cast<std::size_t>(windows));
  audio_frames_.resize(static_cast<std::size_t>(windows));
  for (std::int64_t i = kept; i < windows; ++i) audio_caches_[static_cast<std::size_t>(i)] = empty_cache(config_.source_positions);
  const auto cache_one = [&](std::size_t window) {
    const at::NoGradGuard no_grad;
    const at::Tensor audio = encoded(static_cast<std::int64_t>(window));
    audio_frames_[window] = audio.size(0);
    for (std::size_t layer = 0; layer < audio_.size(); ++layer) {
      const at::Tensor projected = audio_[layer](audio);  // [frames, 2 · width]
      audio_caches_[window].write(static_cast<std::int64_t>(layer), 0, projected.narrow(1, 0, config_.width),
                                  projected.narrow(1, config_.width, config_.width));
    }
  };
  std::atomic<std::int64_t> next = 0;
  const auto cache_some = [&](std::int64_t, std::int64_t) {
    for (std::int64_t i = next++; i < windows; i = next++) cache_one(static_cast<std::size_t>(i));
  };
  const std::int64_t threads = at::get_num_threads();
  if (windows >= threads) parallel_for(0, threads, 1, cache_some);
  else cache_some(0, 1);
}

void WhisperDecoder::begin(const std::vector<std::int64_t>& windows) {
  constexpr std::int64_t at_first = 64;  // tokens: most sentences have fewer
  windows_ = windows;
  text_caches_.clear();
  for (const std::int64_t window : windows) {
    if (window < 0 || window >= static_cast<std::int64_t>(audio_caches_.size()))
      throw DataError("decoding: expected a window from 0 to {}, found {}", static_cast<std::int64_t>(audio_caches_.size()) - 1, window);
    text_caches_.push_back(empty_cache(std::min(at_first, config_.target_positions)));
  }
  length_ = 0;
}

void WhisperDecoder::reorder(const std::vector<std::int64_t>& from) {
  std::vector<KeyValueCache> caches;
  std::vector<std::int64_t> windows;
  std::vector<bool> moved(text_caches_.size(), false);
  for (const std::int64_t sequence : from) {
    if (sequence < 0 || sequence >= static_cast<std::int64_t>(moved.size()))
      throw DataError("decoding: expected a sequence from 0 to {}, found {}", static_cast<std::int64_t>(moved.size()) - 1, sequence);
    const auto i = static_cast<std::size_t>(sequence);
    caches.push_back(moved[i] ? text_caches_[i].clone() : text_caches_[i]);  // handles: the first shares memory, others copy it
    moved[i] = true;
    windows.push_back(windows_[i]);
  }
  text_caches_ = std::move(caches);
  windows_ = std::move(windows);
}

void WhisperDecoder::make_room(std::int64_t tokens) {
  if (tokens > max_tokens()) throw DataError("decoding: expected at most {} tokens, found {}", max_tokens(), tokens);
  for (KeyValueCache& cache : text_caches_)
    if (cache.tokens() < tokens) cache.grow(std::min(max_tokens(), std::max(tokens, 2 * cache.tokens())));
}

at::Tensor WhisperDecoder::embedded(const at::Tensor& tokens) const {
  const at::Tensor flat = tokens.flatten();
  if (flat.numel() > 0 && (flat.min().item<std::int64_t>() < 0 || flat.max().item<std::int64_t>() >= config_.vocabulary))
    throw DataError("decoding: expected tokens from 0 to {}, found {} to {}", config_.vocabulary - 1, flat.min().item<std::int64_t>(),
                    flat.max().item<std::int64_t>());
  const at::Tensor x = tokens_.index_select(0, flat).view({tokens.size(0), tokens.size(1), config_.width});
  return (x + positions_.narrow(0, length_, tokens.size(1))).view({-1, config_.width});
}

at::Tensor WhisperDecoder::attend_to_text(const at::Tensor& qkv, std::int64_t layer, std::int64_t n) {
  const std::int64_t width = config_.width, heads = config_.decoder.heads, sequences = static_cast<std::int64_t>(windows_.size());
  at::Tensor out = at::empty({sequences * n, width}, at::kFloat);
  const float* const q = qkv.const_data_ptr<float>();
  float* const to = out.mutable_data_ptr<float>();
  parallel_for(0, sequences, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> probabilities(static_cast<std::size_t>(cpu::padded(length_ + n)));
    for (std::int64_t sequence = begin; sequence < end; ++sequence) {
      KeyValueCache& cache = text_caches_[static_cast<std::size_t>(sequence)];
      const at::Tensor rows = qkv.narrow(0, sequence * n, n);
      cache.write(layer, length_, rows.narrow(1, width, width), rows.narrow(1, 2 * width, width));
      for (std::int64_t head = 0; head < heads; ++head)
        for (std::int64_t row = sequence * n; row < (sequence + 1) * n; ++row)
          cache.attend(layer, head, length_ + row - sequence * n + 1, q + row * 3 * width + head * head_dim_, scale_,
                       to + row * width + head * head_dim_, probabilities.data());
    }
  });
  return out;
}

// A head of a window at a time, by all the sequences that read it: what one has read is near for the next.
at::Tensor WhisperDecoder::attend_to_audio(const at::Tensor& queries, std::int64_t layer, std::int64_t n,
                                           const Recording* recording) const {
  const std::int64_t width = config_.width, heads = config_.decoder.heads;
  std::map<std::int64_t, std::vector<std::int64_t>> readers;
  for (std::size_t sequence = 0; sequence < windows_.size(); ++sequence)
    readers[windows_[sequence]].push_back(static_cast<std::int64_t>(sequence));
  const std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>> groups(readers.begin(), readers.end());
  at::Tensor out = at::empty({queries.size(0), width}, at::kFloat);
  const float* const q = queries.const_data_ptr<float>();
  float* const to = out.mutable_data_ptr<float>();
  parallel_for(0, static_cast<std::int64_t>(groups.size()) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> probabilities(static_cast<std::size_t>(cpu::padded(config_.source_positions)));
    for (std::int64_t item = begin; item < end; ++item) {
      const auto& [window, sequences] = groups[static_cast<std::size_t>(item / heads)];
      const std::int64_t head = item % heads, frames = audio_frames_[static_cast<std::size_t>(window)];
      for (const std::int64_t sequence : sequences)
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t place = (sequence * n + i) * width + head * head_dim_;
          audio_caches_[static_cast<std::size_t>(window)].attend(layer, head, frames, q + place, scale_, to + place, probabilities.data());
          if (recording == nullptr) continue;
          for (std::size_t chosen = 0; chosen < recording->heads.size(); ++chosen)
            if (recording->heads[chosen] == std::pair(static_cast<int>(layer), static_cast<int>(head)))
              std::copy_n(
                  probabilities.data(), frames,
                  recording->to.data_ptr<float>() +
                      ((sequence * static_cast<std::int64_t>(recording->heads.size()) + static_cast<std::int64_t>(chosen)) * n + i) *
                          config_.source_positions);
        }
    }
  });
  return out;
}

// The decoder's output before its final norm: [sequences · n, width].
at::Tensor WhisperDecoder::run(const at::Tensor& tokens, const Recording* recording) {
  if (tokens.dim() != 2 || tokens.size(0) != static_cast<std::int64_t>(windows_.size()) || tokens.size(1) < 1)
    throw DataError("decoding: expected tokens [{}, 1 or more], found [{}]", windows_.size(), fmt::join(tokens.sizes(), ", "));
  const std::int64_t n = tokens.size(1);
  make_room(length_ + n);
  at::Tensor x = embedded(tokens);
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    const Layer& layer = layers_[index];
    const auto number = static_cast<std::int64_t>(index);
    x = layer.self_out(attend_to_text(layer.qkv(layer.self_norm(x)), number, n), x);
    x = layer.cross_out(attend_to_audio(layer.query(layer.cross_norm(x)), number, n, recording), x);
    x = layer.down(activate(layer.up(layer.norm(x)), config_.activation), x);
  }
  length_ += n;
  return x;
}

at::Tensor WhisperDecoder::step(const at::Tensor& tokens, bool all) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = run(tokens, nullptr).view({tokens.size(0), tokens.size(1), config_.width});
  const at::Tensor asked = all ? x.reshape({-1, config_.width}) : x.select(1, tokens.size(1) - 1).contiguous();
  const at::Tensor logits = projection_(final_norm_(asked));
  return all ? logits.view({tokens.size(0), tokens.size(1), config_.vocabulary}) : logits;
}

at::Tensor WhisperDecoder::cross_attention(const at::Tensor& tokens, const std::vector<std::pair<int, int>>& heads) {
  const at::NoGradGuard no_grad;
  for (const auto& [layer, head] : heads)
    if (layer < 0 || layer >= config_.decoder.layers || head < 0 || head >= config_.decoder.heads)
      throw DataError("cross-attention: expected a layer below {} and a head below {}, found layer {}, head {}", config_.decoder.layers,
                      config_.decoder.heads, layer, head);
  begin(std::vector<std::int64_t>(windows_));
  const Recording recording{heads,
                            at::zeros({tokens.size(0), static_cast<std::int64_t>(heads.size()), tokens.size(1), config_.source_positions})};
  run(tokens, &recording);
  begin(std::vector<std::int64_t>(windows_));
  return recording.to;
}

}  // namespace

std::unique_ptr<SpeechDecoder> whisper_decoder(const Model& model, at::ScalarType type) {
  return std::make_unique<WhisperDecoder>(WhisperValues(model), type);
}

}  // namespace thaw
