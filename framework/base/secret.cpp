#include "framework/base/secret.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "framework/base/error.h"

namespace thaw {

std::string random_token() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw FileError("no random bytes from the kernel: {}", std::strerror(errno));
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

bool same_secret(std::string_view found, std::string_view expected) {
  if (found.size() != expected.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < found.size(); ++i) difference = static_cast<unsigned char>(difference | (found[i] ^ expected[i]));
  return difference == 0 && !expected.empty();
}

}  // namespace thaw
