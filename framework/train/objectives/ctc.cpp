#include "framework/train/objectives/ctc.h"

#include "framework/tasks/ctc_decode.h"
#include "framework/train/evaluator.h"

namespace thaw {

HeadSpec Ctc::head() const { return {.outputs = static_cast<std::int64_t>(vocabulary_->vocabulary_size()), .kind = Head::ctc}; }

Targets Ctc::targets(const std::vector<RowOfSet>& rows, Context&) const {
  std::vector<std::int64_t> labels;
  Targets targets{{}, weights_of(rows), {0}};
  for (const RowOfSet& row : rows) {
    const auto ids = (*row.set->transcripts)[row.row];
    labels.insert(labels.end(), ids.begin(), ids.end());
    targets.cu_seqlens.push_back(static_cast<std::int64_t>(labels.size()));
  }
  targets.labels = at::tensor(labels, at::kLong);
  return targets;
}

at::Tensor Ctc::loss(const Packed& output, const Targets& targets) const { return loss_.sum(output.values, output.cu_seqlens, targets); }

double Ctc::share(const DataSet& set, std::uint64_t row) const {
  return static_cast<double>(set.weight(row)) * static_cast<double>((*set.transcripts)[row].size());
}

std::optional<Metrics> Ctc::measure(const DataSet& set, const Evaluation& evaluation) const {
  return measure_heard(set, evaluation, [&](const std::vector<RowOfSet>& batch) {
    Context context;
    const Targets expected = targets(batch, context);
    const Packed output = run_batch(evaluation, batch);
    const at::Tensor losses = loss_.by_row(output.values, output.cu_seqlens, expected) * expected.weights;
    std::vector<HeardRow> heard;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const at::Tensor frames = output.values.slice(0, output.cu_seqlens[i], output.cu_seqlens[i + 1]);
      heard.push_back({losses[static_cast<std::int64_t>(i)].item<double>(),
                       vocabulary_->decode_labels(ctc_greedy(frames, vocabulary_->blank()).ids, /*collapse=*/false)});
    }
    return heard;
  });
}

std::string Ctc::words() const { return fmt::format("automatic-speech-recognition, CTC: {} characters", vocabulary_->vocabulary_size()); }

}  // namespace thaw
