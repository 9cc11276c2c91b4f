// Log mel energies of many frames at once, a frame in each SIMD lane. Compiled once for each instruction set (plain x86-64,
// AVX2, AVX-512) and chosen when the program runs. From samples to log mel a frame of 400 takes 0.15 us like this on AVX-512; kissfft
// (what Debian has beside the GPL's FFTW) takes 2 for its transform alone, since one frame has short, odd-sized loops.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thaw::audio {

constexpr std::size_t most_lanes = 16;

// All of it is read-only; MelSpectrum owns what it points to.
struct SpectrumPlan {
  std::int32_t fft_size = 0;              // even; its half is a product of 2, 3, 4 and 5
  std::int32_t window_size = 0;           // at most fft_size; the frame is zero from there on
  const float* window = nullptr;          // [window_size, rounded up to most_lanes], zeros at the end
  const std::int32_t* radices = nullptr;  // of the passes over fft_size / 2 complex points
  std::int32_t passes = 0;
  const float* twiddles = nullptr;        // pass by pass: cos, sin of -2 pi p j / n for p < n / radix, 0 < j < radix
  const float* split_twiddles = nullptr;  // cos, sin of -2 pi k / fft_size, k <= fft_size / 4
  std::int32_t mels = 0;
  const std::int32_t* mel_first = nullptr;  // [mels] first bin that a filter weighs
  const std::int32_t* mel_begin = nullptr;  // [mels + 1] where its weights lie in mel_weights
  const float* mel_weights = nullptr;
  float floor = 0;      // energies below it count as it
  float log_scale = 1;  // 1: natural logarithm, 1 / ln 10: decimal
};

struct SpectrumKernel {
  const char* name;
  std::int32_t lanes;  // frames at once
  // Frame i starts at samples[i * stride], `frames` <= lanes of them; each is read up to window_size rounded up to `lanes`.
  // out: [frames, mels]. scratch: scratch_floats(plan), aligned to 64 bytes.
  void (*log_mel)(const SpectrumPlan& plan, const float* samples, std::ptrdiff_t stride, std::int32_t frames, float* out, float* scratch);
};

// Two buffers of complex points (or one of energies), and what whole blocks of a window need beyond them.
constexpr std::size_t scratch_floats(const SpectrumPlan& plan) {
  return 2 * (static_cast<std::size_t>(plan.fft_size) + most_lanes + 2) * most_lanes;
}

const SpectrumKernel& spectrum_kernel();  // the fastest that this processor runs; THAW_ISA=base|avx2|avx512 overrides
const SpectrumKernel& spectrum_kernel_base();
const SpectrumKernel& spectrum_kernel_avx2();
const SpectrumKernel& spectrum_kernel_avx512();

}  // namespace thaw::audio
