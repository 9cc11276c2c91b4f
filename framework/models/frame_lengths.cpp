#include "framework/models/frame_lengths.h"

#include "framework/models/config_checks.h"

namespace thaw {

FrameLengths frame_lengths(const JsonView& json) {
  constexpr std::int64_t most_samples_a_frame = 1'000'000, whisper_frame = 320;  // 10 ms a step of its log-mel, of which one frame has two
  if (json.text_or("model_type", "") == "whisper") return {{whisper_frame}, {whisper_frame}};
  FrameLengths lengths{positive_list(json, "conv_kernel", {10, 3, 3, 3, 3, 2, 2}),
                       positive_list(json, "conv_stride", {5, 2, 2, 2, 2, 2, 2})};
  if (lengths.strides.size() != lengths.kernels.size())
    json["conv_stride"].fail(fmt::format("{} numbers, as conv_kernel has", lengths.kernels.size()));
  std::int64_t samples = 1;  // a frame
  for (const std::int64_t stride : lengths.strides)
    if ((samples *= stride) > most_samples_a_frame) json["conv_stride"].fail("strides whose product is at most 1,000,000");
  return lengths;
}

std::int64_t FrameLengths::frames_of(std::int64_t samples) const {
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    if (samples < kernels[i]) return 0;
    samples = (samples - kernels[i]) / strides[i] + 1;
  }
  return samples;
}

std::int64_t FrameLengths::samples_needed(std::int64_t frames) const {
  for (std::size_t i = kernels.size(); i-- > 0;) frames = (frames - 1) * strides[i] + kernels[i];
  return frames;
}

}  // namespace thaw
