#pragma once

#include <cstdint>

namespace syncline {

// How long something took: to adapt to the machine, never to decide what is
// stored. Defined with the machine's clocks.
class Stopwatch {
 public:
  Stopwatch();
  [[nodiscard]] std::int64_t ElapsedNs() const;

 private:
  std::int64_t start_ns_;
};

}  // namespace syncline
