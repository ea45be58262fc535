#include "base/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace syncline {

std::string RandomSource::Bytes(std::size_t count) {
  std::string bytes(count, '\0');
  Fill({reinterpret_cast<unsigned char*>(bytes.data()), count});
  return bytes;
}

std::uint64_t RandomSource::Next() {
  std::uint64_t value;
  Fill({reinterpret_cast<unsigned char*>(&value), sizeof value});
  return value;
}

std::uint64_t RandomSource::Below(std::uint64_t bound) {
  SYNCLINE_CHECK(bound > 0, "an empty range has no element");
  // Values above the last whole multiple of `bound` would favour small ones.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    std::uint64_t value = Next();
    if (value < limit) return value % bound;
  }
}

void SystemRandom::Fill(std::span<unsigned char> bytes) {
  SYNCLINE_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1,
                 "the system has no random numbers");
}

// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
void SeededRandom::Fill(std::span<unsigned char> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    std::memcpy(bytes.data() + i, &z,
                std::min<std::size_t>(8, bytes.size() - i));
  }
}

}  // namespace syncline
