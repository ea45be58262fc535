#pragma once

#include <cstdint>
#include <vector>

#include "log/append_log.h"

namespace syncline::testing {

Origin OriginOf(std::uint64_t number);

// A draft whose bytes are decided by its dot.
Draft DraftOf(const Dot& dot);
std::vector<Draft> DraftsOf(const Origin& origin, std::uint64_t first,
                            std::uint64_t count);
// The chain hash of DraftOf() entries of `origin` up to `counter`.
Hash ExpectedChain(const Origin& origin, std::uint64_t counter);

}  // namespace syncline::testing
