#pragma once

#include <chrono>
#include <cstdint>

namespace syncline {

// How long something took: to adapt to the machine, never to decide what is
// stored.
class Stopwatch {
 public:
  [[nodiscard]] std::int64_t ElapsedNs() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

}  // namespace syncline
