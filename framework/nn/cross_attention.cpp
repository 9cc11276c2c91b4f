#include "framework/nn/cross_attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include "framework/nn/product.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Head h's part of a weight's rows, and of the columns of what they give.
at::Tensor rows_of(const at::Tensor& weight, std::int64_t head, std::int64_t dim) { return weight.narrow(0, head * dim, dim); }
at::Tensor columns_of(const at::Tensor& x, std::int64_t head, std::int64_t dim) { return x.narrow(1, head * dim, dim); }

// Each head by its own rows of the weight: x [tokens, width] → [tokens, heads, width].
at::Tensor to_frames(const at::Tensor& x, const at::Tensor& weight, std::int64_t heads) {
  const std::int64_t width = x.size(1), dim = width / heads;
  at::Tensor out = at::empty({x.size(0), heads, width}, x.options());
  for (std::int64_t head = 0; head < heads; ++head)
    out.select(1, head).copy_(product(columns_of(x, head, dim), rows_of(weight, head, dim).t()));
  return out;
}

// And back: x [tokens, heads, width] → [tokens, width].
at::Tensor from_frames(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias, std::int64_t heads) {
  const std::int64_t width = x.size(2), dim = width / heads;
  at::Tensor out = at::empty({x.size(0), width}, x.options());
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto part = bias ? std::optional(bias->narrow(0, head * dim, dim)) : std::nullopt;
    columns_of(out, head, dim).copy_(product(x.select(1, head), rows_of(weight, head, dim), part));
  }
  return out;
}

// The gradient of the weight of either: narrow [tokens, width], wide [tokens, heads, width].
at::Tensor weight_gradient(const at::Tensor& narrow, const at::Tensor& wide) {
  const std::int64_t width = wide.size(2), heads = wide.size(1), dim = width / heads;
  at::Tensor out = at::empty({width, width}, wide.options());
  for (std::int64_t head = 0; head < heads; ++head)
    rows_of(out, head, dim).copy_(product(columns_of(narrow, head, dim).t(), wide.select(1, head).contiguous().t()));
  return out;
}

// Rows whose tokens are mapped, not their frames.
class MappedTokensFunction : public Function<MappedTokensFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& q, const Variable& memory, const Variable& key_weight,
                          const Variable& value_weight, const Variable& value_bias, const AttentionRows& rows, std::int64_t heads,
                          double scale) {
    const at::NoGradGuard no_grad;
    const at::Tensor scaled = q * scale, asking = to_frames(scaled, key_weight, heads);
    at::Tensor mixed = at::zeros_like(asking);  // of padding: zeros
    variable_list saved{scaled, memory, key_weight, value_weight, mixed};
    for_rows(rows.queries, [&](std::size_t row, std::int64_t first, std::int64_t tokens) {
      const at::Tensor frames = frames_of(memory, rows.keys, row);
      saved.push_back(at::softmax(product(tokens_of(asking, first, tokens), frames), -1));
      tokens_of(mixed, first, tokens).copy_(product(saved.back(), frames.t()));
    });
    context->save_for_backward(saved);
    context->saved_data["queries"] = rows.queries;
    context->saved_data["keys"] = rows.keys;
    context->saved_data["scale"] = scale;
    return from_frames(mixed, value_weight, value_bias, heads);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &scaled = saved[0], &memory = saved[1], &key_weight = saved[2], &value_weight = saved[3], &mixed = saved[4];
    const at::Tensor grad = grads[0].contiguous();
    const std::int64_t heads = mixed.size(1);
    const std::vector<std::int64_t> queries = context->saved_data["queries"].toIntVector(),
                                    keys = context->saved_data["keys"].toIntVector();
    enum { of_q, of_memory, of_key_weight, of_value_weight, of_value_bias };
    variable_list result(8);
    if (context->needs_input_grad(of_value_weight)) result[of_value_weight] = weight_gradient(grad, mixed);
    if (context->needs_input_grad(of_value_bias)) result[of_value_bias] = column_sum(grad);

    const bool to_memory = context->needs_input_grad(of_memory);
    const at::Tensor grad_mixed = to_frames(grad, value_weight, heads),
                     asking = to_memory ? to_frames(scaled, key_weight, heads) : at::Tensor();
    if (to_memory) result[of_memory] = at::zeros_like(memory);
    at::Tensor grad_asking = at::zeros_like(mixed);
    for_rows(queries, [&](std::size_t row, std::int64_t first, std::int64_t tokens) {
      const at::Tensor frames = frames_of(memory, keys, row), &probabilities = saved[5 + row];
      const at::Tensor of_mixed = tokens_of(grad_mixed, first, tokens);
      at::Tensor of_scores = product(of_mixed, frames).mul_(probabilities);  // at::_softmax_backward_data depends on threads
      of_scores.addcmul_(probabilities, of_scores.sum(-1, true), -1);
      tokens_of(grad_asking, first, tokens).copy_(product(of_scores, frames.t()));
      if (to_memory)
        frames_of(result[of_memory], keys, row)
            .copy_(product(probabilities.t(), of_mixed.t()).add_(product(of_scores.t(), tokens_of(asking, first, tokens).t())));
    });
    if (context->needs_input_grad(of_key_weight)) result[of_key_weight] = weight_gradient(scaled, grad_asking);
    if (context->needs_input_grad(of_q))
      result[of_q] = from_frames(grad_asking, key_weight, {}, heads).mul_(context->saved_data["scale"].toDouble());
    return result;
  }

 private:
  static at::Tensor frames_of(const at::Tensor& memory, const std::vector<std::int64_t>& keys, std::size_t row) {
    return memory.narrow(0, keys[row], keys[row + 1] - keys[row]);
  }
  static at::Tensor tokens_of(const at::Tensor& x, std::int64_t first, std::int64_t tokens) {  // [tokens · heads, width]
    return x.narrow(0, first, tokens).view({tokens * x.size(1), x.size(2)});
  }
};

