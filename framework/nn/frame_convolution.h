// Convolution along the frames of packed rows: each row by itself, with zeros before and behind it, as torch's conv1d has it.
// Composed of windows and one product, so that bits do not depend on the number of threads.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace thaw {

struct FrameConvolution {
  std::int64_t kernel = 3, stride = 1, padding = 1;  // in frames; padding at either end of a row

  std::int64_t length(std::int64_t frames) const { return (frames + 2 * padding - kernel) / stride + 1; }  // what it makes of a row
  std::vector<std::int64_t> lengths(const std::vector<std::int64_t>& cu_seqlens) const;                    // cu_seqlens in and out

  // x: [frames, in], weight: [out, in, kernel], bias: [out] → [lengths(cu_seqlens).back(), out], and tokens of padding after
  // these (pad_tokens). One dtype, fp32 or bf16.
  at::Tensor operator()(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens, const at::Tensor& weight,
                        const at::Tensor& bias) const;
};

}  // namespace thaw
