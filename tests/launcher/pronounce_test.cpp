// thaw pronounce, judged by a forced alignment and scores that ctc_reference.py computes from transformers' probabilities.
#include <gtest/gtest.h>

#include "tests/launcher/ctc_testing.h"

namespace thaw::test {
namespace {

class Pronounce : public ::testing::Test {
 protected:
  void SetUp() override { THAW_NEEDS_PYTHON(); }

  static Ran pronounce(const std::string& model, const std::string& arguments) {
    return thaw(fmt::format("pronounce {} {}", ctc_file(model), arguments));
  }
  static std::string said(const std::string& recording, const std::string& text) {
    return fmt::format("{} --text \"{}\"", ctc_file(recording), text);
  }
  // By a list of sentences, whatever characters are in this one.
  Json judged(const std::string& model, const std::string& recording, const std::string& text) const {
    shop.write("one.tsv", fmt::format("{}\t{}\n", ctc_file(recording), text));
    const Ran ran = pronounce(model, fmt::format("--sentences {} --json", shop.path("one.tsv")));
    if (ran.exit_code != 0) throw std::runtime_error(ran.output);
    return Json::parse(ran.output);
  }
  static void expect_judged(const Json& found, const Json& expected) {
    EXPECT_NEAR(found["score"], expected["score"], 0.01);
    EXPECT_NEAR(found["probability"], expected["probability"], 1e-4);
    EXPECT_NEAR(found["start"], expected["start"], 1e-9);
    EXPECT_NEAR(found["end"], expected["end"], 1e-9);
    EXPECT_EQ(found["heard"], expected["heard"]);
  }

