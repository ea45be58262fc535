#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/hash.h"
#include "clock/dot.h"
#include "clock/origin.h"

namespace syncline {

// Two histories of one origin: both hold its entries up to `counter`, and
// others behind it. Counter 0: they share nothing; kUnknown: logs no longer say
// where they part, as they were truncated.
struct Fork {
  static constexpr std::uint64_t kUnknown =
      std::numeric_limits<std::uint64_t>::max();
  Origin origin;
  std::uint64_t counter = 0;
  friend bool operator==(const Fork&, const Fork&) = default;
};

// A fork of which one side was given up. The device of its origin has settled
// thereby what that origin wrote.
struct SettledFork {
  Fork fork;
  // The chain hash behind the first entry that was given up: whoever has it
  // holds the wrong side. Nothing if there was nothing to give up.
  std::optional<Hash> given_up;
  [[nodiscard]] Dot first() const { return {fork.origin, fork.counter + 1}; }
  friend bool operator==(const SettledFork&, const SettledFork&) = default;
};

// kAborted: what came contradicts what is here of `origin`. The status carries
// the origin for who passes it on.
absl::Status ForkStatus(const Origin& origin, std::string_view what);
// Of a ForkStatus(); nothing of others.
std::optional<Origin> ForkedOrigin(const absl::Status& status);

// What people read where nobody can say whether two hold the same entries.
inline std::string CannotTellText(const Origin& origin) {
  return "fork: it cannot be told whether the history of origin " +
         origin.ToHex() + " is the same, as logs were truncated";
}

// What people read where somebody still holds the entries up to `dot`.
inline std::string GivenUpText(const Dot& dot) {
  return "fork: the entries of origin " + dot.origin.ToHex() + " up to " +
         std::to_string(dot.counter) +
         " were given up; a device that still holds them gives them up, too, "
         "but if its log was truncated it cannot: remove the project there "
         "and join again";
}

}  // namespace syncline
