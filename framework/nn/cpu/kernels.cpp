// The table of kernels, compiled once for each instruction set with its own flags and THAW_KERNELS naming it.
#include "framework/nn/cpu/kernels.h"

#include "framework/nn/cpu/attention.h"
#include "framework/nn/cpu/attention_bf16.h"
#include "framework/nn/cpu/attention_pairs.h"
#include "framework/nn/cpu/columns.h"
#include "framework/nn/cpu/decode.h"
#include "framework/nn/cpu/norm.h"

namespace thaw::cpu {
namespace {

template <typename T>
const T* in(const void* p) {
  return static_cast<const T*>(p);
}
template <typename T>
T* to(void* p) {
  return static_cast<T*>(p);
}

#if defined(__AVX512F__)
bool has_pairs() {
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
}

// Whether a row of so many keys is worth packing: at 64 as quick as without, at 128 a tenth to a fifth quicker, at 1,500 a third.
bool takes_pairs(i64 length) { return length >= 96 && has_pairs(); }
#endif

void attention_forward(bool bf16, const void* q, const void* k, const void* v, void* o, const AttentionArgs& a, DropoutArgs d,
                       float* scratch) {
#if defined(__AVX512F__)
  if (bf16 && takes_pairs(a.length)) return forward_pairs(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), to<bf16_t>(o), a, d, scratch);
#endif
  if (bf16) forward(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), to<bf16_t>(o), a, d, scratch);
  else forward(in<float>(q), in<float>(k), in<float>(v), to<float>(o), a, d, scratch);
}

void attention_backward(bool bf16, const void* q, const void* k, const void* v, const void* go, void* gq, void* gk, void* gv,
                        const AttentionArgs& a, DropoutArgs d, float* scratch) {
#if defined(__AVX512F__)
  if (bf16 && takes_pairs(a.length))
    return backward_pairs(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), in<bf16_t>(go), to<bf16_t>(gq), to<bf16_t>(gk), to<bf16_t>(gv), a, d,
                          scratch);
#endif
  if (bf16)
    backward(in<bf16_t>(q), in<bf16_t>(k), in<bf16_t>(v), in<bf16_t>(go), to<bf16_t>(gq), to<bf16_t>(gk), to<bf16_t>(gv), a, d, scratch);
  else backward(in<float>(q), in<float>(k), in<float>(v), in<float>(go), to<float>(gq), to<float>(gk), to<float>(gv), a, d, scratch);
}

void dropout(bool bf16, const void* x, void* y, i64 begin, i64 end, i64 width, DropoutArgs d) {
  if (bf16) drop(in<bf16_t>(x), to<bf16_t>(y), begin, end, width, d);
  else drop(in<float>(x), to<float>(y), begin, end, width, d);
}

void norm_forward(bool bf16, const void* x, const void* residual, void* sum, void* y, float* stats, const float* gamma, const float* beta,
                  i64 begin, i64 end, i64 width, float eps, DropoutArgs d) {
  if (bf16) norm_fwd(in<bf16_t>(x), in<bf16_t>(residual), to<bf16_t>(sum), to<bf16_t>(y), stats, gamma, beta, begin, end, width, eps, d);
  else norm_fwd(in<float>(x), in<float>(residual), to<float>(sum), to<float>(y), stats, gamma, beta, begin, end, width, eps, d);
}

void norm_backward(bool bf16, const void* gy, const void* sum, const float* stats, const float* gamma, void* gs, void* gx, float* ggamma,
                   float* gbeta, i64 begin, i64 end, i64 width, DropoutArgs d) {
  if (bf16) norm_bwd(in<bf16_t>(gy), in<bf16_t>(sum), stats, gamma, to<bf16_t>(gs), to<bf16_t>(gx), ggamma, gbeta, begin, end, width, d);
  else norm_bwd(in<float>(gy), in<float>(sum), stats, gamma, to<float>(gs), to<float>(gx), ggamma, gbeta, begin, end, width, d);
}

