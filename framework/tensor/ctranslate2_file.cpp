#include "framework/tensor/ctranslate2_file.h"

#include <array>

#include "framework/base/error.h"
#include "framework/tensor/byte_reader.h"
#include "framework/tensor/damage.h"

namespace thaw {
namespace {

constexpr std::uint32_t version = 6;
// In the order of CTranslate2's enumeration DataType.
constexpr std::array types_by_number{at::kFloat, at::kChar, at::kShort, at::kInt, at::kHalf, at::kBFloat16};

std::string read_name(ByteReader& reader) {
  const std::size_t length = reader.number<std::uint16_t>();  // with the zero at its end
  const std::string_view text = reader.take(length);
  if (length < 2 || text.find('\0') != length - 1)
    throw ModelError("{}: expected a name at byte {}; {}", reader.where(), reader.at(), download_again);
  for (const char c : text.substr(0, length - 1))
    if (c < 0x20 || c > 0x7E) throw ModelError("{}: the name at byte {} is not ASCII; {}", reader.where(), reader.at(), download_again);
  return std::string(text.substr(0, length - 1));
}

void read_variable(ByteReader& reader, TensorFile& file) {
  const std::string name = read_name(reader);
  StoredTensor made;
  const auto dimensions = reader.number<std::uint8_t>();
  for (std::uint8_t d = 0; d < dimensions; ++d) made.shape.push_back(reader.number<std::uint32_t>());
  const auto type = reader.number<std::uint8_t>();
  if (type >= types_by_number.size())
    throw ModelError("{}: {}: dtype {} is not one of version {}; {}", reader.where(), name, type, version, download_again);
  made.type = types_by_number[type];
  const std::size_t bytes = reader.number<std::uint32_t>();
  made.begin = reader.at();
  reader.take(bytes);
  file.add(name, made);  // from here on, its shape can be
  std::uint64_t needed = at::elementSize(made.type);
  for (const std::int64_t extent : made.shape) needed *= static_cast<std::uint64_t>(extent);
  if (bytes != needed)
    throw ModelError("{}: {}: expected {} bytes for shape [{}], found {}; {}", reader.where(), name, needed, fmt::join(made.shape, ", "),
                     bytes, download_again);
}

// An integer tensor and the scales beside it become one.
TensorFile with_scales(const TensorFile& read, const fs::path& path) {
  TensorFile file(path);
  for (const std::string& name : read.names()) {
    StoredTensor stored = read.stored(name);
    const std::string scales = name + "_scale";
    if ((stored.type == at::kChar || stored.type == at::kShort) && !stored.shape.empty() && read.has(scales)) {
      const StoredTensor& found = read.stored(scales);
      const bool one = found.shape.empty(), rows = found.shape.size() == 1 && found.shape[0] == stored.shape[0];
      if (found.type != at::kFloat || !(one || rows))
        throw ModelError("{}: {}: expected one scale in fp32, or one a row of [{}], found shape [{}]; {}", path.string(), scales,
                         fmt::join(stored.shape, ", "), fmt::join(found.shape, ", "), download_again);
      stored.scales = scales;
    }
    file.add(name, std::move(stored));
  }
  return file;
}

}  // namespace

bool is_ctranslate2_file(std::string_view bytes) {
  // A small number and a short name's length; safetensors' first eight bytes are a length below 2^27, so that these would be 0.
  return bytes.size() > 8 && bytes[0] > 0 && bytes[0] < 32 && bytes.substr(1, 3) == std::string_view("\0\0\0", 3) && bytes[4] > 1 &&
         bytes[5] == 0;
}

TensorFile read_ctranslate2_file(const fs::path& path) {
  TensorFile read(path);
  ByteReader reader(read.text(), read.path());
  if (const auto found = reader.number<std::uint32_t>(); found != version)
    throw ModelError("{}: expected version {} of CTranslate2's model.bin, found {}: convert the model with ctranslate2 4", read.path(),
                     version, found);
  Json values = Json::object();
  values["spec"] = read_name(reader);
  values["revision"] = reader.number<std::uint32_t>();
  for (auto left = reader.number<std::uint32_t>(); left > 0; --left) read_variable(reader, read);
  TensorFile file = with_scales(read, path);
  values["aliases"] = Json::object();
  for (auto left = reader.number<std::uint32_t>(); left > 0; --left) {
    const std::string alias = read_name(reader), name = read_name(reader);
    file.add_alias(alias, name);
    values["aliases"][alias] = name;
  }
  if (reader.left() > 0) throw ModelError("{}: {} bytes follow the model; {}", read.path(), reader.left(), download_again);
  file.set_values(std::move(values));
  return file;
}

}  // namespace thaw
