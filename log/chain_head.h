#pragma once

#include "base/hash.h"
#include "clock/dot.h"

namespace syncline {

// The chain hash of one origin at a counter: proves that two nodes hold the
// same entries of it.
struct ChainHead {
  Dot dot;
  Hash hash;
};

}  // namespace syncline
