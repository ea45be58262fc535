#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "clock/origin.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

class AppendLog;
class Replica;

// Where two nodes stand to each other in a project before anything moves.

// Whom a node compares itself with.
struct Counterpart {
  Origin origin;           // Its store's present incarnation.
  std::string device_key;  // Of all its incarnations.
};

// Where `replica` stands, for `peer`; of what is durable only. Its sender
// leaves out the frontier where the hash will do.
//   kDataLoss, other  the log cannot be read
absl::StatusOr<Position> PositionOf(Replica& replica, const Counterpart& peer);

// Which of two positions was taken first: the asking side's. kAgain: by us, as
// one of the two has found a fork and the other may not have seen it.
enum class Asked : std::uint8_t { kByUs, kByThem, kAgain };

// Why nothing may move between two nodes.
struct Contradiction {
  Stop stop;
  // Set if this node is to give up its side: an entry that the two do not both
  // hold, in whose origin their histories part. It is if its own store was set
  // back, and where the owner of an origin has settled what it holds. The
  // owner of an origin gives way to everybody until he has.
  std::optional<Dot> give_up;
  // Up to here they are known to hold the same entries of that origin.
  std::uint64_t equal = 0;
  // Set if it is about an origin of neither: its entries are in doubt then.
  std::optional<Origin> disputed = {};
};

// What stands between a node at `ours` and `peer` at `theirs`: histories that
// contradict each other (kFence), equal frontiers with unequal states
// (kDiverged), or what would be a contradiction but comes without proof
// (kFailed): compare again later. Nothing if they may go on. `fence`: if
// kAgain, whose history is contradicted, as far as who found the fork said so.
//   other  the log cannot be read
absl::StatusOr<std::optional<Contradiction>> FindContradiction(
    Replica& replica, const Counterpart& peer, const Position& ours,
    const Position& theirs, Asked asked,
    const std::optional<Origin>& fence = {});

// Whether `log` still holds all that a peer at `frontier` lacks.
bool CanServe(const AppendLog& log, const VersionVector& frontier);

}  // namespace syncline
