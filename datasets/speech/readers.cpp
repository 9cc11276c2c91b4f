#include "datasets/speech/readers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "datasets/speech/report.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

constexpr std::array decoded_endings{".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus"};
constexpr std::array other_endings{".aiff", ".aif", ".au", ".sph", ".m4a", ".mp4", ".aac", ".wma", ".webm", ".amr", ".3gp", ".caf"};

}  // namespace

CorpusBuilder::CorpusBuilder(const fs::path& path, CorpusFormat format, const CorpusOptions& options) : options_(options) {
  corpus_.path = path.string();
  corpus_.format = format;
}

std::uint32_t CorpusBuilder::add_file(const fs::path& file) {
  corpus_.files.push_back(file.string());
  return static_cast<std::uint32_t>(corpus_.files.size() - 1);
}

void CorpusBuilder::leave_out(Fault fault, std::string where, std::string id, std::string detail) {
  corpus_.left_out.push_back({name_of(fault), std::move(where), std::move(id), std::move(detail), 0});
}

void CorpusBuilder::bad_row(std::uint32_t file, std::uint64_t line, const std::string& detail) {
  leave_out(Fault::bad_row, where(file, line), "", detail);
}

void CorpusBuilder::add(Utterance utterance) {
  const auto leave = [&](Fault fault, const std::string& detail) {
    leave_out(fault, corpus_.where(utterance), utterance.id, corpus_.about(utterance, detail));
  };
  if (!ids_.insert(utterance.id).second) return leave(Fault::duplicate_id, "the id stood there before");
  if (options_.need_text && trim(utterance.text).empty()) return leave(Fault::audio_without_text, utterance.audio);
  if (!utterance.pipe && utterance.audio != last_found_) {
    std::error_code error;
    if (!fs::is_regular_file(utterance.audio, error)) return leave(Fault::text_without_audio, utterance.audio + " is not there");
    last_found_ = utterance.audio;
  }
  if (!utterance.duration_s && utterance.end_s) utterance.duration_s = *utterance.end_s - utterance.begin_s;
  if (utterance.duration_s) {
    const double seconds = *utterance.duration_s;
    if (options_.min_s > 0 && seconds < options_.min_s) return leave(Fault::too_short, fmt::format("{} s", seconds));
    if (options_.max_s > 0 && seconds > options_.max_s) return leave(Fault::too_long, fmt::format("{} s", seconds));
  }
  if (utterance.language.empty()) utterance.language = options_.language;
  if (utterance.speaker.empty()) utterance.speaker = options_.speaker;
  corpus_.utterances.push_back(std::move(utterance));
}

Corpus CorpusBuilder::finish() {
  if (corpus_.utterances.empty()) {
    std::string why;
    if (!corpus_.left_out.empty()) {
      const CorpusReport report{corpus_.path, name_of(corpus_.format), 0, 0, corpus_.left_out};
      for (const auto& [reason, count] : report.counts())
        why += fmt::format("{}{}: {}", why.empty() ? "; left out, " : ", ", reason, count);
      const LeftOut& first = corpus_.left_out[0];
      why += fmt::format("; the first of them: {} ({} {})", first.where, first.reason, first.detail);
    }
    throw DataError("{}: read as {}: expected utterances, found none{}", corpus_.path, name_of(corpus_.format), why);
  }
  return std::move(corpus_);
}

Lines::Lines(const fs::path& path, CorpusBuilder& corpus) : source_(path), corpus_(corpus), file_(corpus.add_file(path)) {
  refuse_other_encodings(source_);
  if (source_.text().starts_with("\xEF\xBB\xBF")) at_ = 3;
}

bool Lines::next(std::string& line) {
  const std::string_view text = source_.text();
  while (at_ < text.size()) {
    const std::size_t end = std::min(text.find('\n', at_), text.size());
    std::string_view bytes = text.substr(at_, end - at_);
    at_ = end + 1;
    ++number_;
    if (bytes.ends_with('\r')) bytes.remove_suffix(1);
    if (trim(bytes).empty()) continue;
    if (is_utf8(bytes)) {
      line.assign(bytes);
    } else {
      line = repair_utf8(bytes);
      corpus_.count_repaired();
    }
    return true;
  }
  return false;
}

std::pair<std::string, std::string> first_word(std::string_view line) {
  line = trim(line);
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  return {std::string(line.substr(0, end)), std::string(trim(line.substr(end)))};
}

std::string beginning(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return std::string(text.substr(0, most)) + "…";
}

std::uint64_t lines_to_repair(std::string_view text) {
  if (is_utf8(text)) return 0;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    count += is_utf8(text.substr(at, end - at)) ? 0 : 1;
    at = end + 1;
  }
  return count;
}

std::optional<double> seconds_of(std::string_view text) {
  text = trim(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < 0) return {};
  return value;
}

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

bool is_decoded(const fs::path& path) {
  return std::find(decoded_endings.begin(), decoded_endings.end(), ending_of(path)) != decoded_endings.end();
}

bool is_audio(const fs::path& path) {
  return is_decoded(path) || std::find(other_endings.begin(), other_endings.end(), ending_of(path)) != other_endings.end();
}

std::vector<fs::path> audio_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (is_audio(entry.path()) && entry.is_regular_file()) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

AudioFiles::AudioFiles(const fs::path& folder, Depth depth) {
  const auto add = [&](const fs::path& path) {
    std::string& kept = files_[path.stem().string()];
    // Of two with one name, one that can be decoded, and the same one everywhere.
    if (kept.empty() || std::pair(!is_decoded(path), path.string()) < std::pair(!is_decoded(kept), kept)) kept = path.string();
  };
  if (!fs::is_directory(folder)) return;
  if (depth == Depth::all)
    for (const fs::path& path : audio_below(folder)) add(path);
  else
    for (const auto& entry : fs::directory_iterator(folder))
      if (is_audio(entry.path()) && entry.is_regular_file()) add(entry.path());
}

std::string AudioFiles::take(const std::string& stem) {
  const auto found = files_.find(stem);
  if (found == files_.end()) return "";
  taken_.insert(stem);
  return found->second;
}

void AudioFiles::report_rest(CorpusBuilder& corpus) const {
  std::vector<std::string> rest;
  for (const auto& [stem, path] : files_)
    if (!taken_.contains(stem)) rest.push_back(path);
  std::sort(rest.begin(), rest.end());
  for (const std::string& path : rest) corpus.leave_out(Fault::audio_without_text, path, "", "no line speaks of it");
}

}  // namespace thaw
