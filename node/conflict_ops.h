#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "node/types.h"
#include "replication/replica.h"

// The open conflicts of one project. Runs on the replica's executor.

namespace syncline {

// All of them by path, or only that at `path`.
//   kNotFound  no open conflict is at `path`
absl::StatusOr<std::vector<ConflictInfo>> ListConflicts(
    Replica& replica, const std::string& project, const std::string& path);

// Settles the conflict at `path` with one of its values: "local" is what
// arrived first on this node, "remote" what arrived last, else the version of
// a sibling.
//   kNotFound         no open conflict is at `path`, or no such sibling
//   kInvalidArgument  `take` is none of these
void ResolveConflict(Replica& replica, const std::string& path,
                     std::string_view take, Callback<Written> done);

}  // namespace syncline
