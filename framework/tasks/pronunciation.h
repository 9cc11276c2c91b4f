// How well a known sentence was pronounced, for people who learn a language: goodness of pronunciation (Witt and Young, 2000,
// "Phone-level pronunciation scoring and assessment for interactive language learning"), with the posteriors of a CTC model in place
// of likelihoods.
//
// The sentence is aligned with the frames (ctc_align). For a token p that is aligned with the n frames t:
//
//   GOP(p) = 1/n · Σ_t ( log P(p | t) − max_q log P(q | t) )         score(p) = 100 · exp(GOP(p))
//
// The maximum is over the whole vocabulary, p and the blank too: it is the best path through those frames that need not say the
// sentence. So a score is 100 where nothing is more probable than what should be said, 50 where something else is twice as
// probable, and near 0 where something else was said, or nothing. It never falls when P(p | t) rises and the other probabilities of
// those frames keep their proportions. A word's score is that of the mean GOP of its tokens, and so is the sentence's.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "framework/tasks/ctc_align.h"

namespace thaw {

struct TokenPronunciation {
  std::int64_t id;                    // what should be said
  std::optional<std::int64_t> heard;  // the most probable label in its frames; nothing: a blank or the delimiter was
  double score;                       // 0…100
  CtcSpan span;                       // span.score: the posterior of `id` in its frames, 0…1
  bool right() const { return heard == id; }
};

struct WordPronunciation {
  CtcWordRange tokens;              // places in Pronunciation::tokens
  std::vector<std::int64_t> heard;  // the best path from its first frame to the next word's: insertions show here
  double score;
  CtcSpan span;
};

struct Pronunciation {
  std::vector<TokenPronunciation> tokens;  // one an id, delimiters too
  std::vector<WordPronunciation> words;
  double score = 0;  // of the sentence: over all tokens but delimiters; 0 where there are none
};

// log_probs: [frames, vocabulary], after log_softmax, any float dtype; ids: the sentence's tokens, without blanks. Probabilities below
// e^−20 count as that, so that posteriors of 0 have scores too. DataErrors as ctc_align's.
Pronunciation judge_pronunciation(const at::Tensor& log_probs, const std::vector<std::int64_t>& ids, std::int64_t blank,
                                  std::optional<std::int64_t> delimiter = std::nullopt);

}  // namespace thaw
