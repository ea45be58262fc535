#pragma once

#include <string>

#include "node/types.h"

namespace syncline {

class NodeCore;

// The open conflict at `path` with its ancestor, and how its values differ.
// The log is searched in turns of the loop, contents are read and compared on
// a worker thread. Call on the node's loop; `done` comes there.
//   kNotFound  no open conflict is at `path`
void ShowConflict(NodeCore& core, ProjectNumber project,
                  const std::string& path, Callback<ConflictDetail> done);

}  // namespace syncline
