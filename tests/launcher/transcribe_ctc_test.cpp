// thaw transcribe with CTC models, judged by transformers on the same windows: text, words, and when they are said.
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/audio/audio.h"
#include "datasets/audio/voice.h"
#include "framework/tasks/transcription/speech_windows.h"
#include "tests/launcher/ctc_testing.h"

namespace thaw::test {
namespace {

class TranscribeCtc : public ::testing::Test {
 protected:
  void SetUp() override { THAW_NEEDS_PYTHON(); }

  Ran transcribe(const std::string& model, const std::string& recording, const std::string& options = "") const {
    return thaw(fmt::format("transcribe {} {} {}", ctc_file(model), ctc_file(recording), options));
  }
  Json heard(const std::string& model, const std::string& recording, const std::string& options = "") const {
    const Ran ran = transcribe(model, recording, "--format json --word-times " + options);
    if (ran.exit_code != 0) throw std::runtime_error(ran.output);
    return Json::parse(ran.output);
  }
  static std::vector<Json> words_of(const Json& transcript) {
    std::vector<Json> words;
    for (const Json& segment : transcript["segments"]) words.insert(words.end(), segment["words"].begin(), segment["words"].end());
    return words;
  }
  static void expect_words(const Json& found, const Json& expected) {
    const std::vector<Json> words = words_of(found);
    ASSERT_EQ(words.size(), expected["words"].size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      const Json& wanted = expected["words"][i];
      EXPECT_EQ(trim(words[i]["word"].get<std::string>()), wanted["word"].get<std::string>());
      EXPECT_NEAR(words[i]["start"], wanted["start"], 1e-9) << i;
      EXPECT_NEAR(words[i]["end"], wanted["end"], 1e-9) << i;
      EXPECT_NEAR(words[i]["probability"], wanted["probability"], 1e-4) << i;
    }
  }

  const Workshop shop;
};

TEST_F(TranscribeCtc, AsTransformersDoes) {
  const Json all = JsonFile(ctc_folder() / "heard.json").raw();
  for (const char* model : {"wav2vec2", "hubert", "wavlm"})
    for (const char* recording : {"short", "other"}) {
      SCOPED_TRACE(fmt::format("{} {}", model, recording));
      const Json &expected = all[fmt::format("{} {}", model, recording)], found = heard(model, fmt::format("{}.wav", recording));
      EXPECT_EQ(found["text"], expected["text"]);
      EXPECT_GE(expected["words"].size(), 5U);
      if (std::string(model) == "hubert") {  // do_lower_case: texts are small letters, transformers' offsets are not
        EXPECT_EQ(words_of(found).size(), expected["words"].size());
        continue;
      }
      expect_words(found, expected);
      EXPECT_FALSE(found.contains("language"));
      EXPECT_FALSE(found["segments"][0].contains("no_speech_prob"));
    }
}

// Windows are cut at pauses, and overlap where there is none: what both have is joined before it is decoded.
TEST_F(TranscribeCtc, ALongRecording) {
  const audio::Audio recording = audio::read_audio(ctc_file("long.wav"));
  SpeechWindowOptions options;
  options.longest = 35;
  const std::vector<TimeSpan> windows =
      speech_windows(audio::VoiceActivity(recording.samples, recording.sample_rate).regions(), recording.seconds(), options);
  Json limits = Json::array();
  int overlapping = 0;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    limits.push_back({windows[i].begin_s, windows[i].end_s});
    overlapping += i > 0 && windows[i].begin_s < windows[i - 1].end_s;
  }
  ASSERT_GE(overlapping, 1);
  shop.write("windows.json", limits.dump());
  const Json expected = ctc_judge(shop, "heard", "wav2vec2", "long.wav", shop.path("windows.json"));
  ASSERT_EQ(expected["sequences"], windows.size() - static_cast<std::size_t>(overlapping));
  ASSERT_GE(expected["sequences"].get<int>(), 2);
  const Json found = heard("wav2vec2", "long.wav");
  EXPECT_EQ(found["text"], expected["text"]);
  expect_words(found, expected);

