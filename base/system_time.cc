#include <chrono>

#include "base/stopwatch.h"
#include "base/time_source.h"

namespace syncline {
namespace {

template <typename Clock>
std::int64_t Milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             Clock::now().time_since_epoch())
      .count();
}

std::int64_t SteadyNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::int64_t SystemTime::NowMs() const {
  return Milliseconds<std::chrono::system_clock>();
}

std::int64_t SystemTime::SteadyMs() const {
  return Milliseconds<std::chrono::steady_clock>();
}

Stopwatch::Stopwatch() : start_ns_(SteadyNs()) {}

std::int64_t Stopwatch::ElapsedNs() const { return SteadyNs() - start_ns_; }

}  // namespace syncline