at::Tensor mapped_frames(const at::Tensor& q, const at::Tensor& memory, const KeysAndValues& maps, const AttentionRows& rows,
                         std::int64_t heads, double scale, const RandomSite& site) {
  const auto split = [&](const at::Tensor& x) { return x.view({x.size(0), heads, x.size(1) / heads}); };
  const at::Tensor keys = linear(memory, maps.key_weight, at::Tensor()), values = linear(memory, maps.value_weight, maps.value_bias);
  return attention(split(q), split(keys), split(values), rows, scale, site).view(q.sizes());
}

}  // namespace

at::Tensor cross_attention(const at::Tensor& q, const at::Tensor& memory, const KeysAndValues& maps, const AttentionRows& rows,
                           std::int64_t heads, double scale, const RandomSite& site) {
  if (!q.is_cpu() || q.scalar_type() != at::kFloat || site.p > 0) return mapped_frames(q, memory, maps, rows, heads, scale, site);
  const std::size_t count = rows.queries.size() - 1;
  const auto is_short = [&](std::size_t row) { return (rows.queries[row + 1] - rows.queries[row]) * heads <= q.size(1); };
  // Runs of rows of one kind, padding with the last.
  std::vector<at::Tensor> parts;
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && is_short(end) == is_short(begin)) ++end;
    const auto part_of = [&](const at::Tensor& x, const std::vector<std::int64_t>& starts) {
      return x.narrow(0, starts[begin], (end == count ? x.size(0) : starts[end]) - starts[begin]);
    };
    const auto from_zero = [&](const std::vector<std::int64_t>& starts) {
      std::vector<std::int64_t> part(starts.begin() + static_cast<std::ptrdiff_t>(begin),
                                     starts.begin() + static_cast<std::ptrdiff_t>(end) + 1);
      for (std::int64_t& start : part) start -= starts[begin];
      return part;
    };
    const at::Tensor asking = part_of(q, rows.queries), asked = part_of(memory, rows.keys);
    const AttentionRows part{from_zero(rows.queries), from_zero(rows.keys)};
    parts.push_back(is_short(begin) ? MappedTokensFunction::apply(asking, asked, maps.key_weight, maps.value_weight, maps.value_bias, part,
                                                                  heads, scale)
                                    : mapped_frames(asking, asked, maps, part, heads, scale, site));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace thaw
