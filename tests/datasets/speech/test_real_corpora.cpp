// Published corpora as they lie on this machine: every utterance is read and heard.
#include <cstdlib>
#include <set>

#include "datasets/speech/text_rules.h"
#include "tests/datasets/speech/speech_testing.h"

namespace thaw {
namespace {

fs::path data(const std::string& name) {
  const char* place = std::getenv("THAW_TEST_DATA");
  return fs::path(place != nullptr ? place : THAW_SOURCE_DIR "/../shared/data") / name;
}

struct Sum {
  std::size_t rows = 0;
  double seconds = 0;
};

Sum hear(const Corpus& corpus, std::size_t every) {
  Listener listener(SpeechLimits{});
  Sum sum;
  for (std::size_t i = 0; i < corpus.utterances.size(); i += every) {
    const auto heard = listener.hear(corpus.utterances[i]);
    EXPECT_FALSE(heard.fault) << corpus.where(corpus.utterances[i]) << ": " << heard.detail;
    sum.rows += heard.fault ? 0 : 1;
    sum.seconds += heard.audio.seconds();
  }
  return sum;
}

TEST(RealCorpora, LjSpeech) {
  if (!fs::exists(data("ljspeech_340"))) GTEST_SKIP() << "no " << data("ljspeech_340") << ": set THAW_TEST_DATA";
  const Corpus corpus = read_corpus(data("ljspeech_340"));
  EXPECT_EQ(corpus.format, CorpusFormat::lj_speech);
  EXPECT_EQ(corpus.utterances.size(), 340u);
  EXPECT_TRUE(corpus.left_out.empty());
  EXPECT_EQ(corpus.utterances[1].text, "in being comparatively modern.");
  const Sum heard = hear(corpus, 10);
  EXPECT_EQ(heard.rows, 34u);
  EXPECT_GT(heard.seconds / 34, 3);
  EXPECT_LT(heard.seconds / 34, 10);
}

TEST(RealCorpora, SpokenDigits) {
  if (!fs::exists(data("fsdd"))) GTEST_SKIP() << "no " << data("fsdd") << ": set THAW_TEST_DATA";
  CorpusOptions options;
  options.need_text = false;
  options.pattern = "{label}_{speaker}_{take}";
  const Corpus corpus = read_corpus(data("fsdd/recordings"), options);
  EXPECT_EQ(corpus.utterances.size(), 3000u);
  std::set<std::string> labels, speakers;
  for (const Utterance& one : corpus.utterances) labels.insert(one.label), speakers.insert(one.speaker);
  EXPECT_EQ(labels.size(), 10u);
  EXPECT_EQ(speakers.size(), 6u);
  EXPECT_EQ(hear(corpus, 30).rows, 100u);
}

TEST(RealCorpora, SpeechCommands) {
  if (!fs::exists(data("speech_commands_sample"))) GTEST_SKIP() << "no speech_commands_sample: set THAW_TEST_DATA";
  CorpusOptions options;
  options.need_text = false;
  const Corpus corpus = read_corpus(data("speech_commands_sample"), options);
  EXPECT_EQ(corpus.utterances.size(), 300u);
  EXPECT_TRUE(corpus.left_out.empty());
  std::set<std::string> labels;
  for (const Utterance& one : corpus.utterances) labels.insert(one.label);
  EXPECT_EQ(labels.size(), 30u);
  EXPECT_FALSE(corpus.utterances[0].speaker.empty());
}

TEST(RealCorpora, RussianSentences) {
  const fs::path voice = "/usr/share/festival/voices/russian/msu_ru_nsh_clunits";
  if (!fs::exists(voice / "etc/txt.done.data")) GTEST_SKIP() << "no " << voice << ": apt-get install festvox-ru";
  const Corpus corpus = read_corpus(voice);
  EXPECT_EQ(corpus.format, CorpusFormat::festvox);
  EXPECT_EQ(corpus.utterances.size(), 620u);
  EXPECT_TRUE(corpus.left_out.empty());
  const TextRules rules({"remove:+", "lower", "yo_to_ye", "strip_punctuation", "collapse_spaces"});
  EXPECT_EQ(rules.apply(corpus.utterances[1].text),
            "она завела прядь волнистых волос за ухо подняла с тротуара корзинку с зеленью и пошла через улицу");
  std::set<char32_t> letters;
  for (const Utterance& one : corpus.utterances)
    for (const char c : rules.apply(one.text)) letters.insert(static_cast<unsigned char>(c));
  EXPECT_EQ(letters.count('+') + letters.count('.'), 0u);
  const Sum heard = hear(corpus, 1);
  EXPECT_EQ(heard.rows, 620u);
  EXPECT_NEAR(heard.seconds / 3600, 1.66, 0.01);
}

}  // namespace
}  // namespace thaw
