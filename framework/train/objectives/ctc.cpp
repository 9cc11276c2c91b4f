#include "framework/train/objectives/ctc.h"

#include <algorithm>
#include <cmath>

#include "framework/tasks/ctc_decode.h"
#include "framework/train/evaluator.h"
#include "framework/train/inputs/audio_inputs.h"

namespace thaw {

HeadSpec Ctc::head() const { return {.outputs = static_cast<std::int64_t>(vocabulary_->vocabulary_size()), .kind = Head::ctc}; }

Targets Ctc::targets(const std::vector<RowOfSet>& rows, Context& context) const {
  std::vector<std::int64_t> labels;
  Targets targets{{}, weights_of(rows), {0}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto ids = (*rows[i].set->transcripts)[rows[i].row];
    labels.insert(labels.end(), ids.begin(), ids.end());
    targets.cu_seqlens.push_back(static_cast<std::int64_t>(labels.size()));
    if (!options_.frames) continue;
    const double speed = options_.inputs == nullptr ? 1 : options_.inputs->speed(rows[i], context, i);
    targets.frames.push_back(options_.frames(std::lround(static_cast<double>(samples_in(rows[i].shards(), rows[i].row)) / speed)));
  }
  targets.labels = at::tensor(labels, at::kLong);
  return targets;
}

at::Tensor Ctc::loss(const Packed& output, const Targets& targets) const { return loss_.sum(output.values, output.cu_seqlens, targets); }

double Ctc::share(const DataSet& set, std::uint64_t row) const {
  return static_cast<double>(set.weight(row)) * static_cast<double>((*set.transcripts)[row].size());
}

std::vector<std::int64_t> Ctc::labels_in(const at::Tensor& frames) const {
  const std::int64_t beams = heard().beams;
  if (beams == 0) return ctc_greedy(frames, vocabulary_->blank()).ids;
  return ctc_beam_search(at::log_softmax(frames, 1, at::kFloat), {vocabulary_->blank(), static_cast<std::size_t>(beams)}).front().ids;
}

Recognition::Hear Ctc::hear(const Evaluation& evaluation) const {
  return [this, &evaluation](const std::vector<RowOfSet>& batch) {
    Context context;
    const Targets expected = targets(batch, context);
    const Packed output = run_batch(evaluation, batch);
    const at::Tensor losses = loss_.by_row(output.values, output.cu_seqlens, expected) * expected.weights;
    std::vector<HeardRow> heard;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::int64_t end = expected.frames.empty() ? output.cu_seqlens[i + 1]
                                                       : std::min(output.cu_seqlens[i + 1], output.cu_seqlens[i] + expected.frames[i]);
      const at::Tensor frames = output.values.slice(0, output.cu_seqlens[i], end);
      heard.push_back(
          {losses[static_cast<std::int64_t>(i)].item<double>(), vocabulary_->decode_labels(labels_in(frames), /*collapse=*/false)});
    }
    return heard;
  };
}

std::string Ctc::words() const { return fmt::format("automatic-speech-recognition, CTC: {} characters", vocabulary_->vocabulary_size()); }

}  // namespace thaw
