#include "datasets/audio/spectrum/mel_spectrum.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <numbers>

#include "framework/base/error.h"

namespace thaw::audio {
namespace {

struct Aligned {
  void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
};

std::unique_ptr<float[], Aligned> aligned_floats(std::size_t count) {
  return std::unique_ptr<float[], Aligned>(new (std::align_val_t{64}) float[count]);
}

void push_turn(std::vector<float>& out, double turns) {
  out.push_back(static_cast<float>(std::cos(2 * std::numbers::pi * turns)));
  out.push_back(static_cast<float>(-std::sin(2 * std::numbers::pi * turns)));
}

}  // namespace

MelSpectrum::MelSpectrum(int fft_size, std::span<const float> window, MelFilters filters, float floor, float log_scale)
    : filters_(std::move(filters)),
      window_(window.begin(), window.end()),
      fft_size_(fft_size),
      window_size_(static_cast<std::int32_t>(window.size())),
      floor_(floor),
      log_scale_(log_scale) {
  if (window_size_ > fft_size_)
    throw ModelError("an FFT of {} points: expected no less than the window's {} samples", fft_size, window_size_);
  window_.resize((window_.size() + most_lanes - 1) / most_lanes * most_lanes, 0.0f);
  factorize(fft_size);
}

void MelSpectrum::factorize(int fft_size) {
  int left = fft_size % 2 == 0 ? fft_size / 2 : 0;
  for (const int radix : {5, 4, 3, 2}) {
    for (; left > 1 && left % radix == 0; left /= radix) {
      const int count = left / radix;
      for (int p = 0; p < count; ++p)
        for (int j = 1; j < radix; ++j) push_turn(twiddles_, static_cast<double>(p) * j / left);
      radices_.push_back(radix);
    }
  }
  if (left != 1)
    throw ModelError("an FFT of {} points: expected an even number without prime factors above 5, such as 400 or 512", fft_size);
  for (int k = 0; k <= fft_size / 4; ++k) push_turn(split_twiddles_, static_cast<double>(k) / fft_size);
}

void MelSpectrum::run(const SpectrumKernel& kernel, const float* samples, std::ptrdiff_t stride, std::int64_t frames, float* out) const {
  SpectrumPlan plan;
  plan.fft_size = fft_size_;
  plan.window_size = window_size_;
  plan.window = window_.data();
  plan.radices = radices_.data();
  plan.passes = static_cast<std::int32_t>(radices_.size());
  plan.twiddles = twiddles_.data();
  plan.split_twiddles = split_twiddles_.data();
  plan.mels = filters_.mels();
  plan.mel_first = filters_.first.data();
  plan.mel_begin = filters_.begin.data();
  plan.mel_weights = filters_.weights.data();
  plan.floor = floor_;
  plan.log_scale = log_scale_;
  const auto scratch = aligned_floats(scratch_floats(plan));
  for (std::int64_t done = 0; done < frames; done += kernel.lanes) {
    const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(kernel.lanes, frames - done));
    kernel.log_mel(plan, samples + done * stride, stride, count, out + done * plan.mels, scratch.get());
  }
}

}  // namespace thaw::audio
