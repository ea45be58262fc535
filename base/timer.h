#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace syncline {

// Calls back later, once; on the loop of whoever uses it. A seam beside
// TimeSource: a simulation owns all waiting.
class Timer {
 public:
  virtual ~Timer() = default;  // Cancels.
  // Calls `done` in `ms`, in a turn of its own; takes the place of an earlier
  // Start().
  virtual void Start(std::int64_t ms, std::function<void()> done) = 0;
  // Nothing is called any more.
  virtual void Cancel() = 0;
};

using MakeTimer = std::function<std::unique_ptr<Timer>()>;

}  // namespace syncline
