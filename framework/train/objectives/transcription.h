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
    std::int64_t max_tokens = 448;                   // that the decoder takes; of longer transcripts the end is cut off
    std::shared_ptr<const Inputs> inputs = nullptr;  // how fast a row of a training pass is heard; null: as it was recorded
  };
  // RecipeError for a language that the model does not know.
  WhisperTranscription(std::shared_ptr<const WhisperTokens> tokens, HeardOptions heard, Options options);

  HeadSpec head() const override { return {.kind = Head::language}; }
  Targets targets(const std::vector<RowOfSet>& rows, Context& context) const override;
  std::int64_t decoder_length(const DataSet& set, std::uint64_t row) const override;
  at::Tensor loss(const Packed& output, const Targets& targets) const override;
  double share(const DataSet& set, std::uint64_t row) const override;
  std::string words() const override;
  // DataError where rows have no language that the model knows. What else is to be said of a set before it is learnt from: rows whose
  // transcripts are too long for the decoder. "" where nothing is.
  std::string check(const DataSet& set) const;

 private:
  Hear hear(const Evaluation& evaluation) const override;
  bool with_times(const DataSet& set, std::uint64_t row) const;
  bool knows(const std::string& language) const;
  std::string language_in(const DataSet& set, std::uint64_t row) const;       // as the shards or the recipe say it
  std::string language_of(const DataSet& set, std::uint64_t row) const;       // its code; of a set that `check` has passed
  WhisperTokens::Ids prompt_of(const DataSet& set, std::uint64_t row) const;  // what decoding is told
  std::size_t text_length(const DataSet& set, std::uint64_t row) const;       // tokens that are kept of it
  at::Tensor by_token(const Packed& output, const Targets& targets) const;    // weighted losses, fp32 [tokens]
  std::vector<std::string> decode(const std::vector<RowOfSet>& rows, const Packed& memory, SpeechDecoder& decoder) const;

  std::shared_ptr<const WhisperTokens> tokens_;
  WhisperVocabulary vocabulary_;
  Options options_;
};

}  // namespace thaw
