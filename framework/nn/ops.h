// Operations on packed rows, with gradients: pure functions of their arguments, fp32 or bf16. CPU tensors take our own kernels
// where ATen's are slow or depend on the number of threads; others take ATen's. Products are oneDNN's, which among more threads
// splits long sums of small results (a weight of 96 × 384 over 433 tokens): the same bits take the same number of threads.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "framework/nn/packed.h"

namespace thaw {

// x: [tokens, in], weight: [out, in], bias: [out] → [tokens, out]. The bias's gradient is summed in fp32.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

enum class Activation { gelu, gelu_tanh, relu, tanh, silu };
// transformers' names: gelu, gelu_new, gelu_pytorch_tanh, relu, tanh, silu. Others are a ModelError at `where`.
Activation activation_named(const std::string& name, const std::string& where);
at::Tensor activate(const at::Tensor& x, Activation activation);

// x: [tokens, width] in any dtype; gamma, beta: [width] fp32. Statistics and sums of gradients in fp32, in a fixed order.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps);

// layer_norm(dropout(x) + residual), without storing the sum twice. x, residual: [tokens, width], one dtype.
at::Tensor dropout_add_layer_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& gamma, const at::Tensor& beta,
                                  double eps, const RandomSite& site);

// Zeroes elements of x: [tokens, width] with probability site.p and scales the others by 1 / (1 − p); p in steps of 1/65536.
at::Tensor dropout(const at::Tensor& x, const RandomSite& site);

// softmax(q·kᵀ·scale)·v inside each row, all heads, every query seeing every token of its row.
// k, v: [tokens, heads, head_dim]; q: the same, or [rows, heads, head_dim], the first token's of each row; all of one
// dtype → q's shape; tokens past the last row get zeros. Softmax in fp32; site drops probabilities:
// element (query token, head, key position) draws by the query's number within the step.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<std::int64_t>& cu_seqlens,
                     double scale, const RandomSite& site);

// Which queries look at which keys: row r's queries are q's tokens queries[r] … queries[r + 1], its keys those of k and v
// from keys[r] to keys[r + 1]. At least one key a row.
struct AttentionRows {
  std::vector<std::int64_t> queries, keys;
  bool causal = false;        // query i of a row sees its first i + 1 keys: rows of as many queries as keys
  bool first_tokens = false;  // the queries are the keys' rows' first tokens, and draw as such
};

// Rows that look at themselves; `queries` tokens in q: all, or the first of each row.
AttentionRows self_attention(const std::vector<std::int64_t>& cu_seqlens, std::int64_t queries);

// The same where queries and keys are of different sequences (cross-attention) or causal.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRows& rows, double scale,
                     const RandomSite& site);

// ids: int64 [tokens], weight: [entries, width] → [tokens, width]. The gradient is sparse (COO, not coalesced); entry
// `padding_id` gets none.
at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, std::int64_t padding_id = -1);

// x: [tokens, …] with zeros added, up to a multiple of token_multiple tokens.
at::Tensor pad_tokens(const at::Tensor& x);

// The first token of each row: [rows, width].
at::Tensor first_tokens(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens);

}  // namespace thaw
