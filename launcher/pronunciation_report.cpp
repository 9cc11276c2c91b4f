#include "launcher/pronunciation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "framework/tasks/transcription/blanks.h"

namespace thaw {
namespace {

std::string spelled(const CtcVocabulary& vocabulary, std::span<const std::int64_t> ids) { return vocabulary.decode_labels(ids, false); }

std::string of_word(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary, const CtcWordRange& range) {
  return spelled(vocabulary, std::span(sentence.ids).subspan(range.first, range.end - range.first));
}

std::optional<std::string> heard_of(const TokenPronunciation& sound, const CtcVocabulary& vocabulary) {
  return sound.heard ? std::optional(spelled(vocabulary, {&*sound.heard, 1})) : std::nullopt;
}

struct Line {
  std::string name;
  double score, start, end;
  std::string heard;  // where that is something else
};

std::vector<Line> lines_of(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary) {
  std::vector<Line> lines;
  for (const WordPronunciation& word : sentence.judged.words) {
    const std::string text = of_word(sentence, vocabulary, word.tokens), heard = spelled(vocabulary, word.heard);
    lines.push_back({text, word.score, word.span.start_s(sentence.frame_s), word.span.end_s(sentence.frame_s),
                     heard == text   ? ""
                     : heard.empty() ? "nothing"
                                     : heard});
    for (std::size_t i = word.tokens.first; i < word.tokens.end; ++i) {
      const TokenPronunciation& sound = sentence.judged.tokens[i];
      lines.push_back({"  " + spelled(vocabulary, {&sound.id, 1}), sound.score, sound.span.start_s(sentence.frame_s),
                       sound.span.end_s(sentence.frame_s), sound.right() ? "" : heard_of(sound, vocabulary).value_or("nothing")});
    }
  }
  return lines;
}

}  // namespace

std::string pronunciation_table(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary) {
  const std::vector<Line> lines = lines_of(sentence, vocabulary);
  std::size_t width = 4;  // "word"
  for (const Line& line : lines) width = std::max(width, count_characters(line.name));
  const auto padded = [&](const std::string& name) { return name + std::string(width - count_characters(name), ' '); };
  std::string table =
      fmt::format("{}: {:.0f} of 100\n{}  score    from      to  heard\n", sentence.recording, sentence.judged.score, padded("word"));
  for (const Line& line : lines) {
    table += fmt::format("{}  {:5.0f}  {:6.2f}  {:6.2f}", padded(line.name), line.score, line.start, line.end);
    table += line.heard.empty() ? "\n" : fmt::format("  {}\n", line.heard);
  }
  return table;
}

OrderedJson pronunciation_json(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary) {
  const auto judged = [&](const char* kind, const std::string& name, double score, const CtcSpan& span) {
    return OrderedJson{{kind, name},
                       {"score", score},
                       {"start", span.start_s(sentence.frame_s)},
                       {"end", span.end_s(sentence.frame_s)},
                       {"probability", span.score}};
  };
  OrderedJson words = OrderedJson::array();
  for (const WordPronunciation& word : sentence.judged.words) {
    OrderedJson one = judged("word", of_word(sentence, vocabulary, word.tokens), word.score, word.span);
    one["heard"] = spelled(vocabulary, word.heard);
    one["sounds"] = OrderedJson::array();
    for (std::size_t i = word.tokens.first; i < word.tokens.end; ++i) {
      const TokenPronunciation& sound = sentence.judged.tokens[i];
      OrderedJson& of_sound = one["sounds"].emplace_back(judged("sound", spelled(vocabulary, {&sound.id, 1}), sound.score, sound.span));
      const std::optional<std::string> heard = heard_of(sound, vocabulary);
      of_sound["heard"] = heard ? OrderedJson(*heard) : OrderedJson();
    }
    words.push_back(std::move(one));
  }
  return {{"recording", sentence.recording}, {"text", sentence.text}, {"score", sentence.judged.score}, {"words", words}};
}

}  // namespace thaw
