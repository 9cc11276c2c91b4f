// What the readers of corpora share. Each takes a path and hands utterances to a CorpusBuilder, which alone decides whether they
// are whole.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "datasets/shards/source_text.h"
#include "datasets/speech/corpus.h"
#include "framework/base/error.h"

namespace thaw {

class CorpusBuilder {
 public:
  CorpusBuilder(const fs::path& path, CorpusFormat format, const CorpusOptions& options);
  const CorpusOptions& options() const { return options_; }

  std::uint32_t add_file(const fs::path& file);
  void add(Utterance utterance);  // or leaves it out: without text or audio, by the filter, or because its id stood there before
  void leave_out(Fault fault, std::string where, std::string id = "", std::string detail = "");
  void bad_row(std::uint32_t file, std::uint64_t line, const std::string& detail);
  void note(std::string text) { corpus_.notes.push_back(std::move(text)); }
  void count_repaired(std::uint64_t lines = 1) { corpus_.repaired += lines; }
  std::string where(std::uint32_t file, std::uint64_t line) const { return fmt::format("{}:{}", corpus_.files[file], line); }
  Corpus finish();  // DataError where there is no utterance at all

 private:
  CorpusOptions options_;
  Corpus corpus_;
  std::unordered_set<std::string> ids_;
  std::string last_found_;  // segments of one file come one after another
};

// The lines of a file of text, valid UTF-8, without line ends and byte order mark; empty ones are passed over.
class Lines {
 public:
  Lines(const fs::path& path, CorpusBuilder& corpus);
  bool next(std::string& line);
  std::uint64_t number() const { return number_; }  // of the last line, from 1
  std::uint32_t file() const { return file_; }

 private:
  SourceText source_;
  CorpusBuilder& corpus_;
  std::uint32_t file_;
  std::size_t at_ = 0;
  std::uint64_t number_ = 0;
};

// The first word of a line, and the rest of it without blanks around.
std::pair<std::string, std::string> first_word(std::string_view line);

// The text, or as many whole characters of it as `most` bytes hold, and then "…". `text` is UTF-8.
std::string beginning(std::string_view text, std::size_t most);

std::uint64_t lines_to_repair(std::string_view text);  // how many are not UTF-8

// A finite number of 0 or more; nothing where `text` is none.
std::optional<double> seconds_of(std::string_view text);

std::string ending_of(const fs::path& path);                // ".wav", in small letters
bool is_audio(const fs::path& path);                        // by its ending
bool is_decoded(const fs::path& path);                      // by its ending; other audio is listed, but mostly unreadable
std::vector<fs::path> audio_below(const fs::path& folder);  // sorted

// Files whose ending says that they are audio, by their name without it: those of one folder, or of all below it.
class AudioFiles {
 public:
  enum class Depth { one, all };
  explicit AudioFiles(const fs::path& folder, Depth depth = Depth::one);
  std::string take(const std::string& stem);      // its path; "" where there is none. It is no longer left over
  void report_rest(CorpusBuilder& corpus) const;  // those never taken, as audio without text

 private:
  std::unordered_map<std::string, std::string> files_;
  std::unordered_set<std::string> taken_;
};

void read_librispeech(const fs::path& path, CorpusBuilder& corpus);
void read_common_voice(const fs::path& path, CorpusBuilder& corpus);
void read_lj_speech(const fs::path& path, CorpusBuilder& corpus);
void read_kaldi(const fs::path& path, CorpusBuilder& corpus);
void read_jsonl(const fs::path& path, CorpusBuilder& corpus);
void read_festvox(const fs::path& path, CorpusBuilder& corpus);
void read_table(const fs::path& path, CorpusBuilder& corpus);
void read_folders(const fs::path& path, CorpusBuilder& corpus);

// Where the parts of a corpus lie; empty where they do not.
fs::path festvox_prompts(const fs::path& path);   // txt.done.data of a file or directory
bool has_transcripts(const fs::path& directory);  // *.trans.txt somewhere below

}  // namespace thaw
