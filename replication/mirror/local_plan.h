#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/disk_diff.h"
#include "replication/mirror/tree_plan.h"

namespace syncline {

// One change that a user made on the disk, to be told to the project.
struct LocalOp {
  TreeStep step;
  std::optional<Fingerprint> disk;  // What stands at step.path; not kRemove.
  std::optional<BaseStat> base;     // What Base had at step.origin.
  bool read = false;                // The content is to be read first.

  // Filled in by reading.
  std::string payload;
  absl::Status problem;  // Why it could not be read: leave the path alone.
};

struct LocalPlan {
  std::vector<LocalOp> ops;
  // Deletions that were held back: too many at once, see MassDelete().
  std::uint64_t held = 0;
};

// More than 100 and more than half of what Base has: rather an unplugged disk
// or a mistake than a wish.
bool MassDelete(std::uint64_t deletions, std::uint64_t base_size);

// What a user did, from what is different on the disk. Renames are found by
// inode; a file must also have kept size and mtime, for inodes are reused.
// With a mass delete that is not `confirmed` nothing is removed. Pure.
LocalPlan PlanLocal(const DiskDiff& diff, std::uint64_t base_size,
                    bool confirmed);

}  // namespace syncline
