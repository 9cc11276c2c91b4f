// Compiled once for each instruction set with its own flags and THAW_KERNELS naming the table it defines. Nothing but
// plain loops and file-local functions here: an inline function shared with other files could leak an instruction set.
#include "framework/nn/cpu/kernels.h"

namespace thaw::cpu {
namespace {

typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::int32_t ivec __attribute__((vector_size(64), aligned(4), may_alias));
using i64 = std::int64_t;
using bf16_t = std::uint16_t;

inline float load(const float* p) { return *p; }
inline float load(const bf16_t* p) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(*p) << 16); }
inline void store(float* p, float value) { *p = value; }
inline void store(bf16_t* p, float value) {  // to nearest, ties to even
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  *p = value != value ? bf16_t{0x7FC0} : static_cast<bf16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// exp for x ≤ 0 of sixteen lanes: 2^n · e^r by a polynomial (Cephes' expf), relative error below 2e-7.
inline vec exp16(vec x) {
  const vec low = x - x - 87.0f;
  x = x > low ? x : low;
  const vec t = x * 1.44269504088896341f;
  const ivec n = __builtin_convertvector(t - 0.5f, ivec);  // x ≤ 0: rounds to nearest
  const vec f = __builtin_convertvector(n, vec);
  const vec r = (x - f * 0.693359375f) + f * 2.12194440e-4f;
  vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const ivec power = (n + 127) << 23;
  return p * (vec)power;
}

// Sixteen Philox4x32-10 blocks of counters first … first+15: 128 lanes of 16 bits, in order.
inline void philox16(std::uint64_t key, std::uint64_t first, std::uint32_t* out) {
  std::uint32_t c0[16], c1[16], c2[16], c3[16];
  for (int i = 0; i < 16; ++i) {
    const std::uint64_t c = first + static_cast<std::uint64_t>(i);
    c0[i] = static_cast<std::uint32_t>(c);
    c1[i] = static_cast<std::uint32_t>(c >> 32);
    c2[i] = c3[i] = 0;
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 16; ++i) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0[i], p1 = std::uint64_t{0xCD9E8D57u} * c2[i];
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ k0, n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c1[i] = static_cast<std::uint32_t>(p1);
      c3[i] = static_cast<std::uint32_t>(p0);
      c0[i] = n0;
      c2[i] = n2;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < 16; ++i) {
    out[4 * i] = c0[i];
    out[4 * i + 1] = c1[i];
    out[4 * i + 2] = c2[i];
    out[4 * i + 3] = c3[i];
  }
}

// The factors (0 or scale) of one token's elements 0 … width-1, where a token owns ceil(width / 8) counters from `counter`.
inline void factors(const DropoutArgs& d, std::uint64_t counter, i64 width, float* out) {
  std::uint32_t words[64];
  for (i64 j = 0; j < width; j += 128) {
    philox16(d.key, counter + static_cast<std::uint64_t>(j / 8), words);
    const i64 n = width - j < 128 ? width - j : 128;
    for (i64 e = 0; e < n; ++e) out[j + e] = ((words[e / 2] >> (16 * (e & 1))) & 0xFFFFu) < d.threshold ? 0.0f : d.scale;
  }
}

// C[m × n] = A · B, where A(i, k) = a[i · ar + k · ak], B row-major with n and ldb multiples of 16, and C likewise.
template <int rows>
inline void tile(i64 n, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  for (i64 j = 0; j < n; j += 16) {
    vec sums[rows];
    for (int i = 0; i < rows; ++i) sums[i] = vec{};
    for (i64 k = 0; k < depth; ++k) {
      const vec row = *reinterpret_cast<const vec*>(b + k * ldb + j);
      for (int i = 0; i < rows; ++i) sums[i] += a[i * ar + k * ak] * row;
    }
    for (int i = 0; i < rows; ++i) *reinterpret_cast<vec*>(c + i * ldc + j) = sums[i];
  }
}

inline void product(i64 m, i64 n, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  i64 i = 0;
  for (; i + 8 <= m; i += 8) tile<8>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i + 4 <= m; i += 4) tile<4>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i < m; ++i) tile<1>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
}

template <typename T>
inline void gather(const T* from, i64 stride, i64 length, i64 dim, float* to, i64 ld) {
  for (i64 i = 0; i < length; ++i) {
    for (i64 d = 0; d < dim; ++d) to[i * ld + d] = load(from + i * stride + d);
    for (i64 d = dim; d < ld; ++d) to[i * ld + d] = 0;
  }
}

inline void transpose(const float* from, i64 length, i64 dim, i64 ld, float* to, i64 to_ld) {
  for (i64 d = 0; d < dim; ++d) {
    for (i64 i = 0; i < length; ++i) to[d * to_ld + i] = from[i * ld + d];
    for (i64 i = length; i < to_ld; ++i) to[d * to_ld + i] = 0;
  }
}

