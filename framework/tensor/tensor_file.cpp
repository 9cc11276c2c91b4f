#include "framework/tensor/tensor_file.h"

#include <algorithm>
#include <cstring>

#include "framework/base/error.h"
#include "framework/tensor/damage.h"

namespace thaw {
namespace {

constexpr std::size_t most_dimensions = 64;  // LibTorch's own limit for copies

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<std::int64_t>(shape[d], 1);
  return strides;
}

bool empty(const StoredTensor& stored) { return std::find(stored.shape.begin(), stored.shape.end(), 0) != stored.shape.end(); }

bool contiguous(const StoredTensor& stored) {
  const std::vector<std::int64_t> wanted = contiguous_strides(stored.shape);
  for (std::size_t d = 0; d < wanted.size(); ++d)
    if (stored.shape[d] > 1 && stored.strides[d] != wanted[d]) return false;
  return true;
}

// Elements from the first to the last one, in memory; 0 of an empty tensor. `add` has seen that it fits.
std::int64_t reach(const StoredTensor& stored) {
  if (empty(stored)) return 0;
  std::int64_t last = 0;
  for (std::size_t d = 0; d < stored.shape.size(); ++d) last += (stored.shape[d] - 1) * stored.strides[d];
  return last + 1;
}

}  // namespace

std::vector<std::string> TensorFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : tensors_) names.push_back(name);
  return names;
}

const StoredTensor& TensorFile::stored(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw ModelError("{}: expected a tensor '{}', which is missing", path_, name);
  return found->second;
}

void TensorFile::add(const std::string& name, StoredTensor stored) {
  const std::size_t available = file_->bytes().size(), size = at::elementSize(stored.type);
  if (stored.shape.size() > most_dimensions)
    throw ModelError("{}: {}: expected up to {} dimensions, found {}; {}", path_, name, most_dimensions, stored.shape.size(),
                     download_again);
  // LibTorch multiplies extents beside one of 0 too, for strides.
  std::int64_t elements = 1, last = 0;
  bool fits = stored.strides.empty() || stored.strides.size() == stored.shape.size();
  for (const std::int64_t extent : stored.shape)
    fits = fits && extent >= 0 && !__builtin_mul_overflow(elements, std::max<std::int64_t>(extent, 1), &elements);
  fits = fits && static_cast<std::uint64_t>(elements) <= (std::uint64_t{1} << 62) / size;
  if (!fits)
    throw ModelError("{}: {}: the shape [{}] with strides [{}] cannot be; {}", path_, name, fmt::join(stored.shape, ", "),
                     fmt::join(stored.strides, ", "), download_again);
  if (stored.strides.empty()) stored.strides = contiguous_strides(stored.shape);
  if (!empty(stored)) {
    for (std::size_t d = 0; d < stored.shape.size(); ++d) {
      std::int64_t step = 0;
      fits = fits && stored.strides[d] >= 0 && !__builtin_mul_overflow(stored.shape[d] - 1, stored.strides[d], &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    fits = fits && stored.begin <= available && static_cast<std::uint64_t>(last) < (available - stored.begin) / size;
    if (!fits)
      throw ModelError("{}: {}: expected its elements inside the file's {} bytes, found shape [{}] with strides [{}] from byte {} on; {}",
                       path_, name, available, fmt::join(stored.shape, ", "), fmt::join(stored.strides, ", "), stored.begin,
                       download_again);
    // A stride of 0 shows the same element many times: what comes of that must fit into memory.
    if (static_cast<std::uint64_t>(elements) > available / size)
      throw ModelError("{}: {}: shows more elements ({}) than the file holds: save it as a contiguous tensor", path_, name, elements);
  }
  if (!tensors_.emplace(name, std::move(stored)).second) throw ModelError("{}: has '{}' twice; {}", path_, name, download_again);
}

void TensorFile::add_alias(const std::string& alias, const std::string& name) { add(alias, stored(name)); }

bool TensorFile::maps(const std::string& name) const {
  const StoredTensor& found = stored(name);
  // Mappings begin at a page.
  return found.scales.empty() && !empty(found) && contiguous(found) && found.begin % at::elementSize(found.type) == 0;
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const StoredTensor& found = stored(name);
  auto* const bytes = const_cast<std::byte*>(file_->bytes().data() + found.begin);
  const at::TensorOptions options = at::dtype(found.type);
  if (maps(name))
    return at::from_blob(
        bytes, found.shape, [keep = file_](void*) {}, options);
  at::Tensor copy = at::empty({reach(found)}, options);
  if (copy.numel() > 0) std::memcpy(copy.data_ptr(), bytes, copy.nbytes());
  copy = copy.numel() == 0 ? at::empty(found.shape, options) : copy.as_strided(found.shape, found.strides).contiguous();
  if (found.scales.empty()) return copy;
  at::Tensor scales = tensor(found.scales).to(at::kFloat);
  if (scales.dim() == 1) {
    std::vector<std::int64_t> column(found.shape.size(), 1);
    column[0] = found.shape[0];
    scales = scales.view(column);
  }
  return copy.to(at::kFloat).div_(scales);
}

}  // namespace thaw
