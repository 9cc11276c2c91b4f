// Greedy, sampled and beam decoding: the tokens and scores of openai-whisper's DecodingTask over the same (fake) model.
#include "framework/tasks/transcription/whisper_decoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "framework/base/error.h"
#include "framework/tasks/transcription/compression_ratio.h"
#include "framework/tasks/transcription/whisper_fallback.h"
#include "framework/tasks/transcription/whisper_language.h"
#include "framework/tasks/transcription/whisper_search.h"
#include "tests/support/reference.h"
#include "tests/tasks/transcription/fake_whisper.h"

namespace thaw {
namespace {

constexpr int window_count = 24;  // as in the reference

WhisperOptions whisper_options(const Json& given) {
  WhisperOptions options;
  options.language = "en";
  for (const auto& [key, value] : given.items()) {
    if (key == "language") options.language = value.is_null() ? "" : value.get<std::string>();
    else if (key == "task") options.translate = value == "translate";
    else if (key == "beam_size") options.beam_size = value;
    else if (key == "patience") options.patience = value;
    else if (key == "length_penalty") options.length_penalty = value.get<double>();
    else if (key == "temperature") options.temperature = value;
    else if (key == "best_of") options.best_of = value;
    else if (key == "prompt") options.prompt = value.get<TokenIds>();
    else if (key == "prefix") options.prefix = value.get<TokenIds>();
    else if (key == "sample_len") options.max_new_tokens = value;
    else if (key == "without_timestamps") options.timestamps = !value.get<bool>();
    else if (key == "max_initial_timestamp")
      options.max_initial_timestamp = value.is_null() ? std::nullopt : std::optional(value.get<double>());
    else if (key == "suppress_blank") options.suppress_blank = value;
    else if (key == "suppress_tokens") options.suppress = value.get<TokenIds>(), options.suppress_non_speech = false;
    else if (key != "multilingual" && key != "suppress_list") ADD_FAILURE() << key;
  }
  return options;
}

struct Windows {
  test::FakeDecoder decoder{test::fake_tokens()};
  std::vector<DecodingWindow> windows;

  Windows() {
    std::vector<at::Tensor> features;
    for (int i = 0; i < window_count; ++i) {
      features.push_back(test::recording(i, 3000));
      windows.push_back({i, random_key(9, i)});
    }
    decoder.encode(at::stack(features));
  }
};

void expect_same(const WhisperResult& found, const Json& wanted) {
  EXPECT_EQ(found.tokens, wanted["tokens"].get<TokenIds>());
  EXPECT_EQ(found.text, wanted["text"]);
  EXPECT_EQ(found.language, wanted["language"]);
  EXPECT_NEAR(found.avg_logprob, wanted["avg_logprob"], 1e-5);
  EXPECT_NEAR(found.no_speech_prob, wanted["no_speech_prob"], 1e-6);
  EXPECT_EQ(found.compression_ratio, wanted["compression_ratio"]);
  EXPECT_EQ(found.temperature, wanted["temperature"]);
}

TEST(WhisperDecoding, TokensAsOpenAi) {
  THAW_NEEDS_PYTHON();
  Windows w;
  const Json expected = test::reference("tasks/transcription/whisper_decoding_reference.py");
  for (const Json& c : expected["cases"]) {
    SCOPED_TRACE(c["options"].dump());
    const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens(), c["options"].value("multilingual", true));
    const std::vector<WhisperResult> results = decode_windows(w.decoder, vocabulary, w.windows, whisper_options(c["options"]));
    ASSERT_EQ(results.size(), c["results"].size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      SCOPED_TRACE(i);
      expect_same(results[i], c["results"][i]);
    }
  }
}

// A window's text does not depend on its neighbours.
TEST(WhisperDecoding, WindowsAreDecodedAsIfAlone) {
  THAW_NEEDS_PYTHON();
  Windows w;
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens());
  WhisperOptions beams, samples;
  beams.beam_size = 4;
  beams.patience = 0.5;
  samples.best_of = 3;
  samples.temperature = 0.8;
  for (const WhisperOptions& options : {beams, samples}) {
    const std::vector<WhisperResult> together = decode_windows(w.decoder, vocabulary, w.windows, options);
    for (std::size_t i = 0; i < w.windows.size(); ++i) {
      const WhisperResult alone = decode_windows(w.decoder, vocabulary, {w.windows[i]}, options).front();
      EXPECT_EQ(alone.tokens, together[i].tokens);
      EXPECT_EQ(alone.language, together[i].language);
      EXPECT_EQ(alone.avg_logprob, together[i].avg_logprob);
    }
  }
}

