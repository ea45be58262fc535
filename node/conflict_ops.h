#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "node/types.h"
#include "replication/replica.h"

// The conflicts of one project. Runs on the replica's executor.

namespace syncline {

// Those that are asked for; see Project::Conflicts.
//   kNotFound  no open conflict is at `query.path`
absl::StatusOr<std::vector<ConflictInfo>> ListConflicts(
    const Replica& replica, const std::string& project,
    const ConflictQuery& query);

// A conflict as the log saw it.
absl::StatusOr<ConflictInfo> DescribeConflict(const Replica& replica,
                                              const std::string& project,
                                              const ConflictRecord& record);
SiblingInfo DescribeSide(const Replica& replica, const ConflictSide& side);

// The row in open conflict at `path`.
//   kNotFound  none is there
absl::StatusOr<Row> ConflictAt(const CausalState& state,
                               const std::string& path);

// Settles the conflict at `path` with one of its values: "local" is what
// arrived first on this node, "remote" what arrived last, else the version of
// a sibling.
//   kNotFound         no open conflict is at `path`, or no such sibling
//   kInvalidArgument  `take` is none of these
void ResolveConflict(Replica& replica, const std::string& path,
                     std::string_view take, Callback<Written> done);

}  // namespace syncline
