// What one layer reads, of all rows: a byte of presence a row, then the values, in memory that the ranks of a node share.
// Where there is no room for all rows, the first ones have it.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/models/model.h"
#include "framework/thaw/shared_file.h"

namespace thaw {

struct CacheRow {
  std::size_t set;  // number of the set
  std::uint64_t row;
};

class ActivationRegion {
 public:
  // lengths[set][row]: of what the first layer reads.
  ActivationRegion(const Model& model, int layer, const std::vector<std::vector<std::uint32_t>>& lengths);

  std::uint64_t bytes_wanted() const { return bytes_; }
  // Collective over the node. False, with the reason in `problem`, where there is no room or the directory is no use.
  bool open(Communicator& node, const std::string& directory, std::uint64_t bytes, std::string& problem);
  std::uint64_t bytes_kept() const { return file_ ? file_->size() : 0; }  // without a file nothing is ever there

  bool has(const CacheRow& row) const;
  at::Tensor values(const CacheRow& row) const;  // [tokens, width], a view of what is kept
  std::span<const std::byte> bytes(const CacheRow& row) const;
  // The first rank to come writes a row, and gets true; another that has it at the same time leaves it.
  bool store(const CacheRow& row, const at::Tensor& values);
  bool store(const CacheRow& row, std::span<const std::byte> values);

 private:
  std::byte* at(const CacheRow& row) const { return file_->data() + offsets_[row.set][row.row]; }
  std::atomic_ref<std::uint8_t> presence(const CacheRow& row) const;
  bool begin_writing(const CacheRow& row);
  void end_writing(const CacheRow& row);

  std::int64_t width_;
  at::ScalarType dtype_;
  std::uint64_t token_bytes_, bytes_ = 0;
  std::vector<std::uint64_t> first_row_;             // by set
  std::vector<std::vector<std::uint64_t>> offsets_;  // by set and row, and the end
  std::unique_ptr<SharedFile> file_;
};

}  // namespace thaw
