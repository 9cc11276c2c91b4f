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
  Ctc(std::shared_ptr<const CtcVocabulary> vocabulary, HeardOptions options)
      : Recognition(std::move(options)), vocabulary_(std::move(vocabulary)), loss_{vocabulary_->blank(), /*zero_infinity=*/true} {}

  HeadSpec head() const override;
  Targets targets(const std::vector<RowOfSet>& rows, Context& context) const override;
  at::Tensor loss(const Packed& output, const Targets& targets) const override;
  double share(const DataSet& set, std::uint64_t row) const override;
  std::optional<Metrics> measure(const DataSet& set, const Evaluation& evaluation) const override;
  std::string words() const override;

 private:
  std::shared_ptr<const CtcVocabulary> vocabulary_;
  CtcLoss loss_;
};

}  // namespace thaw