template <typename T>
inline void scatter(const float* from, i64 ld, i64 length, i64 dim, T* to, i64 stride) {
  for (i64 i = 0; i < length; ++i)
    for (i64 d = 0; d < dim; ++d) store(to + i * stride + d, from[i * ld + d]);
}

// Rows of scores become probabilities, scaled first; columns past `length` become 0.
inline void softmax(float* scores, i64 length, i64 ld, float scale) {
  for (i64 i = 0; i < length; ++i) {
    float* const row = scores + i * ld;
    float most = row[0] * scale;
    for (i64 j = 0; j < length; ++j) {
      row[j] *= scale;
      most = row[j] > most ? row[j] : most;
    }
    for (i64 j = length; j < ld; ++j) row[j] = -1e30f;
    vec sums{};
    for (i64 j = 0; j < ld; j += 16) {
      vec e = exp16(*reinterpret_cast<const vec*>(row + j) - most);
      *reinterpret_cast<vec*>(row + j) = e;
    }
    for (i64 j = length; j < ld; ++j) row[j] = 0;
    for (i64 j = 0; j < ld; j += 16) sums += *reinterpret_cast<const vec*>(row + j);
    float sum = 0;
    for (int lane = 0; lane < 16; ++lane) sum += sums[lane];
    const float inverse = 1.0f / sum;
    for (i64 j = 0; j < ld; j += 16) *reinterpret_cast<vec*>(row + j) *= inverse;
  }
}

// A query owns 8192 counters a head: 65,536 key positions.
inline std::uint64_t attention_counter(const DropoutArgs& d, i64 query, i64 head, i64 heads) {
  return static_cast<std::uint64_t>((d.first_token + query) * heads + head) * 8192u;
}

template <typename T>
void forward(const T* q, const T* k, const T* v, T* o, i64 stride, i64 length, i64 dim, float scale, const DropoutArgs& dropout, i64 head, i64 heads,
             float* scratch) {
  const i64 ld = padded(dim), ll = padded(length);
  float *qf = scratch, *kf = qf + ll * ld, *vf = kf + ll * ld, *kt = vf + ll * ld, *of = kt + ll * ld, *p = of + ll * ld, *keep = p + ll * ll;
  gather(q, stride, length, dim, qf, ld);
  gather(k, stride, length, dim, kf, ld);
  gather(v, stride, length, dim, vf, ld);
  transpose(kf, length, dim, ld, kt, ll);
  product(length, ll, dim, qf, ld, 1, kt, ll, p, ll);
  softmax(p, length, ll, scale);
  if (dropout.threshold > 0)
    for (i64 i = 0; i < length; ++i) {
      factors(dropout, attention_counter(dropout, i, head, heads), length, keep);
      for (i64 j = 0; j < length; ++j) p[i * ll + j] *= keep[j];
    }
  product(length, ld, length, p, ll, 1, vf, ld, of, ld);
  scatter(of, ld, length, dim, o, stride);
}

template <typename T>
void backward(const T* q, const T* k, const T* v, const T* go, T* gq, T* gk, T* gv, i64 stride, i64 length, i64 dim, float scale,
              const DropoutArgs& dropout, i64 head, i64 heads, float* scratch) {
  const i64 ld = padded(dim), ll = padded(length), block = ll * ld;
  float *qf = scratch, *kf = qf + block, *vf = kf + block, *gof = vf + block, *kt = gof + block, *vt = kt + block, *out = vt + block;
  float *p = out + block, *dropped = p + ll * ll, *gp = dropped + ll * ll;
  gather(q, stride, length, dim, qf, ld);
  gather(k, stride, length, dim, kf, ld);
  gather(v, stride, length, dim, vf, ld);
  gather(go, stride, length, dim, gof, ld);
  transpose(kf, length, dim, ld, kt, ll);
  transpose(vf, length, dim, ld, vt, ll);
  product(length, ll, dim, qf, ld, 1, kt, ll, p, ll);
  softmax(p, length, ll, scale);
  product(length, ll, dim, gof, ld, 1, vt, ll, gp, ll);  // gradient of the dropped probabilities
  const float* used = p;
  if (dropout.threshold > 0) {
    used = dropped;
    for (i64 i = 0; i < length; ++i) {
      float* const row = dropped + i * ll;
      factors(dropout, attention_counter(dropout, i, head, heads), length, row);
      for (i64 j = 0; j < length; ++j) {
        gp[i * ll + j] *= row[j];
        row[j] *= p[i * ll + j];
      }
    }
  }
  product(length, ld, length, used, 1, ll, gof, ld, out, ld);
  scatter(out, ld, length, dim, gv, stride);
  for (i64 i = 0; i < length; ++i) {  // softmax backward, in place: gp becomes the gradient of q·kᵀ
    float dot = 0;
    for (i64 j = 0; j < length; ++j) dot += gp[i * ll + j] * p[i * ll + j];
    for (i64 j = 0; j < length; ++j) gp[i * ll + j] = p[i * ll + j] * (gp[i * ll + j] - dot) * scale;
  }
  product(length, ld, length, gp, ll, 1, kf, ld, out, ld);
  scatter(out, ld, length, dim, gq, stride);
  product(length, ld, length, gp, 1, ll, qf, ld, out, ld);
  scatter(out, ld, length, dim, gk, stride);
}

