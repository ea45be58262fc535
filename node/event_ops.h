#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "node/types.h"
#include "proto/event_reader.h"
#include "replication/replica.h"

namespace syncline {

// What came of events at the call. Their safety is told later.
struct EventsTaken {
  Seq first;  // Those taken have the seqs from here on; 0: none was.
  std::size_t taken = 0;
  // By index.
  std::vector<std::pair<std::size_t, absl::Status>> refused;
};

// OK, or why `events` cannot be appended: CheckChannel, CheckPayload; the
// first index concerned is in the message.
absl::Status CheckEvents(std::span<const EventView> events);

// Appends each event as an entry of its own, in order, in one turn, so that
// the log writes them together. One that is refused does not keep back the
// others. `done` comes once if any was taken, when all of them are as safe as
// `durability` says; on an error each of them may or may not be in the log.
//   refusals: CheckChannel, CheckPayload, Replica::CommitEvents (all of them)
EventsTaken AppendEvents(Replica& replica, std::span<const EventView> events,
                         Durability durability, StatusCallback done);

}  // namespace syncline
