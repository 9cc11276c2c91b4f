#include "framework/tasks/transcription/whisper_decoding.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_map>

#include "framework/base/error.h"
#include "framework/tasks/transcription/blanks.h"
#include "framework/tasks/transcription/compression_ratio.h"
#include "framework/tasks/transcription/whisper_language.h"
#include "framework/tasks/transcription/whisper_rules.h"
#include "framework/tasks/transcription/whisper_search.h"

namespace thaw {
namespace {

constexpr double timestamp_seconds = 0.02;

void check(const WhisperOptions& options, std::int64_t max_tokens) {
  if (options.beam_size > 0 && options.temperature > 0)
    throw UsageError("beam_size {} with temperature {}: beam search is for temperature 0; leave one of them out", options.beam_size,
                     options.temperature);
  if (options.best_of > 1 && options.temperature == 0)
    throw UsageError("best_of {} with temperature 0: all samples would be the same; set a temperature above 0, or best_of 1",
                     options.best_of);
  if (options.beam_size < 0 || options.best_of < 1 || options.temperature < 0)
    throw UsageError("expected beam_size of 0 or more, best_of of 1 or more and a temperature of 0 or more, found {}, {} and {}",
                     options.beam_size, options.best_of, options.temperature);
  if (options.beam_size > 0 && !(std::nearbyint(static_cast<double>(options.beam_size) * options.patience) >= 1))
    throw UsageError("expected patience that lets at least one of {} beams end, found {}; 1.0 is usual", options.beam_size,
                     options.patience);
  if (options.known_word && options.beam_size == 0)
    throw UsageError("a list of words is for beam search: set beam_size, or leave the list out");
  if (options.length_penalty && !(*options.length_penalty >= 0 && *options.length_penalty <= 1))
    throw UsageError("expected length_penalty from 0 to 1, found {}", *options.length_penalty);
  if (options.max_new_tokens < 0 || options.max_new_tokens > max_tokens)
    throw UsageError("expected max_new_tokens from 0 to the decoder's {}, found {}", max_tokens, options.max_new_tokens);
}

TokenIds last(const TokenIds& tokens, std::int64_t most) {
  const auto count = std::min<std::size_t>(tokens.size(), static_cast<std::size_t>(std::max<std::int64_t>(most, 0)));
  return TokenIds(tokens.end() - static_cast<std::ptrdiff_t>(count), tokens.end());
}

// One call of decode_windows.
class Decoding {
 public:
  Decoding(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const std::vector<DecodingWindow>& windows,
           const WhisperOptions& options)
      : decoder_(decoder),
        vocabulary_(vocabulary),
        options_(options),
        windows_(windows),
        rules_(vocabulary, rule_options(), decoder.vocabulary_size()) {
    check(options, decoder.max_tokens());
    max_new_tokens_ = options.max_new_tokens > 0 ? options.max_new_tokens : decoder.max_tokens() / 2;
    languages_ = languages();
  }

  std::vector<WhisperResult> run() {
    at::Tensor logits = begin();
    for (std::int64_t said = 1;; ++said) {
      const std::vector<std::int64_t> from = advance(logits);
      // A model of `max_tokens` positions can read no more, and the last token need not be read.
      if (from.empty() || said >= max_new_tokens_ || initial_ + said > decoder_.max_tokens()) break;
      if (!is_identity(from)) decoder_.reorder(from);
      logits = decoder_.step(last_tokens());
    }
    return results();
  }

 private:
  WhisperRuleOptions rule_options() const {
    WhisperRuleOptions rules;
    rules.suppress = options_.suppress;
    if (options_.suppress_non_speech)
      rules.suppress.insert(rules.suppress.end(), vocabulary_.non_speech.begin(), vocabulary_.non_speech.end());
    rules.suppress.insert(rules.suppress.end(), {vocabulary_.transcribe, vocabulary_.translate, vocabulary_.sot, vocabulary_.sot_prev,
                                                 vocabulary_.sot_lm, vocabulary_.no_speech});
    rules.suppress_blank = options_.suppress_blank;
    rules.timestamps = options_.timestamps;
    if (options_.max_initial_timestamp)
      rules.max_initial_timestamp = static_cast<std::int64_t>(std::nearbyint(*options_.max_initial_timestamp / timestamp_seconds));
    return rules;
  }

  WordCost words() const {
    if (!options_.known_word) return {};
    WordCost cost;
    cost.begins_word = [this, known = std::make_shared<std::unordered_map<std::int64_t, bool>>()](std::int64_t token) {
      const auto [found, fresh] = known->try_emplace(token, true);
      if (fresh) found->second = token >= vocabulary_.eot || vocabulary_.decode({token}).starts_with(' ');
      return found->second;
    };
    cost.of = [this](const TokenIds& word, bool whole) {
      TokenIds text = word;
      std::erase_if(text, [&](std::int64_t token) { return token >= vocabulary_.eot; });
      return text.empty() || options_.known_word(vocabulary_.decode(text), whole) ? 0.0F : static_cast<float>(options_.unknown_word);
    };
    return cost;
  }

  std::vector<std::int64_t> indices() const {
    std::vector<std::int64_t> all;
    for (const DecodingWindow& window : windows_) all.push_back(window.index);
    return all;
  }

  std::vector<std::string> languages() const {
    if (!options_.language.empty()) return std::vector(windows_.size(), options_.language);
    if (vocabulary_.languages.empty()) return std::vector<std::string>(windows_.size(), "en");
    std::vector<std::string> found;
    for (LanguageGuess& guess : detect_language(decoder_, vocabulary_, indices())) found.push_back(std::move(guess.language));
    return found;
  }

