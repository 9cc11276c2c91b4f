#include "framework/tasks/transcription/caption_cues.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "framework/tasks/transcription/blanks.h"

namespace thaw {
namespace {

constexpr double long_pause_seconds = 3;
constexpr std::size_t unlimited = 1000;
// With CaptionOptions::sentences. The short pause tells a sentence's end from an abbreviation's.
constexpr double pause_seconds = 0.5, short_pause_seconds = 0.1, longest_cue_seconds = 7;
constexpr std::int64_t shortest_cue_ms = 1000;

// Whether nothing but closing marks follows a sentence's last one.
bool ends_sentence(std::string_view word) {
  for (const std::string_view closing : {"\"", "'", ")", "]", "”", "’", "»"}) {
    if (word.ends_with(closing)) word.remove_suffix(closing.size());
  }
  constexpr std::string_view marks[] = {".", "!", "?", "…", "。", "！", "？"};
  return std::any_of(std::begin(marks), std::end(marks), [&](std::string_view mark) { return word.ends_with(mark); });
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// What is left to do once a text is whole, since words may share a "-->" or an empty line.
std::string readable(std::string text) {
  while (text.find("-->") != std::string::npos) replace(text, "-->", "->");
  replace(text, "\r", "");
  while (text.find("\n\n") != std::string::npos) replace(text, "\n\n", "\n");
  return text;
}

std::string marked_up(std::string word, bool escaped) {
  if (!escaped) return word;
  replace(word, "&", "&amp;");
  replace(word, "<", "&lt;");
  return word;
}

// The word underlined, and the blanks before it not.
std::string underlined(const std::string& word) {
  const std::size_t blanks = leading_blanks(word);
  return word.substr(0, blanks) + "<u>" + word.substr(blanks) + "</u>";
}

// Words gathered into lines, and lines into cues.
class Lines {
 public:
  Lines(const CaptionOptions& options, double start)
      : options_(options), keeps_segments_(!options.max_line_count || !options.max_line_width), last_(start) {}

  void add(const Segment& segment) {
    const std::size_t most = options_.max_words_per_line.value_or(unlimited);
    for (std::size_t i = 0; i < segment.words.size(); ++i)
      add(segment.words[i], keeps_segments_ ? i % most == 0 : options_.sentences && words_ >= most);
  }
  std::vector<std::vector<TimedWord>> cues() && {
    finish_cue();
    return std::move(cues_);
  }

 private:
  void add(TimedWord word, bool starts_line) {
    const std::size_t width = count_characters(word.word);
    const bool paused = !keeps_segments_ && word.start - last_ > long_pause_seconds;
    if (options_.sentences && !cue_.empty() && parted(cue_.back(), word)) {
      finish_cue();
      width_ = 0;
    }
    const bool has_room = width_ + width <= options_.max_line_width.value_or(unlimited);
    const bool starts_cue = starts_line && !cue_.empty() && keeps_segments_;
    const bool line_is_full = starts_line && !keeps_segments_;
    last_ = word.start;
    if (width_ > 0 && has_room && !paused && !starts_cue && !line_is_full) {
      width_ += width;
      ++words_;
    } else {
      word.word = strip_blanks(word.word);
      const std::size_t stripped = count_characters(word.word);
      const bool full = !cue_.empty() && options_.max_line_count && (paused || lines_ >= *options_.max_line_count);
      if (full || starts_cue) {
        finish_cue();
      } else if (width_ > 0) {
        ++lines_;
        word.word.insert(0, "\n");
      }
      width_ = stripped;
      words_ = 1;
    }
    cue_.push_back(std::move(word));
  }

  bool parted(const TimedWord& before, const TimedWord& word) const {
    const double pause = word.start - before.end;
    return pause >= (ends_sentence(before.word) ? short_pause_seconds : pause_seconds) ||
           word.end - cue_.front().start > longest_cue_seconds;
  }

  void finish_cue() {
    if (!cue_.empty()) cues_.push_back(std::exchange(cue_, {}));
    lines_ = 1;
  }

  const CaptionOptions& options_;
  bool keeps_segments_;                            // a cue has words of one segment alone
  double last_;                                    // s, the start of the word before
  std::size_t width_ = 0, words_ = 0, lines_ = 1;  // of the line, and of the cue
  std::vector<TimedWord> cue_;
  std::vector<std::vector<TimedWord>> cues_;
};

std::string text_of(const std::vector<TimedWord>& words, bool escaped, std::size_t highlighted) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = marked_up(words[i].word, escaped);
    text += i == highlighted ? underlined(word) : word;
  }
  return readable(std::move(text));
}

// One cue a word, and between words one that underlines none.
void highlight(const std::vector<TimedWord>& words, bool escaped, std::vector<Cue>& cues) {
  const std::string plain = text_of(words, escaped, words.size());
  const std::size_t before = cues.size();
  std::int64_t last = milliseconds(words.front().start);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::int64_t start = milliseconds(words[i].start), end = milliseconds(words[i].end);
    if (last < start) cues.push_back({last, start, plain});
    if (start < end) cues.push_back({start, end, text_of(words, escaped, i)});
    last = end;
  }
  if (cues.size() == before) cues.push_back({last, last, plain});
}

