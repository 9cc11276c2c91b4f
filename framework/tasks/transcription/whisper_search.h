// The search for one window's text, a token at a time: greedy, by sampling, or by beams. As openai-whisper's GreedyDecoder,
// BeamSearchDecoder and MaximumLikelihoodRanker (whisper/decoding.py), but for one window, so that its text does not depend on
// which others are decoded beside it. A search begins with one empty hypothesis and branches at its first token.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

struct Hypothesis {
  TokenIds tokens;             // those sampled; the end of text is not among them
  float sum_logprob = 0;       // of these, and of the end of text where it was said
  std::int64_t number = 0;     // of the sample, within its window
  float word_cost = 0;         // of its words that are not known, which counts against it
  float last_word_cost = 0;    // of that, the last word's
  std::size_t word_begin = 0;  // of the last word, in `tokens`
};

// What words of a text cost a beam search that they are not known. Without `of`, nothing.
struct WordCost {
  std::function<bool(std::int64_t token)> begins_word;        // and so ends the one before; the end of text, too
  std::function<float(const TokenIds& word, bool whole)> of;  // not whole: as far as it is said
};

class WhisperSearch {
 public:
  virtual ~WhisperSearch() = default;
  // The hypotheses that go on; empty once the search is over.
  const std::vector<Hypothesis>& live() const { return live_; }
  // logits: fp32 [live, vocabulary], after the rules. Replaces live() and returns, for each, which of the old ones it continues.
  virtual std::vector<std::int64_t> advance(const at::Tensor& logits) = 0;
  // Every candidate, finished or cut off.
  virtual std::vector<Hypothesis> candidates() = 0;

 protected:
  std::vector<Hypothesis> live_{Hypothesis{}};
};

// The most probable token at temperature 0; else `samples` texts, drawn token by token from softmax(logits / temperature).
// The draw is a pure function of (key, number of the sample, position).
std::unique_ptr<WhisperSearch> greedy_search(std::int64_t eot, double temperature, std::int64_t samples, std::uint64_t key);

// `beams` hypotheses at a time, until round(beams × patience) are finished (Kasai et al., "A call for clarity in beam search",
// 2022). `words`: taken from a hypothesis's log-probability as soon as a word cannot become a known one.
std::unique_ptr<WhisperSearch> beam_search(std::int64_t eot, std::int64_t beams, double patience, WordCost words = {});

// The candidate with the highest log-probability, less what its words cost, by length, or by Google NMT's penalty
// ((5 + length) / 6)^length_penalty (Wu et al., 2016).
std::size_t most_likely(const std::vector<Hypothesis>& candidates, std::optional<double> length_penalty);

}  // namespace thaw
