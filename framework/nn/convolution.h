// Convolution and normalisation along the time of packed rows. Each row is computed as if it were alone: to the bit, as no
// product has tokens of two rows, and whatever the number of threads. With gradients; fp32, or bf16 with sums in fp32.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace thaw {

struct Convolution {
  std::int64_t kernel = 1, stride = 1;
  std::int64_t before = 0, after = 0;  // zeros that each row is given at its ends
  std::int64_t groups = 1;

  // How many outputs a row of so many tokens has; 0 where it is shorter than the kernel.
  std::int64_t length(std::int64_t tokens) const {
    const std::int64_t room = tokens + before + after - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
  // Where each row's outputs begin, and the end. DataError names a row that has none.
  std::vector<std::int64_t> rows(const std::vector<std::int64_t>& cu_seqlens) const;
};

// A weight of torch's conv1d, [out, in / groups, kernel], as products read it: [groups, out / groups, kernel · in / groups].
at::Tensor laid_out(const at::Tensor& weight, const Convolution& shape);

// torch's conv1d on each row. x: [tokens, in], weight: laid_out(…), bias: [out] or undefined, all of one dtype
// → [rows(cu_seqlens).back(), out], and tokens of padding after these (pad_tokens). Those of x past the last row are not read.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<std::int64_t>& cu_seqlens,
                       const Convolution& shape);

// The weight of torch's weight_norm over dimension 2: g · v / ‖v‖, the norm being that of a position of the kernel.
// g: [1, 1, kernel], v: [out, in / groups, kernel], fp32 → v's shape, of dtype `type`.
at::Tensor normed_weight(const at::Tensor& g, const at::Tensor& v, at::ScalarType type);

// torch's group_norm with a group a channel: over each row's own time. x: [tokens, channels] in fp32 or bf16; gamma, beta:
// [channels] fp32 → `type`. Statistics in fp32; tokens past the last row are dropped.
at::Tensor time_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const std::vector<std::int64_t>& cu_seqlens,
                     double eps, at::ScalarType type);

// The mean of each row's tokens. x: [tokens, width] → fp32 [rows, width].
at::Tensor row_means(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens);

}  // namespace thaw
