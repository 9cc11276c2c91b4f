#include "framework/thaw/activation_region.h"

#include <algorithm>
#include <cstring>

namespace thaw {
namespace {

enum Presence : std::uint8_t { absent, being_written, present };

}  // namespace

ActivationRegion::ActivationRegion(const Model& model, int layer, const std::vector<std::vector<std::uint32_t>>& lengths)
    : width_(model.width_read(layer)),
      dtype_(model.flow_type()),
      token_bytes_(static_cast<std::uint64_t>(width_) * c10::elementSize(dtype_)) {
  std::uint64_t rows = 0;
  for (const auto& set : lengths) rows += set.size();
  std::uint64_t row = 0, offset = (rows + 4095) / 4096 * 4096;
  for (const auto& set : lengths) {
    first_row_.push_back(row);
    row += set.size();
    auto& offsets = offsets_.emplace_back();
    for (const std::uint32_t length : set) {
      offsets.push_back(offset);
      offset += static_cast<std::uint64_t>(model.tokens_read(layer, length)) * token_bytes_;
    }
    offsets.push_back(offset);
  }
  bytes_ = offset;
}

bool ActivationRegion::open(Communicator& node, const std::string& directory, std::uint64_t bytes, std::string& problem) {
  file_ = SharedFile::create(node, directory, std::min(bytes, bytes_), problem);
  return file_ != nullptr;
}

std::atomic_ref<std::uint8_t> ActivationRegion::presence(const CacheRow& row) const {
  return std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(file_->data() + first_row_[row.set] + row.row));
}

bool ActivationRegion::has(const CacheRow& row) const {
  return offsets_[row.set][row.row + 1] <= bytes_kept() && presence(row).load(std::memory_order_acquire) == present;
}

std::span<const std::byte> ActivationRegion::bytes(const CacheRow& row) const {
  return {at(row), offsets_[row.set][row.row + 1] - offsets_[row.set][row.row]};
}

at::Tensor ActivationRegion::values(const CacheRow& row) const {
  const auto tokens = static_cast<std::int64_t>(bytes(row).size() / token_bytes_);
  return at::from_blob(at(row), {tokens, width_}, at::TensorOptions(dtype_));
}

bool ActivationRegion::begin_writing(const CacheRow& row) {
  if (offsets_[row.set][row.row + 1] > bytes_kept()) return false;
  auto expected = static_cast<std::uint8_t>(absent);
  return presence(row).compare_exchange_strong(expected, being_written);
}

void ActivationRegion::end_writing(const CacheRow& row) { presence(row).store(present, std::memory_order_release); }

bool ActivationRegion::store(const CacheRow& row, const at::Tensor& given) {
  if (!begin_writing(row)) return false;
  values(row).copy_(given);
  end_writing(row);
  return true;
}

bool ActivationRegion::store(const CacheRow& row, std::span<const std::byte> given) {
  if (given.size() != bytes(row).size() || !begin_writing(row)) return false;
  std::memcpy(at(row), given.data(), given.size());
  end_writing(row);
  return true;
}

}  // namespace thaw
