#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "clock/origin.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

class AppendLog;
class Replica;

// Where two nodes stand to each other in a project before anything moves.

// Where `replica` stands, for a peer whose store is `theirs`; of what is
// durable only. Its sender leaves out the frontier where the hash will do.
//   kDataLoss, other  the log cannot be read
absl::StatusOr<Position> PositionOf(Replica& replica, const Origin& theirs);

// Which of two positions was taken first: the asking side's.
enum class Asked : bool { kByUs, kByThem };

// Why nothing may move between a node at `ours` and the sender of `theirs`:
// histories that contradict each other (kFence), or equal frontiers with
// unequal states (kDiverged). Nothing if they may go on.
//   other  the log cannot be read
absl::StatusOr<std::optional<Stop>> FindContradiction(
    const AppendLog& log, const Origin& self, const Origin& peer,
    const Position& ours, const Position& theirs, Asked asked);

// Whether `log` still holds all that a peer at `frontier` lacks.
bool CanServe(const AppendLog& log, const VersionVector& frontier);

}  // namespace syncline
