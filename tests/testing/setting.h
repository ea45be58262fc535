#pragma once

#include <cstdint>
#include <cstdlib>

namespace syncline::testing {

// A number that the environment sets for a longer or a repeated run.
inline std::uint64_t Setting(const char* name, std::uint64_t fallback) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : fallback;
}

}  // namespace syncline::testing
