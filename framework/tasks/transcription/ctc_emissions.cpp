#include "framework/tasks/transcription/ctc_emissions.h"

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"

namespace thaw {
namespace {

std::int64_t end_of(const CtcEmissions& heard) { return heard.first_frame + heard.log_probs.size(0); }

// Appends a window to the one before it, where they overlap; what both have is cut in its middle.
CtcEmissions joined(const CtcEmissions& before, const CtcEmissions& after) {
  const std::int64_t cut = std::max(after.first_frame, (after.first_frame + std::min(end_of(before), end_of(after))) / 2);
  return {before.first_frame,
          at::cat({before.log_probs.slice(0, 0, cut - before.first_frame), after.log_probs.slice(0, cut - after.first_frame)})};
}

}  // namespace

std::vector<CtcEmissions> ctc_emissions(const CtcAcousticModel& model, std::span<const float> samples,
                                        const std::vector<TimeSpan>& windows) {
  const std::int64_t step = model.samples_a_frame(), size = static_cast<std::int64_t>(samples.size());
  const auto sample_at = [&](double seconds) { return std::clamp<std::int64_t>(std::llround(seconds * model.sample_rate), 0, size); };
  std::vector<CtcEmissions> heard;
  double before = 0;
  for (const TimeSpan& window : windows) {
    if (!(window.begin_s >= before && window.end_s >= window.begin_s))
      throw DataError("windows: expected ascending ones, found {} to {} s after one that begins at {} s", window.begin_s, window.end_s,
                      before);
    before = window.begin_s;
    const std::int64_t first_frame = sample_at(window.begin_s) / step, begin = first_frame * step;
    const std::int64_t count = sample_at(window.end_s) - begin;
    if (model.lengths.frames_of(count) == 0) continue;
    CtcEmissions one{first_frame, model.log_probs(samples.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)))};
    if (!heard.empty() && one.first_frame < end_of(heard.back())) heard.back() = joined(heard.back(), one);
    else heard.push_back(std::move(one));
  }
  return heard;
}

}  // namespace thaw
