#include "framework/tasks/ctc.h"

#include <algorithm>

namespace thaw {
namespace {

std::vector<std::int64_t> lengths_of(const std::vector<std::int64_t>& cu_seqlens) {
  std::vector<std::int64_t> lengths;
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) lengths.push_back(cu_seqlens[row + 1] - cu_seqlens[row]);
  return lengths;
}

// The frame of `cu_seqlens` that stands at each place of [longest, rows]; a short row's last one, or any, where it has ended.
at::Tensor padded_places(const std::vector<std::int64_t>& cu_seqlens, const std::vector<std::int64_t>& lengths, std::int64_t longest) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  at::Tensor places = at::empty({longest, rows}, at::kLong);
  auto* const values = places.data_ptr<std::int64_t>();
  for (std::int64_t t = 0; t < longest; ++t)
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto r = static_cast<std::size_t>(row);
      values[t * rows + row] = std::max<std::int64_t>(0, cu_seqlens[r] + std::min(t, lengths[r] - 1));
    }
  return places.view({-1});
}

}  // namespace

at::Tensor CtcLoss::by_row(const at::Tensor& logits, const std::vector<std::int64_t>& cu_seqlens, const Targets& targets) const {
  const std::vector<std::int64_t> labels = lengths_of(targets.cu_seqlens);
  std::vector<std::int64_t> frames = lengths_of(cu_seqlens);
  for (std::size_t row = 0; row < targets.frames.size(); ++row) frames[row] = std::min(frames[row], targets.frames[row]);
  const auto rows = static_cast<std::int64_t>(frames.size());
  if (rows == 0) return logits.narrow(0, 0, 0).to(at::kFloat).sum(1);
  const std::int64_t longest = *std::max_element(frames.begin(), frames.end());
  const at::Tensor log_probs = at::log_softmax(logits, 1, at::kFloat);
  const at::Tensor padded = log_probs.index_select(0, padded_places(cu_seqlens, frames, longest).to(logits.device()));
  return at::ctc_loss(padded.view({longest, rows, logits.size(1)}), targets.labels.to(logits.device()), frames, labels, blank,
                      at::Reduction::None, zero_infinity);
}

at::Tensor CtcLoss::sum(const at::Tensor& logits, const std::vector<std::int64_t>& cu_seqlens, const Targets& targets) const {
  return (by_row(logits, cu_seqlens, targets) * targets.weights).sum();
}

std::int64_t ctc_frames_needed(std::span<const std::int64_t> ids) {
  auto frames = static_cast<std::int64_t>(ids.size());
  for (std::size_t i = 1; i < ids.size(); ++i) frames += ids[i] == ids[i - 1] ? 1 : 0;
  return frames;
}

}  // namespace thaw
