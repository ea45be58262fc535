#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/state_pins.h"
#include "tests/testing/replica_rig.h"

namespace syncline::testing {

// A state from one replica into another, without a peer between them.

absl::StatusOr<std::shared_ptr<const PinnedState>> PinOf(
    ReplicaRig& rig, const std::string& id = "");

// Hands `pin` to `rig` in pieces, at most so many; goes on where it stopped.
absl::Status Stage(ReplicaRig& rig, const PinnedState& pin,
                   std::size_t bytes_max, std::size_t pieces_max = ~0U);
// Until what was staged is installed.
absl::Status Await(ReplicaRig& rig);

// All of that; requires it to work.
void Join(ReplicaRig& to, ReplicaRig& from);

// Drops all records of the log.
void TruncateAll(ReplicaRig& rig);

}  // namespace syncline::testing
