// Captions: the text of openai-whisper's writers, and files that players can read whatever was said.
#include "framework/tasks/transcription/captions.h"

#include <gtest/gtest.h>

#include <regex>

#include "framework/base/text.h"
#include "framework/tasks/transcription/blanks.h"
#include "framework/tasks/transcription/transcript_json.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

const Json& expected() {
  static const Json read = test::reference("tasks/transcription/captions_reference.py");
  return read;
}

Transcript transcript_of(const Json& result) {
  Transcript transcript;
  transcript.text = result["text"];
  transcript.language = result["language"];
  for (const Json& s : result["segments"]) {
    Segment segment{s["id"],
                    s["seek"],
                    s["start"],
                    s["end"],
                    s["text"],
                    s["tokens"].get<std::vector<std::int64_t>>(),
                    s["temperature"],
                    s["avg_logprob"],
                    s["compression_ratio"],
                    s["no_speech_prob"].get<double>(),
                    {}};
    transcript.word_times = s.contains("words");
    for (const Json& w : s.value("words", Json::array())) segment.words.push_back({w["word"], w["start"], w["end"], w["probability"], {}});
    transcript.segments.push_back(std::move(segment));
  }
  return transcript;
}

CaptionOptions options_of(const Json& given) {
  const auto limit = [&](const char* key) { return given.contains(key) ? std::optional(given[key].get<std::size_t>()) : std::nullopt; };
  return {limit("max_line_width"), limit("max_line_count"), limit("max_words_per_line"), given.value("highlight_words", false)};
}

TEST(Captions, TextAsOpenAi) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["cases"]) {
    SCOPED_TRACE(c["options"].dump());
    const Transcript transcript = transcript_of(c["result"]);
    const CaptionOptions options = options_of(c["options"]);
    ASSERT_EQ(to_text(transcript), c["txt"]);
    ASSERT_EQ(to_tsv(transcript), c["tsv"]);
    ASSERT_EQ(to_srt(transcript, options), c["srt"]) << c["result"].dump();
    ASSERT_EQ(to_vtt(transcript, options), c["vtt"]) << c["result"].dump();
  }
}

// Every number has the bits that it had.
TEST(Captions, JsonAsOpenAi) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["cases"]) {
    const std::string json = to_json(transcript_of(c["result"]));
    EXPECT_EQ(Json::parse(json), Json::parse(c["json"].get<std::string>()));
    EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  }
}

TEST(Captions, BlanksAsPython) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["strips"]) {
    EXPECT_EQ(strip_blanks(c[0].get<std::string>()), c[1]) << c;
    EXPECT_EQ(count_characters(c[0].get<std::string>()), c[2]) << c;
  }
}

struct ReadCue {
  std::string start, end, text;
};

// A strict reader: blocks that end with an empty line, each with its time and at least one line.
std::vector<ReadCue> read_cues(std::string file, bool srt) {
  if (!srt) {
    EXPECT_TRUE(file.starts_with("WEBVTT\n\n"));
    file.erase(0, 8);
  }
  const std::regex timing(srt ? R"((\d\d+:\d\d:\d\d,\d\d\d) --> (\d\d+:\d\d:\d\d,\d\d\d))"
                              : R"(((?:\d\d+:)?\d\d:\d\d\.\d\d\d) --> ((?:\d\d+:)?\d\d:\d\d\.\d\d\d))");
  std::vector<ReadCue> cues;
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t end = file.find("\n\n", at);
    if (end == std::string::npos) return ADD_FAILURE() << "no empty line after: " << file.substr(at), cues;
    std::vector<std::string> lines = split(file.substr(at, end - at), '\n');
    at = end + 2;
    if (srt) {
      EXPECT_EQ(lines.front(), std::to_string(cues.size() + 1));
      lines.erase(lines.begin());
    }
    std::smatch times;
    if (lines.size() < 2 || !std::regex_match(lines[0], times, timing))
      return ADD_FAILURE() << "not a cue: " << (lines.empty() ? "" : lines[0]), cues;
    std::string text = lines[1];
    for (std::size_t i = 2; i < lines.size(); ++i) text += "\n" + lines[i];
    EXPECT_EQ(text.find("-->"), std::string::npos);
    cues.push_back({times[1], times[2], text});
  }
  return cues;
}

