#include "framework/base/hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "framework/base/file.h"

namespace thaw {

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) { XXH3_64bits_reset(state_->xxh); }
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(const void* data, std::size_t bytes) {
  XXH3_64bits_update(state_->xxh, data, bytes);
  return *this;
}

std::string Hasher::hex() const { return fmt::format("{:016x}", XXH3_64bits_digest(state_->xxh)); }

std::string hash_hex(const void* data, std::size_t bytes) { return fmt::format("{:016x}", XXH3_64bits(data, bytes)); }

std::string hash_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return hash_hex(file.bytes().data(), file.bytes().size());
}

}  // namespace thaw
