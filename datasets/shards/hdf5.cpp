#include "datasets/shards/hdf5.h"

#include <hdf5.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "framework/base/error.h"

namespace thaw {
namespace {

// One caller at a time: not every build of the library takes several threads.
std::mutex& library() {
  static std::mutex mutex;
  return mutex;
}

// The error stack as one line, outermost call first; empties it.
std::string reasons() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_DOWNWARD,
      [](unsigned, const H5E_error2_t* error, void* into) -> herr_t {
        auto& all = *static_cast<std::string*>(into);
        if (error->desc != nullptr) all += (all.empty() ? "" : "; ") + std::string(error->desc);
        return 0;
      },
      &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "no reason given" : text;
}

template <typename Result>
Result checked(Result result, const char* call, const std::string& where) {
  if (result >= 0) return result;
  const std::string_view name(call);
  throw DataError("{}: HDF5's {} failed: {}", where, name.substr(0, name.find('(')), reasons());
}
#define THAW_H5(where, call) checked(call, #call, where)

// Closes what was opened.
class Handle {
 public:
  Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), closer_(closer) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }
  herr_t close() { return id_ < 0 ? 0 : closer_(std::exchange(id_, -1)); }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*closer_)(hid_t);
};

// A file that HDF5's core driver keeps in memory, taken over as the driver closes it. (H5Fget_file_image gives it while it is
// open, with a checksum of the superblock that is wrong then: HDF5 1.10.8.)
struct Image {
  std::size_t size = 0;
  std::string bytes;
};

H5FD_file_image_callbacks_t taken_by(Image& image) {
  using Step = H5FD_file_image_op_t;
  return {[](std::size_t size, Step, void*) { return std::malloc(size); },
          [](void* to, const void* from, std::size_t size, Step, void*) { return std::memcpy(to, from, size); },
          [](void* memory, std::size_t size, Step, void*) { return std::realloc(memory, size); },
          [](void* memory, Step step, void* into) -> herr_t {
            if (auto& taken = *static_cast<Image*>(into); step == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
              taken.bytes.assign(static_cast<char*>(memory), taken.size);
            std::free(memory);
            return 0;
          },
          [](void* same) { return same; },
          [](void*) -> herr_t { return 0; },
          &image};
}

// Errors are thrown, not printed. The printer is a setting of each thread in a thread-safe build.
void silence() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

// This version of the library knows no half precision of its own; h5py reads (and writes) it as the same type. Never closed:
// there is one. Called under the library's lock.
hid_t half_type() {
  static const hid_t type = [] {
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    const bool made = H5Tset_fields(half, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(half, 2) >= 0 && H5Tset_ebias(half, 15) >= 0;
    return made ? half : hid_t{-1};
  }();
  return type;
}

hid_t file_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::u8: return H5T_STD_U8LE;
    case Dtype::u16: return H5T_STD_U16LE;
    case Dtype::u32: return H5T_STD_U32LE;
    case Dtype::u64: return H5T_STD_U64LE;
    case Dtype::i16: return H5T_STD_I16LE;
    case Dtype::i32: return H5T_STD_I32LE;
    case Dtype::f16: return half_type();
    case Dtype::f32: return H5T_IEEE_F32LE;
  }
  return -1;
}

constexpr std::array<std::pair<const char*, std::size_t>, 8> dtypes{
    {{"u8", 1}, {"u16", 2}, {"u32", 4}, {"u64", 8}, {"i16", 2}, {"i32", 4}, {"f16", 2}, {"f32", 4}}};

}  // namespace

const char* name_of(Dtype dtype) { return dtypes[static_cast<std::size_t>(dtype)].first; }
std::size_t size_of(Dtype dtype) { return dtypes[static_cast<std::size_t>(dtype)].second; }

Dtype dtype_of(const std::string& name, const std::string& where) {
  for (std::size_t i = 0; i < dtypes.size(); ++i)
    if (name == dtypes[i].first) return static_cast<Dtype>(i);
  throw DataError("{}: expected a dtype (u8, u16, u32, u64, i16, i32, f16, f32), found '{}'", where, name);
}

