#include "framework/tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "framework/base/error.h"
#include "framework/base/hash.h"
#include "framework/base/json.h"
#include "framework/tensor/damage.h"

namespace thaw {
namespace {

constexpr std::uint64_t largest_header = 100'000'000;  // the reference implementation's limit

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> types{{{"F32", at::kFloat},
                                                                        {"F16", at::kHalf},
                                                                        {"BF16", at::kBFloat16},
                                                                        {"F64", at::kDouble},
                                                                        {"I64", at::kLong},
                                                                        {"I32", at::kInt},
                                                                        {"I16", at::kShort},
                                                                        {"I8", at::kChar},
                                                                        {"U8", at::kByte},
                                                                        {"BOOL", at::kBool}}};

// Keys of a JSON object given twice, which a parser would merge silently.
class DuplicateFinder : public nlohmann::json_sax<Json> {
 public:
  std::string duplicate;
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return keys_.emplace_back(), true; }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    duplicate = name;
    return false;
  }
  bool end_object() override { return keys_.pop_back(), true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path) : TensorFile(path) {
  try {
    read_header();
  } catch (const DataError& error) {  // of a JSON view
    throw ModelError("{}; {}", error.what(), download_again);
  }
}

void SafetensorsFile::read_header() {
  const std::string_view bytes = text();
  if (bytes.size() < 8) throw ModelError("{}: expected a safetensors file, found {} bytes; {}", path(), bytes.size(), download_again);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  if (header > largest_header)
    throw ModelError("{}: the header claims {} bytes, more than the {} allowed; {}", path(), header, largest_header, download_again);
  if (header > bytes.size() - 8)
    throw ModelError("{}: the header claims {} bytes, but the file ends after {}; {}", path(), header, bytes.size() - 8, download_again);
  const std::string_view json = bytes.substr(8, header);
  const JsonFile parsed(path() + " (header)", json);
  DuplicateFinder finder;
  Json::sax_parse(json, &finder);
  if (!finder.duplicate.empty()) throw ModelError("{}: the header has '{}' twice; {}", path(), finder.duplicate, download_again);
  if (!parsed.raw().is_object()) throw ModelError("{}: the header is not a JSON object; {}", path(), download_again);

  const std::size_t data = 8 + static_cast<std::size_t>(header), available = bytes.size() - data;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
  for (const auto& [name, unused] : parsed.raw().items()) {
    const JsonView entry = parsed.view()[name];
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.raw().items()) metadata_[key] = value.is_string() ? value.get<std::string>() : value.dump();
      continue;
    }
    const std::string type = entry["dtype"].text();
    const auto known = std::find_if(types.begin(), types.end(), [&](const auto& t) { return type == t.first; });
    if (known == types.end()) throw ModelError("{}: {}: the dtype '{}' is not one that Thaw reads", path(), name, type);
    StoredTensor made{known->second, {}, {}, 0, ""};
    // LibTorch multiplies extents beside one of 0 too, for strides.
    std::uint64_t needed = at::elementSize(made.type), widest = needed;
    const JsonView shape = entry["shape"];
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const std::int64_t extent = shape[d].integer();
      if (extent < 0) shape[d].fail("a size of 0 or more");
      made.shape.push_back(extent);
      if (__builtin_mul_overflow(widest, static_cast<std::uint64_t>(std::max<std::int64_t>(extent, 1)), &widest) ||
          widest > (std::uint64_t{1} << 62))
        throw ModelError("{}: {}: the shape [{}] counts more elements than can be; {}", path(), name, fmt::join(made.shape, ", "),
                         download_again);
      needed *= static_cast<std::uint64_t>(extent);
    }
    const JsonView offsets = entry["data_offsets"];
    if (offsets.size() != 2) offsets.fail("two numbers");
    const std::int64_t begin = offsets[0].integer(), end = offsets[1].integer();
    if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > available)
      throw ModelError(
          "{}: {}: expected bytes inside the {} that follow the header, found {} to {}; the file is truncated or damaged: download it "
          "again",
          path(), name, available, begin, end);
    if (static_cast<std::uint64_t>(end - begin) != needed)
      throw ModelError("{}: {}: expected {} bytes for {} of shape [{}], found {}; {}", path(), name, needed, type,
                       fmt::join(made.shape, ", "), end - begin, download_again);
    made.begin = data + static_cast<std::size_t>(begin);
    extents.emplace_back(begin, end);
    add(name, std::move(made));
  }
  std::sort(extents.begin(), extents.end());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : extents) {
    if (begin != at)
      throw ModelError("{}: tensors {} at byte {}; {}", path(), begin < at ? "overlap" : "leave a hole", std::min(begin, at),
                       download_again);
    at = end;
  }
  if (at != available) throw ModelError("{}: expected {} bytes of tensors, found {}; {}", path(), at, available, download_again);
}

WrittenFile write_safetensors(const fs::path& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                              const std::map<std::string, std::string>& metadata, const std::set<std::string>& mapped) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto known = std::find_if(types.begin(), types.end(), [&type = tensor](const auto& t) { return type.scalar_type() == t.second; });
    if (known == types.end()) throw ModelError("{}: {}: a dtype that safetensors does not have", path.string(), name);
    const std::size_t bytes = static_cast<std::size_t>(tensor.numel()) * tensor.element_size();
    header[name] = {{"dtype", known->first}, {"shape", tensor.sizes().vec()}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  AtomicFile file(path);
  WrittenFile written;
  Hasher hasher;
  const auto write = [&](const void* data, std::size_t bytes) {
    file.write(data, bytes);
    hasher.update(data, bytes);
    written.bytes += bytes;
  };
  const std::uint64_t size = text.size();
  write(&size, sizeof size);
  write(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor contiguous = tensor.detach().to(at::kCPU).contiguous();
    write(contiguous.data_ptr(), static_cast<std::size_t>(contiguous.numel()) * contiguous.element_size());
    if (mapped.contains(name)) release_mapped(contiguous);
  }
  file.commit();
  written.xxh3 = hasher.hex();
  return written;
}

void release_mapped(const at::Tensor& view) { release_pages({static_cast<const std::byte*>(view.data_ptr()), view.nbytes()}); }

}  // namespace thaw
