// Speech recognition by CTC: characters, frame by frame.
#pragma once

#include <memory>

#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/tasks/ctc.h"
#include "framework/train/objectives/heard.h"

namespace thaw {

// The loss is that of all labels, divided by their number: the sums over the whole step, as fairseq counts it. (transformers'
// ctc_loss_reduction: mean divides each row's by its own labels, and takes the mean of rows.)
class Ctc final : public Recognition {
 public:
  struct Options {
    // Of a model that hears windows, Whisper: how many of a row's frames are not padding, of so many samples; else null.
    std::function<std::int64_t(std::int64_t samples)> frames = nullptr;
    std::shared_ptr<const Inputs> inputs = nullptr;  // how fast a row of a training pass is heard; null: as it was recorded
  };
  Ctc(std::shared_ptr<const CtcVocabulary> vocabulary, HeardOptions heard, Options options)
      : Recognition(std::move(heard)),
        vocabulary_(std::move(vocabulary)),
        options_(std::move(options)),
        loss_{vocabulary_->blank(), /*zero_infinity=*/true} {}

  HeadSpec head() const override;
  Targets targets(const std::vector<RowOfSet>& rows, Context& context) const override;
  at::Tensor loss(const Packed& output, const Targets& targets) const override;
  double share(const DataSet& set, std::uint64_t row) const override;
  std::string words() const override;

 private:
  Hear hear(const Evaluation& evaluation) const override;
  std::vector<std::int64_t> labels_in(const at::Tensor& frames) const;  // logits [frames, vocabulary]

  std::shared_ptr<const CtcVocabulary> vocabulary_;
  Options options_;
  CtcLoss loss_;
};

}  // namespace thaw
