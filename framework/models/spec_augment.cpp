#include "framework/models/spec_augment.h"

#include <algorithm>

#include "framework/base/random.h"

namespace thaw {
namespace {

std::int64_t spans_of(const SpanMask& mask, std::int64_t length, double rounding) {
  const auto wanted = static_cast<std::int64_t>(mask.share * static_cast<double>(length) / static_cast<double>(mask.length) + rounding);
  const std::int64_t fit = std::min(length / mask.length, std::max<std::int64_t>(0, length - (mask.length - 1)));
  return std::min(std::max(wanted, mask.least), fit);
}

}  // namespace

at::Tensor masked_spans(const SpanMask& mask, const std::vector<std::int64_t>& cu_seqlens, const RandomSite& site) {
  at::Tensor masked = at::zeros({cu_seqlens.back()}, at::kBool);
  bool* const out = masked.data_ptr<bool>();
  for (std::size_t row = 0; site.p > 0 && row + 1 < cu_seqlens.size(); ++row) {
    const std::uint64_t key = random_key(site.key, site.first_token + static_cast<std::int64_t>(row));
    const std::int64_t length = cu_seqlens[row + 1] - cu_seqlens[row];
    const std::int64_t spans = spans_of(mask, length, philox(key, 0)[0] / 4294967296.0);
    if (spans == 0) continue;
    const Permutation places(key, static_cast<std::uint64_t>(length - mask.length + 1));
    for (std::int64_t span = 0; span < spans; ++span)
      std::fill_n(out + cu_seqlens[row] + static_cast<std::int64_t>(places(static_cast<std::uint64_t>(span))), mask.length, true);
  }
  return masked;
}

}  // namespace thaw
