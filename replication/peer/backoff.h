#pragma once

#include <algorithm>
#include <cstdint>

#include "base/random.h"

namespace syncline {

// Waits between attempts: up to 1 s, 2 s, 4 s, ... 60 s, drawn uniformly
// ("full jitter"), so that many devices do not come back at once.
class Backoff {
 public:
  struct Options {
    std::int64_t first_ms = 1'000;
    std::int64_t most_ms = 60'000;
  };

  explicit Backoff(Options options) : options_(options), limit_ms_(0) {}

  // How long to wait before the next attempt.
  std::int64_t NextMs(RandomSource& random) {
    limit_ms_ = limit_ms_ == 0 ? options_.first_ms
                               : std::min(limit_ms_ * 2, options_.most_ms);
    return 1 + static_cast<std::int64_t>(
                   random.Below(static_cast<std::uint64_t>(limit_ms_)));
  }
  // An attempt went well.
  void Reset() { limit_ms_ = 0; }

 private:
  Options options_;
  std::int64_t limit_ms_;
};

}  // namespace syncline