inline std::uint64_t token_counter(const DropoutArgs& d, i64 token, i64 width) {
  return static_cast<std::uint64_t>((d.first_token + token) * ((width + 7) / 8));
}

constexpr i64 strip = 4096;  // widest row whose factors fit on the stack at once

template <typename T>
void drop(const T* x, T* y, i64 begin, i64 end, i64 width, const DropoutArgs& d) {
  float keep[strip];
  for (i64 i = begin; i < end; ++i)
    for (i64 j = 0; j < width; j += strip) {
      const i64 n = width - j < strip ? width - j : strip;
      factors(d, token_counter(d, i, width) + static_cast<std::uint64_t>(j / 8), n, keep);
      for (i64 e = 0; e < n; ++e) store(y + i * width + j + e, load(x + i * width + j + e) * keep[e]);
    }
}

inline float lanes(vec v) {
  float sum = 0;
  for (int i = 0; i < 16; ++i) sum += v[i];
  return sum;
}

template <typename T>
inline vec load16(const T* p) {
  vec v;
  for (int i = 0; i < 16; ++i) v[i] = load(p + i);
  return v;
}

template <typename T>
void norm_fwd(const T* x, const T* residual, T* sum, T* y, float* stats, const float* gamma, const float* beta, i64 begin, i64 end, i64 width, float eps,
              const DropoutArgs& d) {
  float keep[strip];
  for (i64 i = begin; i < end; ++i) {
    T* const s = sum + i * width;
    const T* in = x + i * width;
    if (residual != nullptr) {
      const T* const r = residual + i * width;
      for (i64 j = 0; j < width; j += strip) {
        const i64 n = width - j < strip ? width - j : strip;
        if (d.threshold > 0) {
          factors(d, token_counter(d, i, width) + static_cast<std::uint64_t>(j / 8), n, keep);
          for (i64 e = 0; e < n; ++e) store(s + j + e, load(in + j + e) * keep[e] + load(r + j + e));
        } else {
          for (i64 e = 0; e < n; ++e) store(s + j + e, load(in + j + e) + load(r + j + e));
        }
      }
      in = s;
    }
    vec total{};
    i64 j = 0;
    for (; j + 16 <= width; j += 16) total += load16(in + j);
    float tail = 0;
    for (; j < width; ++j) tail += load(in + j);
    const float mean = (lanes(total) + tail) / static_cast<float>(width);
    vec squares{};
    tail = 0;
    for (j = 0; j + 16 <= width; j += 16) {
      const vec centred = load16(in + j) - mean;
      squares += centred * centred;
    }
    for (; j < width; ++j) tail += (load(in + j) - mean) * (load(in + j) - mean);
    const float rstd = 1.0f / __builtin_sqrtf((lanes(squares) + tail) / static_cast<float>(width) + eps);
    stats[2 * i] = mean;
    stats[2 * i + 1] = rstd;
    for (j = 0; j < width; ++j) store(y + i * width + j, (load(in + j) - mean) * rstd * gamma[j] + beta[j]);
  }
}