void column_sums(bool bf16, const void* x, float* sums, i64 begin, i64 end, i64 width) {
  if (bf16) columns(in<bf16_t>(x), sums, begin, end, width);
  else columns(in<float>(x), sums, begin, end, width);
}

// Calls work with a null pointer of each type.
template <typename Work>
void with_types(bool bf16_x, bool bf16_y, const Work& work) {
  const auto with_y = [&](auto* x) {
    if (bf16_y) work(x, static_cast<bf16_t*>(nullptr));
    else work(x, static_cast<float*>(nullptr));
  };
  if (bf16_x) with_y(static_cast<bf16_t*>(nullptr));
  else with_y(static_cast<float*>(nullptr));
}

void column_moments(bool bf16_x, bool bf16_y, const void* g, const void* x, const float* mean, float* sums, float* dots, i64 begin, i64 end,
                    i64 width) {
  with_types(bf16_x, bf16_y, [&]<typename X, typename Y>(X*, Y*) { moments(in<Y>(g), in<X>(x), mean, sums, dots, begin, end, width); });
}

void column_affine(bool bf16_x, bool bf16_y, const void* x, const float* scale, const float* offset, void* y, i64 begin, i64 end,
                   i64 width) {
  with_types(bf16_x, bf16_y, [&]<typename X, typename Y>(X*, Y*) {
    affine<X, X, Y>(in<X>(x), scale, nullptr, nullptr, offset, to<Y>(y), begin, end, width);
  });
}

void column_affine_backward(bool bf16_x, bool bf16_y, const void* g, const float* of_g, const void* x, const float* of_x,
                            const float* offset, void* grad_x, i64 begin, i64 end, i64 width) {
  with_types(bf16_x, bf16_y,
             [&]<typename X, typename Y>(X*, Y*) { affine(in<Y>(g), of_g, in<X>(x), of_x, offset, to<X>(grad_x), begin, end, width); });
}

void panel_product(bool bf16, const float* x, i64 rows, i64 depth, const void* panel, const float* bias, const float* residual, float* out,
                   i64 ldo, i64 columns) {
  if (bf16) panel_rows(x, rows, depth, in<bf16_t>(panel), bias, residual, out, ldo, columns);
  else panel_rows(x, rows, depth, in<float>(panel), bias, residual, out, ldo, columns);
}

void transpose_rows(bool from_bf16, bool to_bf16, const void* from, i64 stride, i64 rows, i64 columns, void* out, i64 ld) {
  if (from_bf16) transpose(in<bf16_t>(from), stride, rows, columns, to<bf16_t>(out), ld);
  else if (to_bf16) transpose(in<float>(from), stride, rows, columns, to<bf16_t>(out), ld);
  else transpose(in<float>(from), stride, rows, columns, to<float>(out), ld);
}

void attend_cached(bool bf16, const float* q, const void* keys, i64 ldk, const void* values, i64 length, i64 dim, float scale, float* out,
                   float* probabilities) {
  if (bf16) attend_one(q, in<bf16_t>(keys), ldk, in<bf16_t>(values), length, dim, scale, out, probabilities);
  else attend_one(q, in<float>(keys), ldk, in<float>(values), length, dim, scale, out, probabilities);
}

auto attention_bf16_or_null() -> decltype(Kernels::attention_bf16) {
#if defined(__AVX512F__)
  if (has_pairs()) return attention_pairs;
#endif
  return nullptr;
}

}  // namespace

#define THAW_TEXT(x) #x
#define THAW_NAME(x) THAW_TEXT(x)
const Kernels& THAW_KERNELS() {
  static const Kernels table{THAW_NAME(THAW_KERNELS),
                             attention_forward,
                             attention_backward,
                             attention_bf16_or_null(),
                             dropout,
                             norm_forward,
                             norm_backward,
                             column_sums,
                             column_moments,
                             column_affine,
                             column_affine_backward,
                             panel_product,
                             transpose_rows,
                             attend_cached};
  return table;
}

}  // namespace thaw::cpu
