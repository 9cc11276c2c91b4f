// Foreign bytes read from the left: little-endian numbers, runs of bytes and lines. Whatever lies past the end is a ModelError that
// says where.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "framework/base/error.h"

namespace thaw {

class ByteReader {
 public:
  // `where` begins the errors; the bytes outlive the reader.
  ByteReader(std::string_view bytes, std::string where, std::size_t at = 0) : bytes_(bytes), where_(std::move(where)) { seek(at); }

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  const std::string& where() const { return where_; }
  void seek(std::size_t at) {
    if (at > bytes_.size()) fail(at);
    at_ = at;
  }
  std::string_view take(std::size_t count) {
    if (count > left()) fail(count);
    return bytes_.substr(std::exchange(at_, at_ + count), count);
  }
  template <typename Number>
  Number number() {
    static_assert(std::is_arithmetic_v<Number>);
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {  // up to the next line feed, without it
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail(left() + 1);
    const std::string_view taken = take(end - at_);
    ++at_;
    return taken;
  }

 private:
  [[noreturn]] void fail(std::size_t wanted) const {
    throw ModelError("{}: expected {} more bytes at byte {}, but it ends after {}; it is truncated or damaged: download it again", where_,
                     wanted, at_, bytes_.size());
  }

  std::string_view bytes_;
  std::string where_;
  std::size_t at_ = 0;
};

}  // namespace thaw
