#include <chrono>

#include "base/time_source.h"

namespace syncline {
namespace {

template <typename Clock>
std::int64_t Milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             Clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::int64_t SystemTime::NowMs() const {
  return Milliseconds<std::chrono::system_clock>();
}

std::int64_t SystemTime::SteadyMs() const {
  return Milliseconds<std::chrono::steady_clock>();
}

}  // namespace syncline