// Windows whose text has ended cost nothing more.
TEST(WhisperDecoding, EndedSequencesAreDropped) {
  THAW_NEEDS_PYTHON();
  Windows w;
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens());
  WhisperOptions options;
  options.language = "en";
  w.decoder.rows_read = 0;
  std::int64_t needed = 0;
  for (const WhisperResult& result : decode_windows(w.decoder, vocabulary, w.windows, options)) {
    needed += 3 + std::min<std::int64_t>(static_cast<std::int64_t>(result.tokens.size()), w.decoder.max_tokens() / 2 - 1);
  }
  EXPECT_EQ(w.decoder.rows_read, needed);
}

TEST(WhisperDecoding, LanguagesAsOpenAi) {
  THAW_NEEDS_PYTHON();
  Windows w;
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens());
  std::vector<std::int64_t> indices;
  for (const DecodingWindow& window : w.windows) indices.push_back(window.index);
  const std::vector<LanguageGuess> guesses = detect_language(w.decoder, vocabulary, indices);
  const Json expected = test::reference("tasks/transcription/whisper_language_reference.py");
  std::set<std::string> found;
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const Json& wanted = expected["languages"][i];
    EXPECT_EQ(start_of_transcript(vocabulary, guesses[i].language, false)[1], wanted["token"]);
    for (std::size_t k = 0; k < 5; ++k) EXPECT_NEAR(guesses[i].probabilities[k], wanted["probabilities"][k], 1e-6);
    found.insert(guesses[i].language);
  }
  EXPECT_GT(found.size(), 2u);
  EXPECT_THROW(detect_language(w.decoder, test::vocabulary_of(test::fake_tokens(), false), {0}), ModelError);
}

TEST(WhisperDecoding, CompressionRatioAsOpenAi) {
  THAW_NEEDS_PYTHON();
  const Json expected = test::reference("tasks/transcription/whisper_language_reference.py");
  for (const Json& c : expected["ratios"]) EXPECT_EQ(compression_ratio(c[0]), c[1]) << c;
}

WhisperResult result_of(double avg_logprob, double ratio, double no_speech) {
  WhisperResult result;
  result.avg_logprob = avg_logprob;
  result.compression_ratio = ratio;
  result.no_speech_prob = no_speech;
  return result;
}

TEST(WhisperDecoding, FailureAndSilence) {
  const FallbackOptions usual;
  EXPECT_FALSE(usual.failed(result_of(-0.9, 2.3, 0.9)));
  EXPECT_TRUE(usual.failed(result_of(-1.1, 1.0, 0.5)));
  EXPECT_TRUE(usual.failed(result_of(-0.9, 2.5, 0.9)));
  EXPECT_FALSE(usual.failed(result_of(-1.1, 2.5, 0.7)));  // silence
  EXPECT_TRUE(usual.is_silence(result_of(-1.1, 1.0, 0.7)));
  EXPECT_FALSE(usual.is_silence(result_of(-0.9, 1.0, 0.7)));
  EXPECT_FALSE(usual.is_silence(result_of(-1.1, 1.0, 0.5)));
}

TEST(WhisperDecoding, ContradictionsAreRefused) {
  THAW_NEEDS_PYTHON();
  Windows w;
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens());
  const auto refused = [&](const auto& change) {
    WhisperOptions options;
    options.language = "en";
    change(options);
    EXPECT_THROW(decode_windows(w.decoder, vocabulary, w.windows, options), UsageError);
  };
  refused([](WhisperOptions& o) { o.beam_size = 2, o.temperature = 0.2; });
  refused([](WhisperOptions& o) { o.best_of = 2; });
  refused([](WhisperOptions& o) { o.beam_size = 2, o.patience = 0.1; });
  refused([](WhisperOptions& o) { o.known_word = [](const std::string&, bool) { return true; }; });
  refused([](WhisperOptions& o) { o.length_penalty = 1.5; });
  refused([](WhisperOptions& o) { o.language = "xx"; });
  refused([](WhisperOptions& o) { o.prefix = TokenIds(70, 256); });
}

// A beam search whose text fails is followed by sampling, which has no words to prefer.
TEST(WhisperDecoding, AListOfWordsDoesNotStandInTheWayOfSampling) {
  THAW_NEEDS_PYTHON();
  Windows w;
  WhisperOptions options;
  options.language = "en";
  options.beam_size = 2;
  options.known_word = [](const std::string&, bool) { return true; };
  FallbackOptions fallback;
  fallback.temperatures = {0, 0.5};
  fallback.logprob_threshold = 0;  // every text fails
  fallback.no_speech_threshold = 2;
  const std::vector<WhisperResult> results =
      decode_with_fallback(w.decoder, test::vocabulary_of(test::fake_tokens()), w.windows, options, fallback);
  ASSERT_EQ(results.size(), w.windows.size());
  for (const WhisperResult& result : results) EXPECT_EQ(result.temperature, 0.5);
}

