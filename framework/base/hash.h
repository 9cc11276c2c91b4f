// XXH3 checksums (64 bits, as 16 hexadecimal digits) of bytes, files and growing streams.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace thaw {

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher& update(const void* data, std::size_t bytes);
  Hasher& update(std::string_view text) { return update(text.data(), text.size()); }
  std::string hex() const;  // of all so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_hex(const void* data, std::size_t bytes);
inline std::string hash_hex(std::string_view text) { return hash_hex(text.data(), text.size()); }
std::string hash_file(const std::filesystem::path& path);

}  // namespace thaw
