// Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A number is a pure function of (key, counter): nothing is carried along, so order, ranks and restarts do not matter.
#pragma once

#include <array>
#include <cstdint>

namespace thaw {

// 64-bit finaliser of SplitMix64: mixes every bit of `x` into every bit of the result.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// A key for one use of randomness, from the seed and whatever names the use: (seed, step, layer), (seed, epoch, source)…
template <typename... Parts>
constexpr std::uint64_t random_key(std::uint64_t seed, Parts... parts) {
  std::uint64_t key = mix(seed);
  ((key = mix(key ^ mix(static_cast<std::uint64_t>(parts) + 0x632BE59BD9B4E019ull))), ...);
  return key;
}

// 128 random bits for a 64-bit key and a 64-bit counter.
constexpr std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  std::uint32_t c0 = static_cast<std::uint32_t>(counter), c1 = static_cast<std::uint32_t>(counter >> 32), c2 = 0, c3 = 0;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

// A pseudo-random permutation of [0, size) as a function, in O(1) memory: a four-round Feistel network over the
// next even power of two, walked until it lands inside (under four steps on average).
class Permutation {
 public:
  Permutation(std::uint64_t key, std::uint64_t size);
  std::uint64_t operator()(std::uint64_t index) const;  // index < size
  std::uint64_t size() const { return size_; }

 private:
  std::uint64_t key_, size_;
  int half_bits_ = 1;
};

}  // namespace thaw
