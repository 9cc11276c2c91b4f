// The passes of one tile of frames: window and transposition, complex FFT of half the size (Stockham's, decimation in
// frequency), the real spectrum out of it, mel energies, logarithm.
#include "datasets/audio/spectrum/kernels.h"

#include "datasets/audio/spectrum/lanes.h"

namespace thaw::audio {
namespace {

// Samples n of all frames: vector n. Even samples are real parts of the complex points, odd ones imaginary parts.
void load_windowed(const SpectrumPlan& plan, const float* samples, std::ptrdiff_t stride, int frames, vec* out) {
  int n = 0;
  for (; n < plan.window_size; n += lanes) {
    const vec window = *reinterpret_cast<const loose_vec*>(plan.window + n);
    vec rows[lanes];
#pragma GCC unroll 16
    for (int lane = 0; lane < lanes; ++lane) {
      const float* const frame = samples + (lane < frames ? lane : frames - 1) * stride;
      rows[lane] = *reinterpret_cast<const loose_vec*>(frame + n) * window;
    }
    transpose(rows);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) out[n + i] = rows[i];
  }
  for (; n < plan.fft_size; ++n) out[n] = vec{};
}

template <int radix>
struct Butterfly;

template <>
struct Butterfly<2> {
  static void run(complex_vec (&x)[2]) {
    const complex_vec sum = x[0] + x[1];
    x[1] = x[0] - x[1];
    x[0] = sum;
  }
};

template <>
struct Butterfly<3> {
  static void run(complex_vec (&x)[3]) {
    constexpr float sine = 0.86602540378443864676f;  // of pi / 3
    const complex_vec sum = x[1] + x[2], difference = times_minus_i(x[1] - x[2]);
    const complex_vec middle = {x[0].re - sum.re * 0.5f, x[0].im - sum.im * 0.5f};
    const complex_vec turned = {difference.re * sine, difference.im * sine};
    x[0] = x[0] + sum;
    x[1] = middle + turned;
    x[2] = middle - turned;
  }
};

template <>
struct Butterfly<4> {
  static void run(complex_vec (&x)[4]) {
    const complex_vec a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = times_minus_i(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b + d;
    x[2] = a - c;
    x[3] = b - d;
  }
};

template <>
struct Butterfly<5> {
  static void run(complex_vec (&x)[5]) {
    constexpr float c1 = 0.30901699437494742410f, c2 = -0.80901699437494742410f;  // cosines of 2 pi / 5 and 4 pi / 5
    constexpr float s1 = 0.95105651629515357212f, s2 = 0.58778525229247312917f;   // their sines
    const complex_vec a = x[1] + x[4], b = x[2] + x[3];
    const complex_vec c = times_minus_i(x[1] - x[4]), d = times_minus_i(x[2] - x[3]);
    const complex_vec e = {x[0].re + a.re * c1 + b.re * c2, x[0].im + a.im * c1 + b.im * c2};
    const complex_vec f = {x[0].re + a.re * c2 + b.re * c1, x[0].im + a.im * c2 + b.im * c1};
    const complex_vec g = {c.re * s1 + d.re * s2, c.im * s1 + d.im * s2};
    const complex_vec h = {c.re * s2 - d.re * s1, c.im * s2 - d.im * s1};
    x[0] = x[0] + a + b;
    x[1] = e + g;
    x[2] = f + h;
    x[3] = f - h;
    x[4] = e - g;
  }
};

// One pass: `count` = points / radix groups remain to be separated, `stride` transforms already are.
template <int radix>
void pass(const complex_vec* in, complex_vec* out, int count, int stride, const float* twiddles) {
  for (int p = 0; p < count; ++p, twiddles += 2 * (radix - 1)) {
    for (int q = 0; q < stride; ++q) {
      complex_vec x[radix];
#pragma GCC unroll 5
      for (int j = 0; j < radix; ++j) x[j] = in[q + stride * (p + count * j)];
      Butterfly<radix>::run(x);
      complex_vec* const to = out + q + stride * radix * p;
      to[0] = x[0];
#pragma GCC unroll 5
      for (int j = 1; j < radix; ++j) to[stride * j] = times(x[j], twiddles[2 * j - 2], twiddles[2 * j - 1]);
    }
  }
}

// The result lies in `a` or `b`.
complex_vec* complex_fft(const SpectrumPlan& plan, complex_vec* a, complex_vec* b) {
  const float* twiddles = plan.twiddles;
  for (int i = 0, count = plan.fft_size / 2, stride = 1; i < plan.passes; ++i) {
    const int radix = plan.radices[i];
    count /= radix;
    switch (radix) {
      case 2: pass<2>(a, b, count, stride, twiddles); break;
      case 3: pass<3>(a, b, count, stride, twiddles); break;
      case 4: pass<4>(a, b, count, stride, twiddles); break;
      default: pass<5>(a, b, count, stride, twiddles); break;
    }
    twiddles += 2 * count * (radix - 1);
    stride *= radix;
    complex_vec* const swapped = a;
    a = b;
    b = swapped;
  }
  return a;
}

// z: the transform of even samples + i · odd ones; out: [fft_size / 2 + 1] powers of the real signal's spectrum.
void power_spectrum(const SpectrumPlan& plan, const complex_vec* z, vec* out) {
  const int half = plan.fft_size / 2;
  const vec first = z[0].re + z[0].im, last = z[0].re - z[0].im;
  out[0] = first * first;
  out[half] = last * last;
  for (int k = 1; 2 * k <= half; ++k) {
    const complex_vec a = z[k], b = {z[half - k].re, -z[half - k].im};
    const complex_vec even = a + b, odd = times(times_minus_i(a - b), plan.split_twiddles[2 * k], plan.split_twiddles[2 * k + 1]);
    const complex_vec low = even + odd, high = even - odd;  // twice the spectrum at k and (conjugated) at half - k
    out[k] = (low.re * low.re + low.im * low.im) * 0.25f;
    out[half - k] = (high.re * high.re + high.im * high.im) * 0.25f;
  }
}

void log_mel(const SpectrumPlan& plan, const float* samples, std::ptrdiff_t stride, std::int32_t frames, float* out, float* scratch) {
  vec* const first = reinterpret_cast<vec*>(scratch);
  vec* const second = first + plan.fft_size + lanes;
  load_windowed(plan, samples, stride, frames, first);
  complex_vec* const z = complex_fft(plan, reinterpret_cast<complex_vec*>(first), reinterpret_cast<complex_vec*>(second));
  vec* const power = reinterpret_cast<vec*>(z) == first ? second : first;
  power_spectrum(plan, z, power);
  for (int mel = 0; mel < plan.mels; ++mel) {
    const vec* bin = power + plan.mel_first[mel];
    vec energy{};
    for (int i = plan.mel_begin[mel]; i < plan.mel_begin[mel + 1]; ++i) energy += *bin++ * plan.mel_weights[i];
    const vec floor = vec{} + plan.floor;
    const vec value = log_of(energy > floor ? energy : floor) * plan.log_scale;
    for (int lane = 0; lane < frames; ++lane) out[lane * plan.mels + mel] = value[lane];
  }
}

}  // namespace

const SpectrumKernel& THAW_SPECTRUM() {
  static constexpr SpectrumKernel kernel{THAW_SPECTRUM_NAME, lanes, log_mel};
  return kernel;
}

}  // namespace thaw::audio
