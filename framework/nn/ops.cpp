#include "framework/nn/ops.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numeric>

#include "framework/base/error.h"
#include "framework/nn/composed.h"
#include "framework/nn/cpu/kernels.h"
#include "framework/nn/parallel.h"
#include "framework/nn/product.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

bool is_bf16(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }

cpu::DropoutArgs dropout_args(const RandomSite& site) {
  cpu::DropoutArgs args;
  args.key = site.key;
  args.first_token = site.first_token;
  args.threshold = static_cast<std::uint32_t>(std::lround(site.p * 65536));
  args.scale = 65536.0F / static_cast<float>(65536 - args.threshold);
  return args;
}

// A site as backward finds it again.
void save_site(AutogradContext* context, double p, std::int64_t key, std::int64_t first_token) {
  context->saved_data["p"] = p;
  context->saved_data["key"] = key;
  context->saved_data["first"] = first_token;
}

RandomSite saved_site(AutogradContext* context) {
  return {context->saved_data["p"].toDouble(), static_cast<std::uint64_t>(context->saved_data["key"].toInt()),
          context->saved_data["first"].toInt()};
}

class LinearFunction : public Function<LinearFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& weight, const std::optional<Variable>& bias) {
    const at::NoGradGuard no_grad;
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return product(x, weight, bias);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], grad = grads[0].contiguous();
    variable_list result(3);
    if (context->needs_input_grad(0)) result[0] = product(grad, weight.t());
    if (context->needs_input_grad(1)) result[1] = product(grad.t(), x.t());
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) result[2] = column_sum(grad).to(weight.scalar_type());
    return result;
  }
};

class DropoutFunction : public Function<DropoutFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, double p, std::int64_t key, std::int64_t first_token) {
    save_site(context, p, key, first_token);
    return apply_mask(x, {p, static_cast<std::uint64_t>(key), first_token});
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const RandomSite site = saved_site(context);
    return {apply_mask(grads[0], site), {}, {}, {}};
  }

 private:
  static at::Tensor apply_mask(const at::Tensor& given, const RandomSite& site) {
    if (!given.is_cpu()) return given * composed::mask(site, given.size(0), given.size(1)).to(given.device(), given.scalar_type());
    const at::Tensor x = given.contiguous();
    at::Tensor y = at::empty_like(x);
    for_blocks(x.size(0), [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      cpu::kernels().dropout(is_bf16(x), x.data_ptr(), y.data_ptr(), begin, end, x.size(1), dropout_args(site));
    });
    return y;
  }
};

// LN(dropout(x) + residual), or LN(x) where there is no residual.
class NormFunction : public Function<NormFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x_given, const std::optional<Variable>& residual_given,
                          const Variable& gamma, const Variable& beta, double eps, double p, std::int64_t key, std::int64_t first_token) {
    const at::Tensor x = x_given.contiguous(), residual = residual_given ? residual_given->contiguous() : at::Tensor();
    const std::int64_t rows = x.size(0), width = x.size(1);
    const RandomSite site{p, static_cast<std::uint64_t>(key), first_token};
    at::Tensor sum = residual.defined() ? at::empty_like(x) : x, y = at::empty_like(x);
    const at::Tensor stats = at::empty({rows, 2}, x.options().dtype(at::kFloat));
    for_blocks(rows, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      cpu::kernels().norm_forward(is_bf16(x), x.data_ptr(), residual.defined() ? residual.data_ptr() : nullptr, sum.data_ptr(),
                                  y.data_ptr(), stats.data_ptr<float>(), gamma.data_ptr<float>(), beta.data_ptr<float>(), begin, end, width,
                                  static_cast<float>(eps), dropout_args(site));
    });
    context->save_for_backward({sum, stats, gamma});
    context->saved_data["residual"] = residual.defined();
    save_site(context, p, key, first_token);
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &sum = saved[0], &stats = saved[1], &gamma = saved[2], grad = grads[0].contiguous();
    const bool residual = context->saved_data["residual"].toBool();
    const RandomSite site = saved_site(context);
    const cpu::DropoutArgs args = dropout_args(site);
    const std::int64_t rows = sum.size(0), width = sum.size(1);
    at::Tensor grad_sum = at::empty_like(sum), grad_x = residual && args.threshold > 0 ? at::empty_like(sum) : at::Tensor();
    at::Tensor parts = at::zeros({2, blocks_of(rows), width}, stats.options());
    for_blocks(rows, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
      cpu::kernels().norm_backward(is_bf16(sum), grad.data_ptr(), sum.data_ptr(), stats.data_ptr<float>(), gamma.data_ptr<float>(),
                                   grad_sum.data_ptr(), grad_x.defined() ? grad_x.data_ptr() : nullptr, parts[0][block].data_ptr<float>(),
                                   parts[1][block].data_ptr<float>(), begin, end, width, args);
    });
    return {
        grad_x.defined() ? grad_x : grad_sum, residual ? grad_sum : at::Tensor(), in_order(parts[0]), in_order(parts[1]), {}, {}, {}, {}};
  }
};