template <typename T>
void norm_bwd(const T* gy, const T* sum, const float* stats, const float* gamma, T* gs, T* gx, float* ggamma, float* gbeta, i64 begin, i64 end, i64 width,
              const DropoutArgs& d) {
  float keep[strip];
  for (i64 i = begin; i < end; ++i) {
    const T *const g = gy + i * width, *const s = sum + i * width;
    const float mean = stats[2 * i], rstd = stats[2 * i + 1];
    vec dots{}, totals{};
    float dot = 0, total = 0;
    i64 j = 0;
    for (; j + 16 <= width; j += 16) {
      const vec normed = (load16(s + j) - mean) * rstd, gr = load16(g + j), scaled = gr * *reinterpret_cast<const vec*>(gamma + j);
      *reinterpret_cast<vec*>(ggamma + j) += gr * normed;
      *reinterpret_cast<vec*>(gbeta + j) += gr;
      dots += scaled * normed;
      totals += scaled;
    }
    for (; j < width; ++j) {
      const float normed = (load(s + j) - mean) * rstd, gr = load(g + j), scaled = gr * gamma[j];
      ggamma[j] += gr * normed;
      gbeta[j] += gr;
      dot += scaled * normed;
      total += scaled;
    }
    const float mean_dot = (lanes(dots) + dot) / static_cast<float>(width), mean_total = (lanes(totals) + total) / static_cast<float>(width);
    for (j = 0; j < width; ++j) {
      const float normed = (load(s + j) - mean) * rstd;
      store(gs + i * width + j, rstd * (load(g + j) * gamma[j] - mean_total - normed * mean_dot));
    }
    if (gx == nullptr) continue;
    for (j = 0; j < width; j += strip) {
      const i64 n = width - j < strip ? width - j : strip;
      factors(d, token_counter(d, i, width) + static_cast<std::uint64_t>(j / 8), n, keep);
      for (i64 e = 0; e < n; ++e) store(gx + i * width + j + e, load(gs + i * width + j + e) * keep[e]);
    }
  }
}

template <typename T>
void columns(const T* x, float* sums, i64 begin, i64 end, i64 width) {
  for (i64 i = begin; i < end; ++i)
    for (i64 j = 0; j < width; ++j) sums[j] += load(x + i * width + j);
}

template <typename T>
const T* in(const void* p) { return static_cast<const T*>(p); }
template <typename T>
T* to(void* p) { return static_cast<T*>(p); }

void attention_forward(bool bf16, const void* q, const void* k, const void* v, void* o, i64 stride, i64 length, i64 dim, float scale, DropoutArgs d,
                       i64 head, i64 heads, float* scratch) {
  if (bf16) forward(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), to<bf16_t>(o), stride, length, dim, scale, d, head, heads, scratch);
  else forward(in<float>(q), in<float>(k), in<float>(v), to<float>(o), stride, length, dim, scale, d, head, heads, scratch);
}

void attention_backward(bool bf16, const void* q, const void* k, const void* v, const void* go, void* gq, void* gk, void* gv, i64 stride, i64 length,
                        i64 dim, float scale, DropoutArgs d, i64 head, i64 heads, float* scratch) {
  if (bf16)
    backward(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), in<bf16_t>(go), to<bf16_t>(gq), to<bf16_t>(gk), to<bf16_t>(gv), stride, length, dim, scale, d,
             head, heads, scratch);
  else
    backward(in<float>(q), in<float>(k), in<float>(v), in<float>(go), to<float>(gq), to<float>(gk), to<float>(gv), stride, length, dim, scale, d, head,
             heads, scratch);
}

void dropout(bool bf16, const void* x, void* y, i64 begin, i64 end, i64 width, DropoutArgs d) {
  if (bf16) drop(in<bf16_t>(x), to<bf16_t>(y), begin, end, width, d);
  else drop(in<float>(x), to<float>(y), begin, end, width, d);
}

void norm_forward(bool bf16, const void* x, const void* residual, void* sum, void* y, float* stats, const float* gamma, const float* beta, i64 begin,
                  i64 end, i64 width, float eps, DropoutArgs d) {
  if (bf16) norm_fwd(in<bf16_t>(x), in<bf16_t>(residual), to<bf16_t>(sum), to<bf16_t>(y), stats, gamma, beta, begin, end, width, eps, d);
  else norm_fwd(in<float>(x), in<float>(residual), to<float>(sum), to<float>(y), stats, gamma, beta, begin, end, width, eps, d);
}

void norm_backward(bool bf16, const void* gy, const void* sum, const float* stats, const float* gamma, void* gs, void* gx, float* ggamma, float* gbeta,
                   i64 begin, i64 end, i64 width, DropoutArgs d) {
  if (bf16) norm_bwd(in<bf16_t>(gy), in<bf16_t>(sum), stats, gamma, to<bf16_t>(gs), to<bf16_t>(gx), ggamma, gbeta, begin, end, width, d);
  else norm_bwd(in<float>(gy), in<float>(sum), stats, gamma, to<float>(gs), to<float>(gx), ggamma, gbeta, begin, end, width, d);
}

void column_sums(bool bf16, const void* x, float* sums, i64 begin, i64 end, i64 width) {
  if (bf16) columns(in<bf16_t>(x), sums, begin, end, width);
  else columns(in<float>(x), sums, begin, end, width);
}

}  // namespace

#define THAW_TEXT(x) #x
#define THAW_NAME(x) THAW_TEXT(x)
const Kernels& THAW_KERNELS() {
  static const Kernels table{THAW_NAME(THAW_KERNELS), attention_forward, attention_backward, dropout, norm_forward, norm_backward, column_sums};
  return table;
}

}  // namespace thaw::cpu
