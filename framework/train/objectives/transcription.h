// Speech recognition by Whisper: the next token of a transcript, given the audio and what was said so far.
#pragma once

#include <memory>

#include "datasets/tokenizers/whisper_tokens.h"
#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"
#include "framework/train/objectives/heard.h"

namespace thaw {

// A row is taught as Whisper writes it: <|startoftranscript|>, of a multilingual model language and task, then either
// <|notimestamps|> and the text, or the text between the times at which it begins and ends, and <|endoftext|>. The loss is the mean over
// text, the time of the end and <|endoftext|>; what decoding is told (language, task, whether times are wanted) is not learnt.
class WhisperTranscription final : public Recognition {
 public:
  struct Options {
    std::string language;     // of rows whose shards do not say; of a multilingual model
    bool translate = false;   // into English
    double timestamps = 0.5;  // share of rows with times: by the row alone, the same ones in every epoch
    std::uint64_t seed = 0;   // of that choice
    double label_smoothing = 0;
    std::int64_t max_tokens = 448;  // that the decoder takes; of longer transcripts the end is cut off
    HeardOptions heard;
    std::shared_ptr<const Inputs> inputs = nullptr;  // how fast a row of a training pass is heard; null: as it was recorded
  };
  WhisperTranscription(std::shared_ptr<const WhisperTokens> tokens, Options options);

  HeadSpec head() const override { return {.kind = Head::language}; }
  Targets targets(const std::vector<RowOfSet>& rows, Context& context) const override;
  std::int64_t decoder_length(const DataSet& set, std::uint64_t row) const override;
  at::Tensor loss(const Packed& output, const Targets& targets) const override;
  double share(const DataSet& set, std::uint64_t row) const override;
  std::optional<Metrics> measure(const DataSet& set, const Evaluation& evaluation) const override;
  std::string words() const override;

 private:
  bool with_times(const DataSet& set, std::uint64_t row) const;
  std::string language_of(const DataSet& set, std::uint64_t row) const;       // its code
  WhisperTokens::Ids prompt_of(const DataSet& set, std::uint64_t row) const;  // what decoding is told
  std::size_t text_length(const DataSet& set, std::uint64_t row) const;       // tokens that are kept of it
  at::Tensor by_token(const Packed& output, const Targets& targets) const;    // weighted losses, fp32 [tokens]
  std::vector<std::string> decode(const std::vector<RowOfSet>& rows, const Packed& memory, SpeechDecoder& decoder) const;

  std::shared_ptr<const WhisperTokens> tokens_;
  WhisperVocabulary vocabulary_;
  Options options_;
};

}  // namespace thaw