  // What the decoder reads of one window before it speaks: up to the start of text, and from there on.
  std::pair<TokenIds, TokenIds> prompt_of(std::size_t window) const {
    const std::int64_t half = decoder_.max_tokens() / 2;
    TokenIds before, after = start_of_transcript(vocabulary_, languages_[window], options_.translate);
    if (!options_.prompt.empty()) {
      before = last(options_.prompt, half - 1);
      before.insert(before.begin(), vocabulary_.sot_prev);
    }
    before.push_back(vocabulary_.sot);
    after.erase(after.begin());
    if (!options_.timestamps) after.push_back(vocabulary_.no_timestamps);
    const TokenIds prefix = max_new_tokens_ < half ? last(options_.prefix, half - max_new_tokens_) : options_.prefix;
    after.insert(after.end(), prefix.begin(), prefix.end());
    return {before, after};
  }

  // Reads the prompts; the logits of each window's first token, [windows, vocabulary].
  at::Tensor begin() {
    TokenIds before, after;
    const WordCost cost = words();
    for (std::size_t i = 0; i < windows_.size(); ++i) {
      const auto [first, second] = prompt_of(i);
      before.insert(before.end(), first.begin(), first.end());
      after.insert(after.end(), second.begin(), second.end());
      searches_.push_back(options_.beam_size > 0 ? beam_search(vocabulary_.eot, options_.beam_size, options_.patience, cost)
                                                 : greedy_search(vocabulary_.eot, options_.temperature, options_.best_of, windows_[i].key));
    }
    const auto rows = static_cast<std::int64_t>(windows_.size());
    initial_ = static_cast<std::int64_t>(before.size() + after.size()) / rows;
    if (initial_ > decoder_.max_tokens()) {
      throw UsageError("prompt and prefix make {} tokens, and the decoder reads {}: shorten the prefix", initial_, decoder_.max_tokens());
    }
    decoder_.begin(indices());
    at::Tensor logits = decoder_.step(at::tensor(before, at::kLong).view({rows, -1}));
    // The probability of silence stands where the text starts.
    no_speech_ = at::softmax(logits, 1, at::kFloat).select(1, vocabulary_.no_speech).cpu();
    if (!after.empty()) logits = decoder_.step(at::tensor(after, at::kLong).view({rows, -1}));
    return logits;
  }

  // Chooses the next token of every live hypothesis of every window; which sequences of the decoder go on.
  std::vector<std::int64_t> advance(at::Tensor logits) {
    std::vector<TokenIds> sampled;
    for (const auto& search : searches_) {
      for (const Hypothesis& hypothesis : search->live()) sampled.push_back(hypothesis.tokens);
    }
    rules_.apply(logits, sampled);
    std::vector<std::int64_t> from;
    std::int64_t first = 0;
    for (const auto& search : searches_) {
      const auto rows = static_cast<std::int64_t>(search->live().size());
      if (rows == 0) continue;
      for (const std::int64_t parent : search->advance(logits.narrow(0, first, rows))) from.push_back(first + parent);
      first += rows;
    }
    sequences_ = first;
    return from;
  }

  bool is_identity(const std::vector<std::int64_t>& from) const {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] != static_cast<std::int64_t>(i)) return false;
    }
    return static_cast<std::int64_t>(from.size()) == sequences_;
  }

  at::Tensor last_tokens() const {
    TokenIds tokens;
    for (const auto& search : searches_) {
      for (const Hypothesis& hypothesis : search->live()) tokens.push_back(hypothesis.tokens.back());
    }
    return at::tensor(tokens, at::kLong).unsqueeze(1);
  }

  std::vector<WhisperResult> results() const {
    std::vector<WhisperResult> all;
    for (std::size_t i = 0; i < searches_.size(); ++i) {
      const std::vector<Hypothesis> candidates = searches_[i]->candidates();
      const Hypothesis& best = candidates[most_likely(candidates, options_.length_penalty)];
      WhisperResult result;
      result.language = languages_[i];
      result.tokens = best.tokens;
      TokenIds text = best.tokens;
      std::erase_if(text, [&](std::int64_t token) { return vocabulary_.is_timestamp(token); });
      result.text = strip_blanks(vocabulary_.decode(text));
      result.avg_logprob = static_cast<double>(best.sum_logprob) / static_cast<double>(best.tokens.size() + 1);
      result.no_speech_prob = no_speech_[static_cast<std::int64_t>(i)].item<float>();
      result.temperature = options_.temperature;
      result.compression_ratio = compression_ratio(result.text);
      all.push_back(std::move(result));
    }
    return all;
  }

  SpeechDecoder& decoder_;
  const WhisperVocabulary& vocabulary_;
  const WhisperOptions& options_;
  const std::vector<DecodingWindow>& windows_;
  WhisperRules rules_;
  std::int64_t max_new_tokens_ = 0, initial_ = 0;
  std::int64_t sequences_ = 0;  // that the decoder holds
  std::vector<std::string> languages_;
  std::vector<std::unique_ptr<WhisperSearch>> searches_;  // one a window
  at::Tensor no_speech_;                                  // fp32 [windows]
};

}  // namespace

std::vector<WhisperResult> decode_windows(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                          const std::vector<DecodingWindow>& windows, const WhisperOptions& options) {
  if (windows.empty()) return {};
  const at::NoGradGuard no_gradients;
  return Decoding(decoder, vocabulary, windows, options).run();
}

}  // namespace thaw
