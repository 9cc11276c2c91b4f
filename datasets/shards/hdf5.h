// HDF5's C library, as far as shards need it: files made of flat arrays, and where such arrays lie in a file.
// Every call is checked; a failure is a DataError that carries HDF5's own reasons. Files are little-endian and contiguous,
// hold no times, and keep to the 1.8 format, so that the same arrays give the same bytes and every HDF5 tool reads them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/file.h"

namespace thaw {

enum class Dtype { u8, u16, u32, u64, i16, i32, f16, f32 };         // f16: IEEE binary16, as bits in u16
const char* name_of(Dtype dtype);                                   // "u8", …
Dtype dtype_of(const std::string& name, const std::string& where);  // DataError
std::size_t size_of(Dtype dtype);

struct Hdf5Array {
  std::string dataset;
  Dtype dtype = Dtype::u8;
  const void* data = nullptr;
  std::uint64_t count = 0;  // values
};

// The bytes of a file of these datasets. HDF5 makes them in memory: what a full disk does is ours to handle, not the library's.
std::string hdf5_bytes(const std::vector<Hdf5Array>& arrays);

// Where a dataset's values lie in the file.
struct Extent {
  std::uint64_t offset = 0, count = 0;  // bytes from the start, values
};

// Opens the file without locks, looks up each dataset, checks its type, rank and layout, and closes it.
// DataError naming file and dataset. That the extents end inside the file is the caller's to check.
std::vector<Extent> find_datasets(const fs::path& file, const std::vector<std::pair<std::string, Dtype>>& datasets);

}  // namespace thaw