  double before = 0;
  std::string text;
  ASSERT_GE(found["segments"].size(), 8U);
  for (const Json& segment : found["segments"]) {
    EXPECT_GE(segment["start"].get<double>(), before);
    EXPECT_LE(segment["end"].get<double>() - segment["start"].get<double>(), 10.001);
    EXPECT_EQ(segment["start"], segment["words"].front()["start"]);
    before = segment["end"];
    text += segment["text"].get<std::string>() + " ";
  }
  const auto words_in = [](const std::string& of) {
    std::vector<std::string> words = split(of, ' ');
    std::erase(words, "");
    return words;
  };
  EXPECT_EQ(words_in(text), words_in(found["text"]));
}

// That the search itself is right, tests/tasks/ctc_test.cpp asks. Two labellings of the whole recording are compared by their losses.
TEST_F(TranscribeCtc, BeamsSayTheSameOrBetter) {
  const Json greedy = heard("wav2vec2", "short.wav"), searched = heard("wav2vec2", "short.wav", "--beams 16");
  EXPECT_NE(searched["text"], greedy["text"]) << "a random model leaves something to be found";
  shop.write("texts.json", Json{greedy["text"], searched["text"]}.dump());
  const Json losses = ctc_judge(shop, "losses", "wav2vec2", "short.wav", shop.path("texts.json"));
  EXPECT_LT(losses[1].get<double>(), losses[0].get<double>());
  double before = 0;
  for (const Json& word : words_of(searched)) {
    EXPECT_GE(word["start"].get<double>(), before);
    EXPECT_LT(word["start"].get<double>(), word["end"].get<double>());
    before = word["end"];
  }
  EXPECT_LE(before, 6.3);
}

TEST_F(TranscribeCtc, CaptionsAndBf16) {
  const Ran ran = transcribe("wavlm", "other.wav", "--max-words-per-line 4 --format srt,vtt,tsv,text --output " + shop.path("out"));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json found = heard("wavlm", "other.wav");
  const std::vector<Json> words = words_of(found);
  ASSERT_GE(words.size(), 9U);
  const auto ms = [](const Json& seconds) { return fmt::format("{:03}", std::llround(seconds.get<double>() * 1000) % 1000); };
  EXPECT_TRUE(shop.file("out/other.srt").starts_with("1\n00:00:00," + ms(words[0]["start"]) + " --> ")) << shop.file("out/other.srt");
  EXPECT_TRUE(shop.file("out/other.vtt").starts_with("WEBVTT\n"));
  EXPECT_TRUE(shop.file("out/other.tsv").starts_with("start\tend\ttext\n"));
  EXPECT_EQ(split(shop.file("out/other.txt"), '\n').size(), found["segments"].size() + 1);
  EXPECT_EQ(transcribe("wavlm", "other.wav", "--precision bf16").exit_code, 0);
}

TEST_F(TranscribeCtc, WhatIsRefused) {
  const auto expect = [&](const Ran& ran, int code, const std::vector<std::string>& phrases) {
    EXPECT_EQ(ran.exit_code, code) << ran.output;
    for (const std::string& phrase : phrases) EXPECT_NE(ran.output.find(phrase), std::string::npos) << phrase << "\n" << ran.output;
  };
  expect(transcribe("wav2vec2", "short.wav", "--language en"), 64, {"--language", "Whisper", "wav2vec2"});
  expect(transcribe("hubert", "short.wav", "--translate --temperatures 0,1"), 64, {"--translate, --temperatures", "hubert"});
  expect(transcribe("wav2vec2", "short.wav", "--beams -1"), 64, {"--beams"});
  expect(transcribe("wav2vec2", "tiny.wav"), 65, {"tiny.wav: too short", "399 samples", "400"});
  expect(transcribe("wav2vec2", "none.wav"), 66, {"none.wav"});

  fs::copy(ctc_folder() / "wav2vec2", shop.path("copy"));
  Json config = Json::parse(shop.file("copy/config.json"));
  config["vocab_size"] = 40;
  shop.write("copy/config.json", config.dump());
  expect(thaw(fmt::format("transcribe {} {}", shop.path("copy"), ctc_file("short.wav"))), 65, {"lm_head", "fine-tuned"});
  fs::remove(shop.path("copy/vocab.json"));
  expect(thaw(fmt::format("transcribe {} {}", shop.path("copy"), ctc_file("short.wav"))), 66, {"vocab.json"});
}

}  // namespace
}  // namespace thaw::test
