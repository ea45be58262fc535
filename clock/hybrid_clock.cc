#include "clock/hybrid_clock.h"

#include <algorithm>

namespace syncline {
namespace {

constexpr std::uint64_t kMaxMs = (std::uint64_t{1} << 48) - 1;

// A clock before 1970 or beyond 48 bits counts as the nearest end.
std::uint64_t Clamped(std::int64_t now_ms) {
  return now_ms <= 0 ? 0 : std::min(static_cast<std::uint64_t>(now_ms), kMaxMs);
}

bool TooFarAhead(Hlc stamp, std::int64_t now_ms) {
  return stamp.milliseconds() > Clamped(now_ms) + kMaxClockLeadMs;
}

}  // namespace

Hlc HlcTick(Hlc last, std::int64_t now_ms) {
  if (TooFarAhead(last, now_ms)) last = Hlc{};
  return {std::max(last.packed + 1, Clamped(now_ms) << 16)};
}

Hlc HlcObserve(Hlc last, Hlc remote, std::int64_t now_ms) {
  return TooFarAhead(remote, now_ms) ? last : std::max(last, remote);
}

}  // namespace syncline
