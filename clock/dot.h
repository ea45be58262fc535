#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "clock/origin.h"

namespace syncline {

// Names one entry: the counter-th of its origin in a project, counted from 1
// without holes. One dot, one entry, for ever. A value.
struct Dot {
  Origin origin;
  std::uint64_t counter = 0;

  // "<32 hex digits>.<counter>", the counter without leading zeros; nothing
  // if malformed.
  static std::optional<Dot> FromText(std::string_view text);
  [[nodiscard]] std::string ToText() const;

  friend bool operator==(const Dot&, const Dot&) = default;
  friend auto operator<=>(const Dot&, const Dot&) = default;
};

}  // namespace syncline

template <>
struct std::hash<syncline::Dot> {
  std::size_t operator()(const syncline::Dot& dot) const noexcept {
    return std::hash<syncline::Origin>()(dot.origin) ^
           (dot.counter * 0xbf58476d1ce4e5b9u);
  }
};