class AttentionFunction : public Function<AttentionFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& q_given, const Variable& k_given, const Variable& v_given,
                          const AttentionRows& rows, double scale, double p, std::int64_t key, std::int64_t first_token) {
    const at::Tensor q = q_given.contiguous(), k = k_given.contiguous(), v = v_given.contiguous();
    at::Tensor out = empty_but_padding(q, rows.queries);
    const RandomSite site{p, static_cast<std::uint64_t>(key), first_token};
    for_heads(q, rows, scale, site, [&](const Part& part, const cpu::DropoutArgs& dropout, float* scratch) {
      cpu::kernels().attention_forward(is_bf16(q), at(q, part.query), at(k, part.key), at(v, part.key), at(out, part.query), part.args,
                                       dropout, scratch);
    });
    context->save_for_backward({q, k, v});
    context->saved_data["queries"] = rows.queries;
    context->saved_data["keys"] = rows.keys;
    context->saved_data["causal"] = rows.causal;
    context->saved_data["first_tokens"] = rows.first_tokens;
    context->saved_data["scale"] = scale;
    save_site(context, p, key, first_token);
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], grad = grads[0].contiguous();
    const auto of = [&](const char* name) -> const c10::IValue& { return context->saved_data[name]; };
    const AttentionRows rows{of("queries").toIntVector(), of("keys").toIntVector(), of("causal").toBool(), of("first_tokens").toBool()};
    at::Tensor gq = empty_but_padding(q, rows.queries), gk = empty_but_padding(k, rows.keys), gv = empty_but_padding(v, rows.keys);
    for_heads(q, rows, of("scale").toDouble(), saved_site(context), [&](const Part& part, const cpu::DropoutArgs& dropout, float* scratch) {
      cpu::kernels().attention_backward(is_bf16(q), at(q, part.query), at(k, part.key), at(v, part.key), at(grad, part.query),
                                        at(gq, part.query), at(gk, part.key), at(gv, part.key), part.args, dropout, scratch);
    });
    return {gq, gk, gv, {}, {}, {}, {}, {}};
  }

 private:
  static void* at(const at::Tensor& x, std::int64_t element) {
    return static_cast<char*>(x.data_ptr()) + element * static_cast<std::int64_t>(x.element_size());
  }

  // Memory for what every row's part is written to; tokens past the last row are zero.
  static at::Tensor empty_but_padding(const at::Tensor& like, const std::vector<std::int64_t>& cu_seqlens) {
    at::Tensor out = at::empty_like(like);
    const std::int64_t padding = out.size(0) - cu_seqlens.back();
    if (padding > 0) out.narrow(0, cu_seqlens.back(), padding).zero_();
    return out;
  }

  struct Part {  // one head of one row: where its queries and its keys begin
    std::int64_t query, key;
    cpu::AttentionArgs args;
  };

  // Every (row, head) once, in parallel; each writes only its own part.
  template <typename Work>
  static void for_heads(const at::Tensor& q, const AttentionRows& rows, double scale, const RandomSite& site, const Work& work) {
    const std::int64_t heads = q.size(1), dim = q.size(2), row_count = static_cast<std::int64_t>(rows.keys.size()) - 1;
    parallel_for(0, row_count * heads, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t head = i % heads;
        const auto row = static_cast<std::size_t>(i / heads);
        const std::int64_t query = rows.queries[row], queries = rows.queries[row + 1] - query;
        const std::int64_t key = rows.keys[row], length = rows.keys[row + 1] - key;
        const auto needed = static_cast<std::size_t>(cpu::attention_scratch(queries, length, dim));
        if (scratch.size() < needed) scratch.resize(needed);
        cpu::DropoutArgs dropout = dropout_args(site);
        dropout.first_token += rows.first_tokens ? key : query;
        work({(query * heads + head) * dim,
              (key * heads + head) * dim,
              {heads * dim, heads * dim, queries, length, dim, static_cast<float>(scale), rows.causal, head, heads}},
             dropout, scratch.data());
      }
    });
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!x.is_cpu()) return at::linear(x, weight, if_defined(bias));
  return LinearFunction::apply(x, weight, if_defined(bias));
}

