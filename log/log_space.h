#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/append_log.h"

// Giving the disk space of truncated records back. A truncation only marks a
// range of keys as deleted; their bytes stay in the store's files until those
// are written anew.

namespace syncline {

// How far that has been done; the records from there to the horizon still take
// space, also if a crash came in between.
absl::StatusOr<Seq> ReclaimedThrough(const Store& store, ProjectNumber project);
// Remembers it. Write the rows once ReclaimSpace has returned OK.
void PutReclaimed(ProjectNumber project, Seq through, WriteBatch& rows);

// Writes the files that hold the records (from, through], which were
// truncated, anew without them. Readers and snapshots keep what they see: it
// goes when they go. Blocks for as long as that takes: for a worker thread,
// and one at a time per node, since the store has one thread for it. Between
// parts it asks `stop`, and may be called again for all of it.
//   kCancelled  `stop` said so
absl::Status ReclaimSpace(Store& store, ProjectNumber project, Seq from,
                          Seq through, const std::function<bool()>& stop);

// Whether it is worth the writing: 4 MiB, or what cannot be told after a
// restart, many records.
bool WorthReclaiming(std::uint64_t records, std::uint64_t bytes);

}  // namespace syncline