// Weights that are not numbers end in some text, not in a crash.
TEST(WhisperDecoding, LogitsThatAreNotNumbers) {
  for (const bool beams : {false, true}) {
    const auto search = beams ? beam_search(3, 2, 1) : greedy_search(3, 0.5, 2, 1);
    const at::Tensor logits = at::full({1, 8}, std::nan(""));
    EXPECT_EQ(search->advance(logits).size(), 2u);
    for (const Hypothesis& hypothesis : search->live()) EXPECT_LT(hypothesis.tokens.back(), 8);
  }
}

at::Tensor logits(const std::vector<std::vector<float>>& rows) {
  std::vector<at::Tensor> all;
  for (const std::vector<float>& row : rows) all.push_back(at::tensor(row).log().clamp_min(-30));
  return at::stack(all);
}

// Tokens: 0 begins a word that 1 goes on with, 2 is a word, 3 ends the text. "01" is more probable than "2", and no word.
TEST(WhisperSearch, AWordThatIsNotKnownCostsItsText) {
  const auto said = [&](float cost) {
    WordCost words{[](std::int64_t token) { return token != 1; },
                   [&](const TokenIds& word, bool whole) {
                     return whole && word == TokenIds{0, 1} ? cost : 0.0F;
                   }};
    const auto search = beam_search(3, 2, 1, words);
    search->advance(logits({{0.6F, 0, 0.4F, 0, 0, 0}}));
    EXPECT_EQ(search->advance(logits({{0, 1, 0, 0, 1e-6F, 1e-6F}, {0, 0, 0, 1, 1e-6F, 1e-6F}})).size(), 2U);
    EXPECT_TRUE(search->advance(logits({{0, 0, 0, 1, 0, 0}, {0, 0, 0, 1, 0, 0}})).empty());
    const std::vector<Hypothesis> candidates = search->candidates();
    const Hypothesis& best = candidates[most_likely(candidates, {})];
    EXPECT_NEAR(best.sum_logprob, std::log(best.tokens.size() == 2 ? 0.6 : 0.4), 1e-5);  // what it costs is no probability
    return best.tokens;
  };
  EXPECT_EQ(said(0), (TokenIds{0, 1}));
  EXPECT_EQ(said(1), (TokenIds{0, 1}));  // (log 0.6 - 1) / 2 is more than log 0.4
  EXPECT_EQ(said(2), (TokenIds{2}));
}

// "01" costs its text once: as what no word begins with, and not again where a word or the end follows.
TEST(WhisperSearch, AWordCostsOnce) {
  WordCost words{[](std::int64_t token) { return token != 1; },
                 [](const TokenIds& word, bool) { return word.size() > 1 && word[1] == 1 ? 0.5F : 0.0F; }};
  const auto search = beam_search(3, 1, 1, words);
  search->advance(logits({{1, 0, 0, 0}}));
  for (const std::vector<float>& next : std::vector<std::vector<float>>{{0, 1, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}})
    search->advance(logits({next}));
  ASSERT_EQ(search->candidates().size(), 1U);
  EXPECT_EQ(search->candidates()[0].tokens, (TokenIds{0, 1, 1, 2}));
  EXPECT_EQ(search->candidates()[0].word_cost, 0.5F);
}

// 1 and 4 go on with the word that 0 begins, 5 with that of 2. No word begins with "01": it leaves its place to "04" at once.
TEST(WhisperSearch, AWordIsGivenUpAsSoonAsNoneBeginsSo) {
  const auto said = [](bool as_part) {  // whether a part may cost
    WordCost words{[](std::int64_t token) { return token == 0 || token == 2 || token == 3; },
                   [&](const TokenIds& word, bool whole) {
                     const bool unknown = word.size() > 1 && word[0] == 0 && word[1] == 1;
                     return unknown && (whole || as_part) ? 2.0F : 0.0F;
                   }};
    const auto search = beam_search(3, 2, 1, words);
    search->advance(logits({{0.6F, 0, 0.4F, 0, 0, 0}}));
    search->advance(logits({{0, 0.55F, 0, 0, 0.45F, 0}, {0, 0, 0, 0, 0, 1}}));
    search->advance(logits({{0, 0, 0, 0.5F, 0.5F, 0}, {0, 0, 0, 1, 0, 0}}));
    const std::vector<Hypothesis> candidates = search->candidates();
    for (const Hypothesis& candidate : candidates)
      EXPECT_EQ(candidate.word_cost, candidate.tokens.size() > 1 && candidate.tokens[1] == 1 ? 2.0F : 0.0F);
    return candidates[most_likely(candidates, {})].tokens;
  };
  EXPECT_EQ(said(false), (TokenIds{2, 5}));
  EXPECT_EQ(said(true), (TokenIds{0, 4}));
}

}  // namespace
}  // namespace thaw
