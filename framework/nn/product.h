// What the operations of this folder multiply and add with: products in the fastest library, sums in a fixed order.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <optional>

namespace thaw {

// x · weightᵀ (+ bias) without gradients. x: [tokens, in], weight: [out, in], bias: [out], all of one dtype → [tokens, out].
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias = std::nullopt);

// Sums are made over blocks of rows of this size, then over blocks in order, so that threads do not change them.
constexpr std::int64_t block_rows = 64;
constexpr std::int64_t blocks_of(std::int64_t rows) { return rows <= block_rows ? 1 : (rows + block_rows - 1) / block_rows; }

// Calls work(block, first row, end) for each block, in parallel.
void for_blocks(std::int64_t rows, const std::function<void(std::int64_t block, std::int64_t begin, std::int64_t end)>& work);

at::Tensor in_order(const at::Tensor& parts);  // Σ of [blocks, width] over blocks, in order

// autograd wants a missing tensor to be no tensor at all.
inline std::optional<at::Tensor> if_defined(const at::Tensor& x) { return x.defined() ? std::optional<at::Tensor>(x) : std::nullopt; }

at::Tensor column_sum(const at::Tensor& x);  // [rows, width] → fp32 [width]

}  // namespace thaw
