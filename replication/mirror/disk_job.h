#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "kv/chunk_store.h"
#include "replication/mirror/local_plan.h"
#include "replication/mirror/root_dir.h"
#include "replication/mirror/target_plan.h"

// What a mirror does on a worker thread. All of it blocks.

namespace syncline {

// Reads the contents of `ops` from `begin`, at least one and up to the limits,
// into the chunk store, and makes them durable. Returns the end of what was
// read. Ops whose file cannot be read get a `problem`.
//   kUnavailable        the root is gone
//   kResourceExhausted  the chunk store's disk is full
//   kCancelled          stopped
struct ReadLimits {
  std::size_t files = 512;
  std::uint64_t bytes = 32u << 20;
};
absl::StatusOr<std::size_t> ReadLocal(const RootDir& root, ChunkStore& chunks,
                                      std::vector<LocalOp>& ops,
                                      std::size_t begin,
                                      const ReadLimits& limits,
                                      const std::atomic<bool>& stop);

struct DiskResult {
  absl::Status status;
  Fingerprint fingerprint;      // At DiskOp::path, after kInstall and such.
  Fingerprint other;            // kExchange: at DiskOp::from.
  std::optional<Hash> missing;  // A chunk that is not here (any more).
  // What is in a directory that was to be removed, if it is not empty: a name,
  // and whether it is a directory.
  std::optional<std::pair<std::string, bool>> holds;
};

// Carries out `ops` in order: stages all contents, makes them durable, puts
// them in place, makes that durable. One result for each op; where one fails,
// those that rely on it do, with kAborted. The status is not OK if the root is
// gone, nothing can be synced, or it was stopped; then no result may be
// believed.
//
// `ready` is called when everything is staged and before anything is changed;
// if it fails nothing is, and that is the status.
//
// Chunks whose bytes turn out to be damaged are discarded, and missing then.
absl::StatusOr<std::vector<DiskResult>> RunDiskOps(
    RootDir& root, ChunkStore& chunks, const std::vector<DiskOp>& ops,
    const std::function<absl::Status()>& ready, const std::atomic<bool>& stop);

}  // namespace syncline
