#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace syncline::testing {

// One thing that is done to the nodes of a run.
struct SimAction {
  enum class Kind : std::uint8_t {
    kEdit,      // A user of node `a` does something; `value` decides what.
    kKill,      // The process of `a` dies, and starts again `value` ms later.
    kPower,     // The same, and what was not synced is lost but for a part.
    kEio,       // The next write of `a` fails; it is started again as after a
                // kill.
    kCut,       // The connection of `a` and `b` breaks.
    kHang,      // Nothing arrives over that connection any more, for ever.
    kPart,      // They cannot reach each other for `value` ms.
    kStall,     // Nothing from `a` arrives at `b` for `value` ms.
    kClock,     // The wall clock of `a` is set off by `value` seconds.
    kStrategy,  // `a` takes strategy number `value`.
    kTruncate,  // `a` drops `value` thousandths of the log that its follower
                // has read.
    kImage,     // An image of the disk of `a` is kept.
    kSetBack,   // `a` stops, and starts `value` ms later from that image.
    kLie,       // What `a` says is damaged now and then for `value` ms: never
                // where it stands if `b` is 0.
    kSlow,      // The disk of `a` is slow for `value` ms.
    kRemove,    // `b` (`a`: all others) removes device `a` from its peers; it
                // is let in again after `value` ms (0: never), set up anew if
                // that is odd.
  };

  std::int64_t at_ms = 0;
  Kind kind = Kind::kEdit;
  int a = 0;
  int b = 0;
  std::int64_t value = 0;
};

// What is done in a run; sorted by time. `seed` decides the rest.
struct SimScript {
  std::uint64_t seed = 0;
  int nodes = 3;
  std::vector<SimAction> actions;

  static SimScript Of(std::uint64_t seed);
  // One line for each action.
  [[nodiscard]] std::string ToText() const;
  //   kInvalidArgument  malformed
  static absl::StatusOr<SimScript> FromText(std::string_view text);
};

}  // namespace syncline::testing
