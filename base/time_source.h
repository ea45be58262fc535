#pragma once

#include <cstdint>

namespace syncline {

// The two clocks of a node. A parameter wherever time is read, so that a test
// or simulation owns time.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  // Wall clock, milliseconds since 1970. May jump, also backwards: a label
  // for people and a tie-break, never a judge of what came first.
  virtual std::int64_t NowMs() const = 0;
  // Never goes back; for durations only.
  virtual std::int64_t SteadyMs() const = 0;
};

// The machine's clocks. Thread-safe.
class SystemTime final : public TimeSource {
 public:
  std::int64_t NowMs() const override;
  std::int64_t SteadyMs() const override;
};

}  // namespace syncline
