#include "framework/nn/key_value_cache.h"

#include <type_traits>

#include "framework/nn/cpu/kernels.h"
#include "framework/nn/parallel.h"

namespace thaw {

KeyValueCache::KeyValueCache(std::int64_t layers, std::int64_t heads, std::int64_t head_dim, std::int64_t tokens, at::ScalarType type)
    : keys_(at::zeros({layers, heads, head_dim, cpu::padded(tokens)}, type)),
      values_(at::zeros({layers, heads, tokens, cpu::padded(head_dim)}, type)) {}

KeyValueCache KeyValueCache::clone() const {
  KeyValueCache copy;
  copy.keys_ = keys_.clone();
  copy.values_ = values_.clone();
  return copy;
}

void KeyValueCache::grow(std::int64_t more) {
  KeyValueCache larger(keys_.size(0), keys_.size(1), keys_.size(2), more, keys_.scalar_type());
  larger.keys_.narrow(3, 0, keys_.size(3)).copy_(keys_);
  larger.values_.narrow(2, 0, tokens()).copy_(values_);
  *this = larger;
}

template <typename From, typename To>
void KeyValueCache::write_as(std::int64_t layer, std::int64_t first, const at::Tensor& k, const at::Tensor& v) {
  constexpr bool from_bf16 = std::is_same_v<From, at::BFloat16>, to_bf16 = std::is_same_v<To, at::BFloat16>;
  constexpr std::int64_t few = 16;
  const std::int64_t count = k.size(0), heads = keys_.size(1), dim = keys_.size(2), ldk = keys_.size(3), ldv = values_.size(3);
  parallel_for(0, heads, count > few ? 1 : heads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t head = begin; head < end; ++head) {
      const From *const from_keys = k.const_data_ptr<From>() + head * dim, *const from_values = v.const_data_ptr<From>() + head * dim;
      To* const to_keys = keys_.mutable_data_ptr<To>() + (layer * heads + head) * dim * ldk + first;
      To* const to_values = values_.mutable_data_ptr<To>() + ((layer * heads + head) * tokens() + first) * ldv;
      cpu::kernels().transpose(from_bf16, to_bf16, from_keys, k.stride(0), count, dim, to_keys, ldk);
      for (std::int64_t t = 0; t < count; ++t)
        for (std::int64_t d = 0; d < dim; ++d) to_values[t * ldv + d] = static_cast<To>(from_values[t * v.stride(0) + d]);
    }
  });
}

void KeyValueCache::write(std::int64_t layer, std::int64_t first, const at::Tensor& k, const at::Tensor& v) {
  if (keys_.scalar_type() == at::kFloat) write_as<float, float>(layer, first, k, v);
  else if (k.scalar_type() == at::kFloat) write_as<float, at::BFloat16>(layer, first, k, v);
  else write_as<at::BFloat16, at::BFloat16>(layer, first, k, v);
}

void KeyValueCache::attend(std::int64_t layer, std::int64_t head, std::int64_t length, const float* q, float scale, float* out,
                           float* probabilities) const {
  const auto at = [&](const at::Tensor& x) {
    const std::int64_t place = (layer * x.size(1) + head) * x.size(2) * x.size(3);
    return static_cast<const char*>(x.const_data_ptr()) + place * static_cast<std::int64_t>(x.element_size());
  };
  cpu::kernels().attend_one(keys_.scalar_type() == at::kBFloat16, q, at(keys_), keys_.size(3), at(values_), length, keys_.size(2), scale,
                            out, probabilities);
}

}  // namespace thaw
