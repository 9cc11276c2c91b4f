// Corpora of speech as the source of shards. A rank lists all utterances, and hears those of its own shards alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/shards/row_source.h"
#include "datasets/shards/shard.h"
#include "datasets/speech/listener.h"
#include "datasets/speech/report.h"
#include "datasets/speech/text_rules.h"

namespace thaw {

// What turns samples (16,000 Hz, mono, [-1, 1]) into [frames, width].
struct FeatureFunction {
  std::uint32_t width = 0;
  std::string name;  // of the function and all its settings: other shards where it differs
  std::function<std::vector<float>(std::span<const float>)> of;
};

struct SpeechOptions {
  CorpusOptions corpus;  // need_text, need_label and with_split follow from the rows that are wanted
  SpeechLimits limits;   // min_s and max_s are the corpus's as well
  TextRules rules;       // applied to every text before it is encoded and stored
  AudioCodec audio = AudioCodec::i16;
  FeatureFunction features;  // for AudioCodec::features
  BadLimit bad;
  // What of a text, characters or words, the vocabulary cannot spell, each once; empty: it can spell whatever there is.
  std::function<std::vector<std::string>(std::string_view)> unspellable;
};

class SpeechRows final : public RowSource {
 public:
  // The options must outlive it. `shard.read` gives the kind of labels, their names and separator, and whether there is a split
  // column; `with_ids`: rows are encoded, so that they need text.
  SpeechRows(const std::vector<fs::path>& paths, const SpeechOptions& speech, const ShardOptions& shard, bool with_ids);

  ShardIndex describe() const override;
  Scan scan() override;
  std::string identity() const override;
  std::string times_of_files() const override;
  std::string identity_of_files() const override;  // sizes of all audio files
  void rewind() override { corpus_ = next_ = 0; }
  bool next(Row& row) override;
  std::optional<LeftOut> complete(Row& row) override;
  void judge(const std::vector<ShardIndex>& directories) const override;

 private:
  std::string take_labels(const Utterance& utterance, Row& row) const;  // what is wrong with them; "" where nothing is
  void check_labels(Corpus& corpus);
  template <typename Of>
  std::string hash_of_files(const Of& of) const;
  std::optional<LeftOut> complete_text(Row& row) const;
  void store(Row& row, const Listener::Heard& heard) const;
  LeftOut left_out(Fault fault, const std::string& detail) const;  // of the current utterance
  void check_bad(const std::string& where) const;

  const SpeechOptions& speech_;
  const ShardOptions& shard_;
  bool with_ids_;
  Listener listener_;
  std::vector<Corpus> corpora_;
  bool weights_ = false, groups_ = false, languages_ = false;
  std::uint64_t listed_bad_ = 0, utterances_ = 0;
  std::vector<LeftOut> bad_;           // that this rank has heard
  std::size_t corpus_ = 0, next_ = 0;  // the row after the current one
};

// What became of the corpora, from the finished indexes.
SpeechReport report_of(const std::vector<ShardIndex>& directories, double took_s);

// From corpora to directories of shards; `encoder` may be null where labels alone are learnt. See write_shards.
ShardReport write_speech_shards(const std::vector<fs::path>& corpora, const fs::path& out, const RowEncoder* encoder,
                                const SpeechOptions& speech, const ShardOptions& options, const ShardRanks& ranks = {},
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

}  // namespace thaw
