#include "datasets/shards/shard_file.h"

#include <algorithm>
#include <bit>

#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are little-endian, and read as they lie");

constexpr const char* remedy = "shard it again (remove the directory first where it lies in the cache)";

MappedFile map(const fs::path& path) {
  std::error_code error;  // of a name that no file can have
  if (!fs::exists(path, error))
    throw DataError(ExitCode::input_missing, "{}: the index names this shard, which is missing: {}", path.string(), remedy);
  return MappedFile(path);
}

}  // namespace

ShardFile::ShardFile(const fs::path& directory, const ShardIndex& index, const ShardEntry& entry)
    : path_(directory / entry.file),
      entry_(entry),
      file_(map(path_)),
      text_(file_.text()),
      checked_(std::make_unique<std::atomic<bool>[]>(entry.xxh3.size())) {
  // Sizes are compared before anything is touched: what lies behind the end of a mapped file is a bus error.
  if (text_.size() != entry.bytes)
    throw DataError("{}: expected {} bytes, found {}: {}", path_.string(), entry.bytes, text_.size(), remedy);
  check_blocks(0, 1);  // HDF5's own headers
  const auto columns = index.columns();
  const std::vector<Extent> extents = find_datasets(path_, columns);
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const auto& [name, dtype] = columns[i];
    const auto [offset, count] = extents[i];
    if (offset > entry.bytes || count > (entry.bytes - offset) / size_of(dtype))
      throw DataError("{}: /{}: reaches behind the end of the file: {}", path_.string(), name, remedy);
    const bool offsets = name.ends_with("_offsets");
    const std::uint64_t expected = name == "input_ids"            ? entry.tokens
                                   : offsets                      ? entry.rows + 1
                                   : index.has(name + "_offsets") ? count
                                                                  : entry.rows;
    if (count != expected) throw DataError("{}: /{}: expected {} values, found {}: {}", path_.string(), name, expected, count, remedy);
    const std::string column = offsets ? name.substr(0, name.rfind('_')) : name;
    const auto place = std::find(column_names.begin(), column_names.end(), column) - column_names.begin();
    (offsets ? offsets_ : extents_).at(static_cast<std::size_t>(place)) = extents[i];
  }
}

void ShardFile::check_blocks(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end) return;
  for (std::uint64_t block = begin / block_bytes; block <= (end - 1) / block_bytes; ++block) {
    if (checked_[block].load(std::memory_order_acquire)) continue;
    const std::string found = hash_hex(text_.substr(block * block_bytes, block_bytes));
    if (found != entry_.xxh3[block])
      throw DataError("{}: block {} (bytes {} to {}) is damaged: expected the checksum {}, found {}: {}", path_.string(), block,
                      block * block_bytes, std::min((block + 1) * block_bytes, entry_.bytes), entry_.xxh3[block], found, remedy);
    checked_[block].store(true, std::memory_order_release);
  }
}

std::pair<std::uint64_t, std::uint64_t> ShardFile::bounds(Column column, std::uint64_t row) const {
  const auto offsets = checked<std::uint64_t>(offsets_[static_cast<std::size_t>(column)], column, row, 2);
  const std::uint64_t begin = offsets[0], end = offsets[1], all = extents_[static_cast<std::size_t>(column)].count;
  if (begin > end || end > all || (row == 0 && begin != 0) || (row + 1 == entry_.rows && end != all))
    throw DataError("{}: /{}_offsets: row {} is said to be {} to {} of {} values: {}", path_.string(),
                    column_names[static_cast<std::size_t>(column)], row, begin, end, all, remedy);
  return {begin, end};
}

std::string ShardFile::string(Column column, std::uint64_t row) const {
  const auto [begin, end] = bounds(column, row);
  values<char>(column, begin, end - begin);  // checks the blocks
  return std::string(text_.substr(extents_[static_cast<std::size_t>(column)].offset + begin, end - begin));
}

void ShardFile::out_of_range(Column column, std::uint64_t first, std::uint64_t count) const {
  throw DataError("{}: /{}: there are no values {} to {}: {}", path_.string(), column_names[static_cast<std::size_t>(column)], first,
                  first + count, remedy);
}

}  // namespace thaw