std::string hdf5_bytes(const std::vector<Hdf5Array>& arrays) {
  Image image;
  H5FD_file_image_callbacks_t callbacks = taken_by(image);
  const std::lock_guard lock(library());
  silence();
  const std::string name = "a shard in memory";
  const Handle access(THAW_H5(name, H5Pcreate(H5P_FILE_ACCESS)), H5Pclose);
  THAW_H5(name, H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18));
  THAW_H5(name, H5Pset_fapl_core(access, std::size_t{1} << 20, false));
  THAW_H5(name, H5Pset_file_image_callbacks(access, &callbacks));
  const Handle file_creation(THAW_H5(name, H5Pcreate(H5P_FILE_CREATE)), H5Pclose);
  THAW_H5(name, H5Pset_obj_track_times(file_creation, false));
  Handle file(THAW_H5(name, H5Fcreate("in memory", H5F_ACC_TRUNC, file_creation, access)), H5Fclose);
  const Handle creation(THAW_H5(name, H5Pcreate(H5P_DATASET_CREATE)), H5Pclose);
  THAW_H5(name, H5Pset_obj_track_times(creation, false));
  THAW_H5(name, H5Pset_layout(creation, H5D_CONTIGUOUS));
  for (const Hdf5Array& array : arrays) {
    const std::string where = name + ": /" + array.dataset;
    const hid_t type = file_type(array.dtype);
    const hsize_t extent = array.count;
    const Handle space(THAW_H5(where, H5Screate_simple(1, &extent, nullptr)), H5Sclose);
    const Handle set(THAW_H5(where, H5Dcreate2(file, array.dataset.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT)), H5Dclose);
    if (array.count > 0) THAW_H5(where, H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.data));
  }
  THAW_H5(name, H5Fflush(file, H5F_SCOPE_GLOBAL));  // from here on the size is what it stays
  image.size = static_cast<std::size_t>(THAW_H5(name, H5Fget_file_image(file, nullptr, 0)));
  THAW_H5(name, file.close());
  return std::move(image.bytes);
}

std::vector<Extent> find_datasets(const fs::path& path, const std::vector<std::pair<std::string, Dtype>>& datasets) {
  const std::lock_guard lock(library());
  silence();
  const std::string name = path.string();
  const Handle access(THAW_H5(name, H5Pcreate(H5P_FILE_ACCESS)), H5Pclose);
  THAW_H5(name, H5Pset_file_locking(access, false, true));  // shared file systems may have no locks to give
  const Handle file(THAW_H5(name, H5Fopen(name.c_str(), H5F_ACC_RDONLY, access)), H5Fclose);
  std::vector<Extent> extents;
  for (const auto& [dataset, dtype] : datasets) {
    const std::string where = name + ": /" + dataset;
    const Handle set(THAW_H5(where, H5Dopen2(file, dataset.c_str(), H5P_DEFAULT)), H5Dclose);
    const Handle type(THAW_H5(where, H5Dget_type(set)), H5Tclose);
    if (THAW_H5(where, H5Tequal(type, file_type(dtype))) == 0)
      throw DataError("{}: expected values of {}, found another type", where, name_of(dtype));
    const Handle creation(THAW_H5(where, H5Dget_create_plist(set)), H5Pclose);
    if (THAW_H5(where, H5Pget_layout(creation)) != H5D_CONTIGUOUS || THAW_H5(where, H5Pget_external_count(creation)) != 0)
      throw DataError("{}: expected a contiguous layout inside the file, found another one", where);
    const Handle space(THAW_H5(where, H5Dget_space(set)), H5Sclose);
    hsize_t count = 0;
    if (THAW_H5(where, H5Sget_simple_extent_ndims(space)) != 1) throw DataError("{}: expected one dimension", where);
    THAW_H5(where, H5Sget_simple_extent_dims(space, &count, nullptr));
    const haddr_t offset = count == 0 ? 0 : H5Dget_offset(set);
    if (offset == HADDR_UNDEF) throw DataError("{}: expected {} values, found none written", where, count);
    extents.push_back({offset, count});
  }
  return extents;
}

}  // namespace thaw
