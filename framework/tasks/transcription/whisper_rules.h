// What Whisper's decoder may say next: its logits, masked before a token is chosen. As the logit filters of openai-whisper
// (whisper/decoding.py: SuppressBlank, SuppressTokens, ApplyTimestampRules), and in their order.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

struct WhisperRuleOptions {
  TokenIds suppress;                                  // never said
  bool suppress_blank = true;                         // a text does not begin with a blank or its end
  bool timestamps = true;                             // in pairs around each segment, never falling, the first token being one
  std::optional<std::int64_t> max_initial_timestamp;  // in steps of 0.02 s
};

class WhisperRules {
 public:
  // The ids are checked against the vocabulary's size; ModelError.
  WhisperRules(const WhisperVocabulary& vocabulary, const WhisperRuleOptions& options, std::int64_t vocabulary_size);

  // logits: fp32 [sequences, vocabulary], on any device, masked in place with -inf. sampled[i]: what sequence i has said so far.
  void apply(at::Tensor logits, const std::vector<TokenIds>& sampled) const;

 private:
  void pair_timestamps(at::Tensor row, const TokenIds& sampled) const;
  void prefer_timestamps(at::Tensor logits) const;

  std::int64_t eot_, no_timestamps_, first_timestamp_;
  bool timestamps_;
  std::optional<std::int64_t> max_initial_timestamp_;
  at::Tensor suppressed_, suppressed_first_;  // int64 ids
};

}  // namespace thaw
