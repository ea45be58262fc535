#pragma once

#include <string>
#include <vector>

#include "tests/sim/sim_node.h"

namespace syncline::testing {

// Whether nothing is on its way any more: equal frontiers, all durable, all
// content there.
bool AllEqual(const std::vector<SimNode*>& nodes);

// What must hold of nodes that are in step; `left` have been removed, but
// others may know what these wrote. Empty, or what does not:
//   lost       an acknowledged entry, or its bytes
//   follower   a subscriber was not given each record of the log once, in order
//   device     whose an origin is, is not known
//   log        a log with a hole, with other bytes than another, or with an
//              entry that a device made up that lies
//   registers  other heads than the entries say, computed anew
//   view       another tree than the rules say, or than another's
//   content    a shown file that cannot be read
//   quiet      more automatic entries than the rules allow, or a conflict is
//              open though every node resolves
std::string FindFault(const std::vector<SimNode*>& nodes,
                      const std::vector<SimNode*>& left);

}  // namespace syncline::testing