// Texts stay long enough to be read, as far as the next one lets them.
void stay(std::vector<Cue>& cues, std::int64_t end) {
  for (std::size_t i = 0; i < cues.size(); ++i) {
    const std::int64_t longest = i + 1 < cues.size() ? cues[i + 1].start : end;
    cues[i].end = std::max(cues[i].end, std::min(cues[i].start + shortest_cue_ms, longest));
  }
}

// A text of no length is shown until the next one begins, or with it where that begins at once; the last one for as long as the recording
// goes on, or with the one before.
void show_all(std::vector<Cue>& cues, std::int64_t end) {
  for (std::size_t i = 0; i < cues.size(); ++i) {
    Cue& cue = cues[i];
    if (cue.start < cue.end) continue;
    const bool last = i + 1 == cues.size();
    cue.end = std::min(cue.start + shortest_cue_ms, last ? end : cues[i + 1].start);
    if (cue.start < cue.end) continue;
    if (last && i == 0) {
      cue.start = std::max<std::int64_t>(0, end - shortest_cue_ms), cue.end = end;
      continue;
    }
    Cue& other = cues[last ? i - 1 : i + 1];
    other.text = last ? fmt::format("{} {}", other.text, cue.text) : fmt::format("{} {}", cue.text, other.text);
    cue.text.clear();
  }
  std::erase_if(cues, [](const Cue& cue) { return cue.text.empty(); });
}

// Whisper's last window is filled up with silence, in which it may hear something, too.
void end_at(std::vector<Cue>& cues, std::int64_t end) {
  std::erase_if(cues, [&](const Cue& cue) { return cue.start > end || (cue.start == end && cue.end > end); });
  for (Cue& cue : cues) cue.end = std::min(cue.end, end);
}

}  // namespace

std::int64_t milliseconds(double seconds) { return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::nearbyint(seconds * 1000))); }

std::vector<Cue> caption_cues(const Transcript& transcript, const CaptionOptions& options, bool escaped) {
  std::vector<Cue> cues;
  if (transcript.word_times && !transcript.segments.empty()) {
    const auto spoken =
        std::find_if(transcript.segments.begin(), transcript.segments.end(), [](const Segment& segment) { return !segment.words.empty(); });
    if (spoken == transcript.segments.end()) return cues;
    Lines lines(options, spoken->words.front().start);
    for (const Segment& segment : transcript.segments) lines.add(segment);
    for (const std::vector<TimedWord>& words : std::move(lines).cues()) {
      if (options.highlight_words) highlight(words, escaped, cues);
      else cues.push_back({milliseconds(words.front().start), milliseconds(words.back().end), text_of(words, escaped, words.size())});
    }
  } else {
    for (const Segment& segment : transcript.segments) {
      cues.push_back({milliseconds(segment.start), milliseconds(segment.end), readable(marked_up(strip_blanks(segment.text), escaped))});
    }
  }
  std::erase_if(cues, [](const Cue& cue) { return strip_blanks(cue.text).empty(); });
  const std::int64_t end = transcript.seconds ? milliseconds(*transcript.seconds) : std::numeric_limits<std::int64_t>::max();
  end_at(cues, end);
  show_all(cues, end);
  if (options.sentences && !options.highlight_words) stay(cues, end);
  return cues;
}

}  // namespace thaw
