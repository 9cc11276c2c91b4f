#include "framework/tasks/transcription/whisper_rules.h"

#include <algorithm>
#include <limits>

#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

void forbid(at::Tensor row, std::int64_t first, std::int64_t last) {
  last = std::min(last, row.size(0));
  if (first < last) row.slice(0, first, last).fill_(never);
}

void forbid(at::Tensor logits, const at::Tensor& ids) {
  if (ids.numel() > 0) logits.index_fill_(1, ids.to(logits.device()), never);
}

}  // namespace

WhisperRules::WhisperRules(const WhisperVocabulary& vocabulary, const WhisperRuleOptions& options, std::int64_t vocabulary_size)
    : eot_(vocabulary.eot),
      no_timestamps_(vocabulary.no_timestamps),
      first_timestamp_(vocabulary.first_timestamp),
      timestamps_(options.timestamps),
      max_initial_timestamp_(options.max_initial_timestamp) {
  TokenIds suppressed = options.suppress, first;
  if (timestamps_) suppressed.push_back(no_timestamps_);
  if (options.suppress_blank) {
    first = vocabulary.blank;
    first.push_back(eot_);
  }
  for (const TokenIds* ids : {&suppressed, &first}) {
    for (const std::int64_t id : *ids) {
      if (id < 0 || id >= vocabulary_size) {
        throw ModelError(
            "decoding rules: expected token ids below the model's vocabulary of {}, found {}: tokenizer and model do not belong together",
            vocabulary_size, id);
      }
    }
  }
  if (timestamps_ && (first_timestamp_ <= eot_ || first_timestamp_ >= vocabulary_size)) {
    throw ModelError(
        "decoding rules: expected the first timestamp between the end of text ({}) and the vocabulary's end ({}), found {}: tokenizer and "
        "model do not belong together",
        eot_, vocabulary_size, first_timestamp_);
  }
  suppressed_ = at::tensor(suppressed, at::kLong);
  suppressed_first_ = at::tensor(first, at::kLong);
}

void WhisperRules::apply(at::Tensor logits, const std::vector<TokenIds>& sampled) const {
  const bool beginning = !sampled.empty() && sampled.front().empty();
  if (beginning) forbid(logits, suppressed_first_);
  forbid(logits, suppressed_);
  if (!timestamps_) return;
  for (std::size_t i = 0; i < sampled.size(); ++i) pair_timestamps(logits[static_cast<std::int64_t>(i)], sampled[i]);
  if (beginning) {
    logits.slice(1, 0, first_timestamp_).fill_(never);
    if (max_initial_timestamp_ && first_timestamp_ + *max_initial_timestamp_ + 1 < logits.size(1)) {
      logits.slice(1, first_timestamp_ + *max_initial_timestamp_ + 1).fill_(never);
    }
  }
  prefer_timestamps(logits);
}

// A segment is <|start|> text <|end|>, and <|end|> is followed by the next segment's <|start|> or by the end of text.
void WhisperRules::pair_timestamps(at::Tensor row, const TokenIds& sampled) const {
  const auto is_timestamp = [&](std::int64_t token) { return token >= first_timestamp_; };
  const bool last = !sampled.empty() && is_timestamp(sampled.back());
  const bool before_last = sampled.size() < 2 || is_timestamp(sampled[sampled.size() - 2]);
  if (last && before_last) forbid(row, first_timestamp_, row.size(0));
  if (last && !before_last) forbid(row, 0, eot_);

  const auto latest = std::find_if(sampled.rbegin(), sampled.rend(), is_timestamp);
  if (latest == sampled.rend()) return;
  // A segment has a length, or decoding could stand still: only a start may equal the end before it.
  forbid(row, first_timestamp_, last && !before_last ? *latest : *latest + 1);
}

// Where some timestamp is more probable than the most probable other token, it is a timestamp's turn.
void WhisperRules::prefer_timestamps(at::Tensor logits) const {
  const at::Tensor log_probabilities = at::log_softmax(logits, 1, at::kFloat);
  const at::Tensor timestamps = log_probabilities.slice(1, first_timestamp_).logsumexp(1);
  const at::Tensor text = log_probabilities.slice(1, 0, first_timestamp_).amax(1);
  logits.slice(1, 0, first_timestamp_).masked_fill_((timestamps > text).unsqueeze(1), never);
}

}  // namespace thaw