Activation activation_named(const std::string& name, const std::string& where) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  if (name == "silu" || name == "swish") return Activation::silu;
  throw ModelError("{}: hidden_act: expected gelu, gelu_new, gelu_pytorch_tanh, relu, tanh or silu, found \"{}\"", where, name);
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu: return at::gelu(x);
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::relu: return at::relu(x);
    case Activation::tanh: return at::tanh(x);
    case Activation::silu: return at::silu(x);
  }
  return x;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  if (!x.is_cpu()) return composed::layer_norm(x, gamma, beta, eps);
  return NormFunction::apply(x, std::optional<at::Tensor>(), gamma, beta, eps, 0.0, std::int64_t{0}, std::int64_t{0});
}

at::Tensor dropout_add_layer_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& gamma, const at::Tensor& beta,
                                  double eps, const RandomSite& site) {
  if (!x.is_cpu()) return composed::layer_norm(dropout(x, site) + residual, gamma, beta, eps);
  return NormFunction::apply(x, std::optional<at::Tensor>(residual), gamma, beta, eps, site.p, static_cast<std::int64_t>(site.key),
                             site.first_token);
}

at::Tensor dropout(const at::Tensor& x, const RandomSite& site) {
  if (site.p <= 0) return x;
  return DropoutFunction::apply(x, site.p, static_cast<std::int64_t>(site.key), site.first_token);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<std::int64_t>& cu_seqlens,
                     double scale, const RandomSite& site) {
  return attention(q, k, v, self_attention(cu_seqlens, q.size(0)), scale, site);
}

AttentionRows self_attention(const std::vector<std::int64_t>& cu_seqlens, std::int64_t queries) {
  AttentionRows rows{cu_seqlens, cu_seqlens};
  rows.first_tokens = queries == static_cast<std::int64_t>(cu_seqlens.size()) - 1;
  if (rows.first_tokens) std::iota(rows.queries.begin(), rows.queries.end(), 0);
  return rows;
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRows& rows, double scale,
                     const RandomSite& site) {
  if (!q.is_cpu()) return composed::attention(q, k, v, rows, scale, site);
  return AttentionFunction::apply(q, k, v, rows, scale, site.p, static_cast<std::int64_t>(site.key), site.first_token);
}

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, std::int64_t padding_id) {
  return at::embedding(weight, ids, padding_id, false, /*sparse=*/true);
}

at::Tensor pad_tokens(const at::Tensor& x) {
  const std::int64_t missing = tokens_of_pass(x.size(0)) - x.size(0);
  if (missing == 0) return x;
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape[0] = missing;
  return at::cat({x, at::zeros(shape, x.options())});
}

at::Tensor first_tokens(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens) {
  const std::vector<std::int64_t> starts(cu_seqlens.begin(), cu_seqlens.end() - 1);
  return x.index_select(0, at::tensor(starts, at::kLong).to(x.device()));
}

}  // namespace thaw