Segment said(double start, double end, const std::string& text) {
  Segment segment;
  segment.start = start;
  segment.end = end;
  segment.text = text;
  return segment;
}

TEST(Captions, WhatPlayersMustNotSee) {
  Transcript t;
  t.segments = {said(0, 1.5, " an --> arrow ---->"),
                said(1.5, 1.5, " at once"),
                said(1.75, 2.0, " <i>two\n\n\nlines & more"),
                said(2, 3, "  "),
                said(3, 4, ""),
                said(3661.0015, 3599999.9996, " late")};
  const std::vector<ReadCue> srt = read_cues(to_srt(t), true), vtt = read_cues(to_vtt(t), false);
  ASSERT_EQ(srt.size(), 4u);
  ASSERT_EQ(vtt.size(), 4u);
  EXPECT_EQ(srt[0].text, "an -> arrow ->");
  EXPECT_EQ(srt[1].end, "00:00:01,750") << "until the next one";
  EXPECT_EQ(srt[2].text, "<i>two\nlines & more");
  EXPECT_EQ(vtt[2].text, "&lt;i>two\nlines &amp; more");
  EXPECT_EQ(vtt[2].start, "00:01.750");
  EXPECT_EQ(srt[3].start, "01:01:01,002");
  EXPECT_EQ(srt[3].end, "1000:00:00,000");
  EXPECT_EQ(vtt[3].start, "01:01:01.002");
  EXPECT_EQ(to_text(t), "an --> arrow ---->\nat once\n<i>two\n\n\nlines & more\nlate\n");
}

TEST(Captions, AnArrowOfTwoWords) {
  Transcript t;
  t.word_times = true;
  t.segments = {said(0, 2, " a -->")};
  t.segments[0].words = {{" a", 0, 1, 1, {}}, {" --", 1, 1.5, 1, {}}, {">", 1.5, 2, 1, {}}};
  EXPECT_EQ(read_cues(to_srt(t), true).at(0).text, "a ->");
  CaptionOptions options;
  options.highlight_words = true;
  EXPECT_EQ(read_cues(to_vtt(t, options), false).size(), 3u);
}

TEST(Captions, NoCueEndsBeforeItBegins) {
  Transcript t;
  t.word_times = true;
  t.segments = {said(0, 3, "")};
  t.segments[0].words = {{" a", 0, 2, 1, {}}, {" b", 1.5, 1.75, 1, {}}, {" c", 2.5, 3, 1, {}}};
  CaptionOptions options;
  options.highlight_words = true;
  const std::vector<ReadCue> cues = read_cues(to_srt(t, options), true);
  EXPECT_EQ(cues.size(), 4u);  // a word each, and the pause before the last
  for (const ReadCue& cue : cues) EXPECT_LT(cue.start, cue.end);
}

// Whisper's alignment gives some words no time: they are shown all the same, and by themselves where there is room.
TEST(Captions, WordsOfNoLengthAreShown) {
  Transcript t;
  t.word_times = true;
  t.segments = {said(0, 3, "")};
  t.segments[0].words = {{" a", 0, 1, 1, {}},     {" b", 1, 1, 1, {}}, {" c", 1, 1.5, 1, {}},
                         {" d", 1.5, 1.5, 1, {}}, {" e", 2, 3, 1, {}}, {" f", 3, 3, 1, {}}};
  CaptionOptions options;
  options.max_words_per_line = 1;
  const auto shown = [&] {
    std::vector<std::string> all;
    for (const ReadCue& cue : read_cues(to_vtt(t, options), false)) all.push_back(fmt::format("{} {} {}", cue.start, cue.end, cue.text));
    return all;
  };
  EXPECT_EQ(shown(), (std::vector<std::string>{"00:00.000 00:01.000 a", "00:01.000 00:01.500 b c", "00:01.500 00:02.000 d",
                                               "00:02.000 00:03.000 e", "00:03.000 00:04.000 f"}));
  t.seconds = 2.5;
  EXPECT_EQ(shown().back(), "00:02.000 00:02.500 e") << "what is heard behind the end";
  t.seconds = 3;
  EXPECT_EQ(shown().back(), "00:02.000 00:03.000 e f") << "the last word ends with the recording";
  t.seconds.reset();
  options.highlight_words = true;
  EXPECT_NE(to_vtt(t, options).find("b"), std::string::npos);
  options = {};
  options.highlight_words = true;
  for (const ReadCue& cue : read_cues(to_srt(t, options), true)) EXPECT_LT(cue.start, cue.end);
}

