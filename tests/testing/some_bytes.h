#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"

namespace syncline::testing {

// The same bytes for the same `seed`.
inline std::string SomeBytes(std::uint64_t seed, std::size_t size) {
  return SeededRandom(seed).Bytes(size);
}

}  // namespace syncline::testing
