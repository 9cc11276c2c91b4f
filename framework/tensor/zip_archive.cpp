#include "framework/tensor/zip_archive.h"

#include <algorithm>
#include <cstdint>

#include "framework/base/error.h"
#include "framework/tensor/byte_reader.h"
#include "framework/tensor/damage.h"

namespace thaw {
namespace {

constexpr std::uint32_t local_header = 0x04034B50, central_header = 0x02014B50, end_record_64 = 0x06064B50, locator_64 = 0x07064B50;
constexpr std::string_view end_record("PK\5\6", 4);
constexpr std::size_t end_bytes = 22, locator_bytes = 20, longest_comment = 65535;
constexpr std::uint16_t extra_64 = 1;

struct Directory {
  std::uint64_t members = 0, begin = 0;
};

void expect(ByteReader& reader, std::uint32_t signature, const char* what) {
  const std::size_t at = reader.at();
  if (reader.number<std::uint32_t>() != signature)
    throw ModelError("{}: expected {} at byte {}; {}", reader.where(), what, at, download_again);
}

// The record at the archive's end, found from behind, since a comment may follow it; or the larger one that it stands for.
Directory find_directory(std::string_view archive, const std::string& where) {
  if (archive.size() < end_bytes) throw ModelError("{}: expected a zip archive, found {} bytes; {}", where, archive.size(), download_again);
  const std::size_t last = archive.size() - end_bytes, first = last - std::min(last, longest_comment);
  const std::size_t at = archive.rfind(end_record, last);
  if (at == std::string_view::npos || at < first)
    throw ModelError("{}: the zip archive's end is missing: it is truncated; download it again", where);
  ByteReader reader(archive, where, at + 10);
  Directory found;
  found.members = reader.number<std::uint16_t>();
  reader.take(4);
  found.begin = reader.number<std::uint32_t>();
  if (at < locator_bytes) return found;
  reader.seek(at - locator_bytes);
  if (reader.number<std::uint32_t>() != locator_64) return found;
  reader.take(4);
  reader.seek(static_cast<std::size_t>(reader.number<std::uint64_t>()));
  expect(reader, end_record_64, "the end record of ZIP64");
  reader.take(28);
  found.members = reader.number<std::uint64_t>();
  reader.take(8);
  found.begin = reader.number<std::uint64_t>();
  return found;
}

// Sizes and offsets that 32 bits do not hold stand in the extra field, in this order.
void widen(ByteReader extra, std::initializer_list<std::uint64_t*> numbers) {
  while (extra.left() > 0) {
    const auto id = extra.number<std::uint16_t>();
    ByteReader field(extra.take(extra.number<std::uint16_t>()), extra.where());
    if (id != extra_64) continue;
    for (std::uint64_t* number : numbers)
      if (*number == UINT32_MAX) *number = field.number<std::uint64_t>();
    return;
  }
}

// Where the bytes begin: behind the member's own header, whose name and extra field may be longer than the directory's.
std::size_t data_begin(std::string_view archive, const std::string& where, std::uint64_t header) {
  ByteReader reader(archive, where, static_cast<std::size_t>(header));
  expect(reader, local_header, "a member's header");
  reader.take(22);
  const std::size_t name = reader.number<std::uint16_t>(), extra = reader.number<std::uint16_t>();
  reader.take(name + extra);
  return reader.at();
}

}  // namespace

std::map<std::string, ZipMember> read_zip_directory(std::string_view archive, const std::string& where) {
  const Directory directory = find_directory(archive, where);
  ByteReader reader(archive, where, static_cast<std::size_t>(directory.begin));
  std::map<std::string, ZipMember> members;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    expect(reader, central_header, "an entry of the zip directory");
    reader.take(4);
    const auto flags = reader.number<std::uint16_t>(), method = reader.number<std::uint16_t>();
    reader.take(8);
    std::uint64_t stored = reader.number<std::uint32_t>(), size = reader.number<std::uint32_t>();
    const std::size_t name_bytes = reader.number<std::uint16_t>(), extra_bytes = reader.number<std::uint16_t>(),
                      comment_bytes = reader.number<std::uint16_t>();
    reader.take(8);
    std::uint64_t header = reader.number<std::uint32_t>();
    const std::string name(reader.take(name_bytes));
    const std::string at = where + ": " + name;
    widen(ByteReader(reader.take(extra_bytes), at), {&size, &stored, &header});
    reader.take(comment_bytes);
    if ((flags & 1) != 0 || method != 0 || stored != size)
      throw ModelError("{}: is {}: PyTorch stores its files' members as they are; save the model again", at,
                       (flags & 1) != 0 ? "encrypted" : "compressed");
    const std::size_t begin = data_begin(archive, at, header);
    if (size > archive.size() - begin)
      throw ModelError("{}: expected {} bytes, found {}; {}", at, size, archive.size() - begin, download_again);
    if (!members.emplace(name, ZipMember{begin, static_cast<std::size_t>(size)}).second)
      throw ModelError("{}: is there twice; {}", at, download_again);
  }
  return members;
}

}  // namespace thaw