TEST(Captions, LinesKeepTheirLimits) {
  Transcript t;
  t.word_times = true;
  t.segments = {said(0, 40, "")};
  for (int i = 0; i < 40; ++i) t.segments[0].words.push_back({fmt::format(" wörd{}", i), i * 1.0, i + 1.0, 1, {}});
  CaptionOptions options;
  options.max_line_width = 21;
  options.max_line_count = 2;
  const std::vector<ReadCue> cues = read_cues(to_srt(t, options), true);
  EXPECT_EQ(cues.size(), 7u);
  for (const ReadCue& cue : cues) {
    const std::vector<std::string> lines = split(cue.text, '\n');
    EXPECT_LE(lines.size(), 2u);
    for (const std::string& line : lines) EXPECT_LE(count_characters(line), 21u) << line;
  }
}

TEST(Captions, SentencesAndPausesPartCues) {
  Transcript t;
  t.word_times = true;
  t.segments = {said(0, 30, "")};
  t.segments[0].words = {{" Mr.", 0, 0.3, 1, {}},      {" Hu", 0.3, 0.6, 1, {}},    {" came.\"", 0.6, 1.2, 1, {}},
                         {" Yes!", 1.4, 1.6, 1, {}},   {" And", 4, 4.5, 1, {}},     {" then", 4.5, 5, 1, {}},
                         {" he", 5.6, 6, 1, {}},       {" stayed", 6, 9, 1, {}},    {" until", 9, 12.5, 1, {}},
                         {" three.", 12.5, 13, 1, {}}, {" No.", 13.2, 13.4, 1, {}}, {" Never.", 13.7, 14, 1, {}}};
  CaptionOptions options;
  options.max_line_width = 42;
  options.max_line_count = 2;
  options.sentences = true;
  const std::vector<ReadCue> cues = read_cues(to_srt(t, options), true);
  const std::vector<std::string> texts{"Mr. Hu came.\"", "Yes!", "And then", "he stayed until", "three.", "No.", "Never."};
  ASSERT_EQ(cues.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(cues[i].text, texts[i]);
  EXPECT_EQ(cues[1].end, "00:00:02,400");  // stays for a second
  EXPECT_EQ(cues[5].end, "00:00:13,700");  // as long as the next one lets it
  EXPECT_EQ(cues[6].end, "00:00:14,700");
  options.max_words_per_line = 2;
  EXPECT_EQ(read_cues(to_srt(t, options), true).at(0).text, "Mr. Hu\ncame.\"");
  options.max_words_per_line.reset();
  options.sentences = false;
  EXPECT_EQ(read_cues(to_srt(t, options), true).size(), 2u);
}

TEST(Captions, NothingSaid) {
  EXPECT_EQ(to_text({}), "");
  EXPECT_EQ(to_srt({}), "");
  EXPECT_EQ(to_vtt({}), "WEBVTT\n\n");
  EXPECT_EQ(to_tsv({}), "start\tend\ttext\n");
  EXPECT_EQ(Json::parse(to_json({})), Json::parse(R"({"text": "", "segments": []})"));
}

}  // namespace
}  // namespace thaw
