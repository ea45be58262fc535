#pragma once

#include <compare>
#include <cstdint>

namespace syncline {

// A hybrid logical clock reading: 48 bits of milliseconds since 1970, then 16
// bits of counter (Kulkarni, Demirbas et al., 2014). Orders concurrent values
// for display; no rule of delivery, conflict or removal reads it.
struct Hlc {
  std::uint64_t packed = 0;

  static constexpr Hlc Of(std::uint64_t milliseconds, std::uint16_t counter) {
    return {milliseconds << 16 | counter};
  }
  [[nodiscard]] constexpr std::uint64_t milliseconds() const {
    return packed >> 16;
  }
  [[nodiscard]] constexpr std::uint16_t counter() const {
    return static_cast<std::uint16_t>(packed);
  }

  friend bool operator==(const Hlc&, const Hlc&) = default;
  friend auto operator<=>(const Hlc&, const Hlc&) = default;
};

// How far a stamp may lead the wall clock before it is disbelieved.
inline constexpr std::uint64_t kMaxClockLeadMs = 300'000;

// The stamp of a new local entry: above `last` and not below the wall clock.
// A `last` too far ahead of the clock counts as 0, so a repaired clock is
// obeyed at once. A full counter carries into the milliseconds.
[[nodiscard]] Hlc HlcTick(Hlc last, std::int64_t now_ms);

// What is remembered after an entry stamped `remote` was taken in; stamps too
// far ahead of the clock are not believed and change nothing.
[[nodiscard]] Hlc HlcObserve(Hlc last, Hlc remote, std::int64_t now_ms);

}  // namespace syncline