  const Workshop shop;
};

TEST_F(Pronounce, ScoresOfWordsAndSounds) {
  const Json all = JsonFile(ctc_folder() / "judged.json").raw();
  ASSERT_GE(all.size(), 4U);
  for (const Json& expected : all) {
    const std::string text = expected["text"];
    SCOPED_TRACE(text);
    const Json found = judged(expected["model"], expected["recording"].get<std::string>() + ".wav", text);
    EXPECT_EQ(found["text"], text);
    EXPECT_NEAR(found["score"], expected["score"], 0.01);
    ASSERT_EQ(found["words"].size(), expected["words"].size());
    for (std::size_t w = 0; w < found["words"].size(); ++w) {
      const Json &word = found["words"][w], &wanted = expected["words"][w];
      EXPECT_EQ(word["word"], wanted["word"]);
      expect_judged(word, wanted);
      ASSERT_EQ(word["sounds"].size(), wanted["sounds"].size());
      for (std::size_t i = 0; i < word["sounds"].size(); ++i) {
        EXPECT_EQ(word["sounds"][i]["sound"], wanted["sounds"][i]["sound"]);
        expect_judged(word["sounds"][i], wanted["sounds"][i]);
      }
    }
  }
}

// What the model hears anyway was said well; and the sentence may be written in either case.
TEST_F(Pronounce, WhatIsHeardIsRight) {
  const Ran heard = thaw(fmt::format("transcribe {} {} --format json", ctc_file("hubert"), ctc_file("short.wav")));
  ASSERT_EQ(heard.exit_code, 0) << heard.output;
  const std::string text = Json::parse(heard.output)["text"];
  EXPECT_GT(judged("hubert", "short.wav", text)["score"].get<double>(), 90);
  const Ran capitals = pronounce("wav2vec2", said("other.wav", "DARK SUIT")), mixed = pronounce("wav2vec2", said("other.wav", "Dark suit"));
  EXPECT_EQ(capitals.exit_code, 0);
  EXPECT_EQ(capitals.output, mixed.output);
  EXPECT_LT(judged("wav2vec2", "other.wav", "dark suit")["score"].get<double>(), 80);
}

TEST_F(Pronounce, ATableForPeople) {
  const Json expected = judged("wav2vec2", "other.wav", "DARK SUIT");
  const Ran ran = pronounce("wav2vec2", said("other.wav", "DARK SUIT"));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const std::vector<std::string> lines = split(ran.output, '\n');
  ASSERT_EQ(lines.size(), 2 + 10 + 1U) << ran.output;
  EXPECT_EQ(lines[0], fmt::format("{}: {:.0f} of 100", ctc_file("other.wav"), expected["score"].get<double>()));
  const auto line = [](const std::string& name, const Json& one) {
    return fmt::format("{:<4}  {:5.0f}  {:6.2f}  {:6.2f}", name, one["score"].get<double>(), one["start"].get<double>(),
                       one["end"].get<double>());
  };
  const Json& dark = expected["words"][0];
  EXPECT_EQ(lines[2], line("DARK", dark) + "  " + dark["heard"].get<std::string>());
  for (std::size_t i = 0; i < 4; ++i) {
    const Json& sound = dark["sounds"][i];
    const std::string letter = sound["sound"], heard = sound["heard"].is_null() ? "nothing" : sound["heard"];
    EXPECT_EQ(lines[3 + i], line("  " + letter, sound) + (heard == letter ? "" : "  " + heard));
  }
}

TEST_F(Pronounce, BlanksAreNotSaid) {
  const std::string once = pronounce("wav2vec2", said("other.wav", "dark suit") + " --json").output;
  EXPECT_NE(once.find("DARK SUIT"), std::string::npos) << once;
  for (const char* text : {"dark  suit", " dark suit ", "dark\tsuit"})
    EXPECT_EQ(pronounce("wav2vec2", said("other.wav", text) + " --json").output, once) << text;
}

TEST_F(Pronounce, ManySentences) {
  fs::copy(ctc_file("other.wav"), shop.path("here.wav"));
  shop.write("list.tsv", fmt::format("here.wav\tdark suit\n{}\tsuit 42\nnowhere.wav\tsuit\n{}\tsuit\n{}\tlong\n", ctc_file("short.wav"),
                                     ctc_file("silent.wav"), ctc_file("short.wav")));
  const Ran ran = pronounce("wav2vec2", "--sentences " + shop.path("list.tsv"));
  EXPECT_EQ(ran.exit_code, 65) << ran.output;
  for (const char* phrase : {"here.wav: ", "DARK", "LONG", "short.wav: the model cannot spell 4, 2", "list.tsv:3: text_without_audio",
                             "silent.wav: silent", "3 of 5 sentences could not be judged"})
    EXPECT_NE(ran.output.find(phrase), std::string::npos) << phrase << "\n" << ran.output;
}

TEST_F(Pronounce, WhatIsRefused) {
  const auto expect = [&](const std::string& arguments, int code, const std::vector<std::string>& phrases) {
    const Ran ran = pronounce("wav2vec2", arguments);
    EXPECT_EQ(ran.exit_code, code) << arguments << ": " << ran.output;
    for (const std::string& phrase : phrases) EXPECT_NE(ran.output.find(phrase), std::string::npos) << phrase << "\n" << ran.output;
  };
  expect(said("short.wav", "Well, 3 times?"), 65, {"short.wav", "cannot spell ,, 3, ?"});
  expect(said("brief.wav", "this is far too much to be said"), 65, {"brief.wav: too short for the sentence", "0.20 s"});
  expect(said("silent.wav", "hello"), 65, {"silent.wav: silent"});
  expect(said("tiny.wav", "hello"), 65, {"tiny.wav: too short"});
  expect(said("long.wav", "hello"), 65, {"long.wav: too long"});
  expect(said("none.wav", "hello"), 66, {"none.wav"});
  expect(said("short.wav", " "), 65, {"no words"});
  expect(ctc_file("short.wav"), 64, {"--text", "found a recording alone"});
  expect(shop.path("") + " --text hello", 66, {"expected a recording, found a folder"});
  expect("", 64, {"--sentences"});
  expect(said("short.wav", "hello") + " --sentences x.tsv", 64, {"both"});
  expect("--sentences " + shop.path("none.tsv"), 66, {"none.tsv"});
  shop.write("broken.wav", "RIFF nothing of the kind");
  expect(shop.path("broken.wav") + " --text hello", 65, {"broken.wav: unreadable"});
  EXPECT_EQ(thaw(fmt::format("pronounce {} {}", shop.path("model"), said("short.wav", "hello"))).exit_code, 65);
}

}  // namespace
}  // namespace thaw::test
