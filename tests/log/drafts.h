#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "log/append_log.h"

namespace syncline::testing {

Origin OriginOf(std::uint64_t number);

// A draft that owns its bytes.
struct OwnedDraft {
  Dot dot;
  std::string entry;
  std::string changes;
};
using OwnedDrafts = std::vector<OwnedDraft>;
std::vector<Draft> Views(const OwnedDrafts& drafts);

// A draft whose bytes are decided by its dot.
OwnedDraft DraftOf(const Dot& dot);
OwnedDrafts DraftsOf(const Origin& origin, std::uint64_t first,
                     std::uint64_t count);
// The chain hash of DraftOf() entries of `origin` up to `counter`.
Hash ExpectedChain(const Origin& origin, std::uint64_t counter);

}  // namespace syncline::testing
