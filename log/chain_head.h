#pragma once

#include <string>

#include "base/hash.h"
#include "clock/dot.h"

namespace syncline {

// The chain hash of one origin at a counter: equal hashes, equal entries up to
// there. Signed by the origin's device it proves that they are its own
// (replication/chain_signature.h); a log does not look at that.
struct ChainHead {
  Dot dot;
  Hash hash;
  std::string signature = {};  // Ed25519, 64 bytes; empty where not needed.
  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};

}  // namespace syncline
