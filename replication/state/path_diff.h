#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/path_change.h"
#include "replication/state/row_changes.h"

namespace syncline {

// What a change looks like to whoever follows the project path by path.
struct PathDiff {
  // In the order in which a follower can apply them to its own tree.
  std::vector<PathChange> changes;
  // Touched rows that are open conflicts now, sorted.
  std::vector<std::string> open_conflicts;
  // Paths of directories that were not touched may have changed.
  bool moved_directories = false;

  friend bool operator==(const PathDiff&, const PathDiff&) = default;
};

// Compares the rows of both sides. One directory row that moved as a whole is
// one rename; where several moved, or directories merged or separated, their
// old and new paths are each a "read again".
PathDiff DiffPaths(const RowChanges& rows, TreeView& before, TreeView& after);

}  // namespace syncline
