// thaw transcribe, judged by openai-whisper's own transcribe() of the same recordings. What would be lost is a text, a time, or a
// recording that nobody was told could not be heard.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/audio/audio.h"
#include "framework/base/file.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"
#include "tests/support/whisper_weights.h"

namespace thaw::test {
namespace {

const fs::path speech = "/usr/share/pocketsphinx/test/data/librivox";

class Transcribe : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(whisper_weights("tiny.en/tiny.en.pt")))
      GTEST_SKIP() << whisper_weights("tiny.en/tiny.en.pt") << " is not there: recipes/data/whisper.sh brings it";
    if (!fs::exists(speech)) GTEST_SKIP() << speech << " is not there: apt-get install pocketsphinx-testdata";
    for (const auto& entry : fs::directory_iterator(speech))
      if (entry.path().extension() == ".wav") sentences.push_back(entry.path());
    std::sort(sentences.begin(), sentences.end());
  }
  // The sentences one after another, several times over, with a pause between them.
  std::string joined(const std::string& name, int times) const {
    std::vector<float> samples;
    for (int i = 0; i < times; ++i)
      for (const fs::path& sentence : sentences) {
        const audio::Audio one = audio::read_audio(sentence);
        samples.insert(samples.end(), one.samples.begin(), one.samples.end());
        samples.resize(samples.size() + 8000);
      }
    shop.write(name, audio::encode_audio(samples, 16000, audio::AudioFormat::wav));
    return shop.path(name);
  }
  Ran transcribe(const std::string& arguments, const std::string& model = "tiny.en/tiny.en.pt") const {
    return thaw(fmt::format("transcribe {} {}", whisper_weights(model).string(), arguments));
  }

  const Workshop shop;
  std::vector<fs::path> sentences;
};

