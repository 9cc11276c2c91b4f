// What decoding rules (greedy, beams, timestamps) ask of a speech model: windows of audio encoded at once, then text token by
// token, for several sequences side by side. All sequences have the same number of tokens.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace thaw {

class SpeechDecoder {
 public:
  virtual ~SpeechDecoder() = default;
  virtual std::int64_t vocabulary_size() const = 0;
  virtual std::int64_t max_tokens() const = 0;
  // Begins anew with so many windows: log-mel fp32 [windows, mels, 3000].
  virtual void encode(const at::Tensor& features) = 0;
  // The same from what an encoder has made of them already: of each window [frames, width]; may be shorter than 30 s.
  virtual void hear(const std::vector<at::Tensor>& encoded) = 0;
  // Each of `sequences` continues one window's text: sequence i reads the audio of window windows[i]; forgets all tokens.
  virtual void begin(const std::vector<std::int64_t>& windows) = 0;
  // Appends tokens, int64 [sequences, n], and returns the logits after the last, fp32 [sequences, vocabulary] (all n of them
  // where `all`: [sequences, n, vocabulary]).
  virtual at::Tensor step(const at::Tensor& tokens, bool all = false) = 0;
  // Sequence i goes on from what sequence from[i] has (beams; may be fewer or more than before, of the same windows).
  virtual void reorder(const std::vector<std::int64_t>& from) = 0;
  // Cross-attention of the heads in `heads` (layer, head) for tokens [sequences, n] read at once: fp32 [sequences, heads, n, frames].
  virtual at::Tensor cross_attention(const at::Tensor& tokens, const std::vector<std::pair<int, int>>& heads) = 0;
};

}  // namespace thaw
