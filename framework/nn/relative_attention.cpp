#include "framework/nn/relative_attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include "framework/base/random.h"
#include "framework/nn/ops.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// One row of the inputs, heads first, in fp32 (or double, to be judged).
class Row {
 public:
  Row(const variable_list& inputs, std::int64_t start, std::int64_t length, double scale, const RandomSite& site)
      : start_(start), length_(length), scale_(scale), site_(site) {
    wide_ = inputs[0].scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    q_ = heads_first(inputs[0]), k_ = heads_first(inputs[1]), v_ = heads_first(inputs[2]);
    gate_ = inputs[3].narrow(0, start, length).t().unsqueeze(2);
    // Row i of the bias begins where distance −i stands: windows over the distances, the last one first.
    const std::int64_t longest = (inputs[4].size(1) + 1) / 2;
    bias_ = inputs[4].narrow(1, longest - length, 2 * length - 1).unfold(1, length, 1).flip(1);
    // A key of its own for each row: rows of different lengths count alike.
    site_.key = random_key(site.key, site.first_token + start);
    site_.first_token = 0;
  }

  at::Tensor heads_first(const at::Tensor& x) const { return x.narrow(0, start_, length_).to(wide_).transpose(0, 1).contiguous(); }

  at::Tensor probabilities() const { return at::softmax(at::baddbmm(gate_ * bias_, q_, k_.transpose(1, 2), 1, scale_), -1); }
  at::Tensor drop(const at::Tensor& x) const {  // [heads, length, length]
    return site_.p > 0 ? dropout(x.reshape({-1, length_}), site_).view(x.sizes()) : x;
  }
  at::Tensor mixed(const at::Tensor& dropped) const { return at::bmm(dropped, v_).transpose(0, 1); }

  struct Gradients {
    at::Tensor q, k, v, gate, by_distance;
  };
  Gradients backward(const at::Tensor& grad_given) const {
    const at::Tensor grad = heads_first(grad_given), p = probabilities(), dropped = drop(p);
    const at::Tensor of_p = drop(at::bmm(grad, v_.transpose(1, 2)));
    const at::Tensor of_scores = p * (of_p - (of_p * p).sum(-1, true));
    return {at::bmm(of_scores, k_).mul_(scale_).transpose(0, 1), at::bmm(of_scores.transpose(1, 2), q_).mul_(scale_).transpose(0, 1),
            at::bmm(dropped.transpose(1, 2), grad).transpose(0, 1), (of_scores * bias_).sum(-1).t(), along_diagonals(of_scores * gate_)};
  }

 private:
  // Sums over equal distances: rows that begin one place later each have equal distances in one column.
  static at::Tensor along_diagonals(const at::Tensor& x) {
    const std::int64_t heads = x.size(0), length = x.size(1);
    const at::Tensor wide = at::constant_pad_nd(x.flip(1), {0, length}).view({heads, 2 * length * length});
    return wide.narrow(1, 0, (2 * length - 1) * length).view({heads, length, 2 * length - 1}).sum(1);
  }

  std::int64_t start_, length_;
  double scale_;
  RandomSite site_;
  at::ScalarType wide_;
  at::Tensor q_, k_, v_, gate_, bias_;
};

class RelativeAttentionFunction : public Function<RelativeAttentionFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& q, const Variable& k, const Variable& v, const Variable& gate,
                          const Variable& by_distance, const std::vector<std::int64_t>& cu_seqlens, double scale, double p,
                          std::int64_t key, std::int64_t first_token) {
    const at::NoGradGuard no_grad;
    const RandomSite site{p, static_cast<std::uint64_t>(key), first_token};
    at::Tensor out = at::zeros_like(q, at::MemoryFormat::Contiguous);
    for (std::size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
      const std::int64_t start = cu_seqlens[i], length = cu_seqlens[i + 1] - start;
      const Row row({q, k, v, gate, by_distance}, start, length, scale, site);
      out.narrow(0, start, length).copy_(row.mixed(row.drop(row.probabilities())));
    }
    context->save_for_backward({q, k, v, gate, by_distance});
    context->saved_data["cu_seqlens"] = cu_seqlens;
    context->saved_data["scale"] = scale;
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    context->saved_data["first"] = first_token;
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const std::vector<std::int64_t> cu_seqlens = context->saved_data["cu_seqlens"].toIntVector();
    const RandomSite site{context->saved_data["p"].toDouble(), static_cast<std::uint64_t>(context->saved_data["key"].toInt()),
                          context->saved_data["first"].toInt()};
    variable_list result(10);
    for (std::size_t i = 0; i < 5; ++i) result[i] = at::zeros_like(saved[i], at::MemoryFormat::Contiguous);
    const std::int64_t longest = (saved[4].size(1) + 1) / 2;
    for (std::size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
      const std::int64_t start = cu_seqlens[i], length = cu_seqlens[i + 1] - start;
      const Row::Gradients of = Row(saved, start, length, context->saved_data["scale"].toDouble(), site).backward(grads[0]);
      const at::Tensor* const parts[] = {&of.q, &of.k, &of.v, &of.gate};
      for (std::size_t part = 0; part < 4; ++part) result[part].narrow(0, start, length).copy_(*parts[part]);
      result[4].narrow(1, longest - length, 2 * length - 1).add_(of.by_distance);
    }
    return result;
  }
};

}  // namespace

at::Tensor relative_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& gate,
                              const at::Tensor& by_distance, const std::vector<std::int64_t>& cu_seqlens, double scale,
                              const RandomSite& site) {
  return RelativeAttentionFunction::apply(q, k, v, gate, by_distance, cu_seqlens, scale, site.p, static_cast<std::int64_t>(site.key),
                                          site.first_token);
}

}  // namespace thaw