TEST_F(Transcribe, ALongRecordingAsOpenaiWhisperDoes) {
  const std::string recording = joined("long.wav", 2);
  THAW_NEEDS_PYTHON();
  const Ran judge = shell(fmt::format("{} " THAW_SOURCE_DIR "/tests/launcher/transcribe_reference.py {} {} {}", python().value(),
                                      shop.path("judge.json"), whisper_weights("tiny.en/tiny.en.pt").string(), recording));
  ASSERT_EQ(judge.exit_code, 0) << judge.output;
  const Json expected = Json::parse(shop.file("judge.json"))[0];
  const Ran ran = transcribe(fmt::format("{} --temperatures 0 --word-times -f json,srt,vtt,text -o {}", recording, shop.path("out")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json found = Json::parse(shop.file("out/long.json"));
  EXPECT_EQ(found["text"], expected["text"]);
  ASSERT_EQ(found["segments"].size(), expected["segments"].size());
  ASSERT_GE(found["segments"].size(), 10U);
  for (std::size_t i = 0; i < found["segments"].size(); ++i) {
    const Json &ours = found["segments"][i], &theirs = expected["segments"][i];
    EXPECT_EQ(ours["tokens"], theirs["tokens"]);
    EXPECT_NEAR(ours["avg_logprob"].get<double>(), theirs["avg_logprob"].get<double>(), 1e-3);
    ASSERT_EQ(ours["words"].size(), theirs["words"].size());
    for (std::size_t w = 0; w < ours["words"].size(); ++w) {
      EXPECT_EQ(ours["words"][w]["word"], theirs["words"][w]["word"]);
      EXPECT_NEAR(ours["words"][w]["start"].get<double>(), theirs["words"][w]["start"].get<double>(), 0.041) << i << " " << w;
      EXPECT_NEAR(ours["words"][w]["end"].get<double>(), theirs["words"][w]["end"].get<double>(), 0.041) << i << " " << w;
    }
  }
  EXPECT_NE(shop.file("out/long.srt").find("\n00:00:"), std::string::npos);
  EXPECT_TRUE(shop.file("out/long.vtt").starts_with("WEBVTT\n"));
}

// The same model as CTranslate2 stores it, in half precision; and windows that are cut at pauses.
TEST_F(Transcribe, AnotherFileOfTheSameModelAndPausesSayTheSame) {
  const Ran first = transcribe(sentences[4].string());
  ASSERT_EQ(first.exit_code, 0) << first.output;
  EXPECT_EQ(first.output, "He might even have been made amiable himself.\n");
  EXPECT_EQ(transcribe(sentences[4].string(), "tiny.en").output, first.output);
  EXPECT_EQ(transcribe(sentences[4].string() + " --windows pauses --precision bf16").output, first.output);
}

// Sentences after one another, in both kinds of windows; Whisper ends some texts before their window does.
TEST_F(Transcribe, WindowsAtPausesLoseNothing) {
  const std::string recording = joined("long.wav", 1);
  const std::string whole = transcribe(recording).output, parts = transcribe(recording + " --windows pauses").output;
  const auto words = [](const std::string& text) { return split(text, ' ').size(); };
  EXPECT_NEAR(static_cast<double>(words(parts)), static_cast<double>(words(whole)), 4) << whole << "\n" << parts;
}

// Without timestamps nothing says where a text ends; the silence behind it is not heard again.
TEST_F(Transcribe, WordTimesAddNoWords) {
  for (const fs::path& sentence : sentences) {
    const std::string plain = sentence.string() + " --no-timestamps";
    EXPECT_EQ(transcribe(plain + " --word-times").output, transcribe(plain).output);
  }
}

TEST_F(Transcribe, WhatCannotBeHeardIsNamedAndTheOthersGoOn) {
  fs::create_directories(shop.path("in"));
  shop.write("in/broken.wav", "RIFF nothing of the kind");
  fs::copy(sentences[4], shop.path("in/whole.wav"));
  ASSERT_EQ(shell("mkfifo " + shop.path("in/pipe.wav")).exit_code, 0);
  const Ran unread = transcribe(fmt::format("{0}/pipe.wav {0}/whole.wav", shop.path("in")));
  EXPECT_EQ(unread.exit_code, 65) << unread.output;
  EXPECT_NE(unread.output.find("pipe.wav: cannot map"), std::string::npos) << unread.output;
  EXPECT_NE(unread.output.find("whole.wav\tHe might even"), std::string::npos) << unread.output;
  fs::remove(shop.path("in/pipe.wav"));
  const Ran ran = transcribe(shop.path("in"));
  EXPECT_EQ(ran.exit_code, 65);
  EXPECT_NE(ran.output.find("broken.wav: unreadable"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("whole.wav\tHe might even have been made amiable himself."), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("1 of 2 recordings could not be transcribed"), std::string::npos) << ran.output;
  const Json found = Json::parse(transcribe(shop.path("in") + " --json 2>/dev/null").output);
  EXPECT_EQ(found["file"], shop.path("in/whole.wav"));
  EXPECT_EQ(found["text"], " He might even have been made amiable himself.");
}

TEST_F(Transcribe, WordsThatCannotBe) {
  const auto expect = [&](const std::string& arguments, int code, const char* said) {
    const Ran ran = transcribe(arguments);
    EXPECT_EQ(ran.exit_code, code) << arguments << ": " << ran.output;
    EXPECT_NE(ran.output.find(said), std::string::npos) << arguments << ": " << ran.output;
  };
  const std::string recording = sentences[4].string();
  expect(shop.path("nowhere.wav"), 66, "no such file");
  expect(shop.path("model"), 66, "expected recordings");
  expect(recording + " --format srt,vtt", 64, "--output");
  expect(recording + " " + sentences[3].string() + " --format srt", 64, "2 recordings are as many files");
  expect(recording + " --format srt --json", 64, "--json");
  expect(recording + " --format srt --max-words-per-line 0", 64, "--max-words-per-line");
  expect(recording + " --format srt --max-words-per-line 3 --max-line-width 40 --max-line-count 2", 64, "--max-words-per-line");
  for (const char* wrong :
       {"--best-of 0", "--temperatures 0,-1", "--temperatures nan", "--patience 0", "--patience nan", "--unknown-word nan"})
    expect(fmt::format("{} {}", recording, wrong), 64, std::string(wrong).substr(0, std::string_view(wrong).find(' ')).c_str());
  expect(recording + " --format doc", 64, "doc");
  expect(recording + " --language de", 64, "English");
  expect(fmt::format("{0} {0} --output {1}", recording, shop.path("out")), 64, "same file");
  EXPECT_EQ(thaw(fmt::format("transcribe {} {}", shop.path("model"), recording)).exit_code, 65);
}

}  // namespace
}  // namespace thaw::test
