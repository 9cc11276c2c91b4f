// Corpora of speech: whatever published corpora and toolkits write, read into a list of utterances.
// Nothing is decoded here. What cannot be an utterance is listed in `left_out`, with file and line; a file that is not what it
// is said to be is a DataError "FILE:LINE: …" with the remedy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/shards/left_out.h"
#include "datasets/speech/utterance.h"

namespace thaw {

enum class CorpusFormat {
  automatic,     // by looking: the format's own files, a header's columns, a first line's keys
  librispeech,   // a tree of SPEAKER-CHAPTER.trans.txt beside SPEAKER-CHAPTER-NNNN.flac
  common_voice,  // TSV with client_id, path, sentence, beside clips/; of a directory train, dev and test, each a split
  lj_speech,     // metadata.csv, id|raw|normalised, beside wavs/
  kaldi,         // a directory with wav.scp and, where they are there, segments, text, utt2spk, utt2lang, utt2dur
  jsonl,         // an object a line: NeMo's manifests (audio_filepath, duration, text, offset), ESPnet's and others' keys
  festvox,       // etc/txt.done.data, ( id "text" ), beside wav/
  table,         // TSV or CSV with a header, or columns by number
  folders        // CLASS/file.wav, or names that a pattern takes apart
};
inline const std::vector<std::pair<const char*, CorpusFormat>> corpus_formats{{"auto", CorpusFormat::automatic},
                                                                              {"librispeech", CorpusFormat::librispeech},
                                                                              {"common_voice", CorpusFormat::common_voice},
                                                                              {"lj_speech", CorpusFormat::lj_speech},
                                                                              {"kaldi", CorpusFormat::kaldi},
                                                                              {"jsonl", CorpusFormat::jsonl},
                                                                              {"festvox", CorpusFormat::festvox},
                                                                              {"table", CorpusFormat::table},
                                                                              {"folders", CorpusFormat::folders}};
const char* name_of(CorpusFormat format);

// What is wrong with a row, or with audio.
enum class Fault {
  unreadable,          // audio that cannot be decoded, or a command that fails
  empty,               // audio without a sample
  silent,              // audio that never rises above SpeechLimits::silence
  clipped,             // more samples at full scale than SpeechLimits::clipped_share
  too_short,           // by the filter
  too_long,            // by the filter
  text_without_audio,  // the file is not there
  audio_without_text,  // a recording that no line speaks of, or a line without text
  unspellable,         // text that the vocabulary cannot spell
  header_lies,         // a header that promises other audio than the file holds, or a rate or channels that cannot be
  wrong_duration,      // a duration or segment that the audio does not bear out
  bad_row,             // a line that cannot be read
  duplicate_id         // an id that stood there before
};
inline constexpr std::size_t faults = static_cast<std::size_t>(Fault::duplicate_id) + 1;
const char* name_of(Fault fault);         // "unreadable", …
bool is_filter(std::string_view reason);  // left out by wish, which is no fault of the corpus

struct CorpusOptions {
  CorpusFormat format = CorpusFormat::automatic;
  // Columns or keys by use: audio, text, id, speaker, language, group, label, split, weight, duration, begin, end. What is not
  // named is looked for under the field's usual names. In lj_speech text may be "raw". In a table, numbers from 0
  // for all mean that there is no header; rows may then have more cells than are numbered.
  std::map<std::string, std::string> columns;
  char delimiter = 0;  // of a table; 0: a tab for TSV, a comma for CSV
  // How names say what is in the files: "{label}_{speaker}_{take}", of the name without its ending or, with a slash, of the path
  // below the corpus. label, speaker, language, group, split, id and text are kept. Empty: the folder is the label.
  std::string pattern;
  std::string audio_root;         // where relative paths of a table or of JSONL begin; empty: where the file lies
  bool allow_pipes = false;       // wav.scp may run commands, as the user who shards; else such a line is refused
  bool with_split = false;        // a column "split" is looked for too
  bool need_text = true;          // an utterance without text is left out; false where labels are what is learnt
  bool need_label = false;        // a manifest without a column or key for labels is refused
  std::string language, speaker;  // of utterances whose corpus does not say
  double min_s = 0, max_s = 0;    // as durations that are known before decoding allow; 0: no limit
};

struct Corpus {
  std::string path;  // as it was typed
  CorpusFormat format = CorpusFormat::automatic;
  std::vector<std::string> files;     // that utterances stand in
  std::vector<Utterance> utterances;  // in the files' order; folders sorted by name
  std::vector<LeftOut> left_out;
  std::vector<std::string> notes;  // what people should know
  std::uint64_t repaired = 0;      // lines with bytes that were not UTF-8

  std::string where(const Utterance& utterance) const;  // FILE:LINE, or the audio's path
  // What is wrong with an utterance, behind the name of its audio (its path below the corpus, or its command) where neither
  // `detail` nor `where` says it.
  std::string about(const Utterance& utterance, const std::string& detail) const;
  // XXH3 of all that the utterances say, with paths as they are below the corpus: equal for copies elsewhere.
  std::string fingerprint() const;
};

// DataError (66 where there is nothing at `path`), also where `automatic` finds no format that it knows, or a file where a
// directory belongs.
Corpus read_corpus(const fs::path& path, const CorpusOptions& options = {});
CorpusFormat look_at_corpus(const fs::path& path, const CorpusOptions& options = {});

}  // namespace thaw
