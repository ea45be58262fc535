#include "tests/log/drafts.h"

#include <string>

#include "base/hash.h"
#include "base/random.h"

namespace syncline::testing {

Origin OriginOf(std::uint64_t number) {
  Origin origin;
  SeededRandom(number).Fill(origin.bytes);
  return origin;
}

Draft DraftOf(const Dot& dot) {
  SeededRandom random(std::hash<Dot>()(dot));
  const std::size_t entry_bytes = 1 + random.Below(120);
  const std::size_t changes_bytes = random.Below(40);
  return {dot, random.Bytes(entry_bytes), random.Bytes(changes_bytes)};
}

std::vector<Draft> DraftsOf(const Origin& origin, std::uint64_t first,
                            std::uint64_t count) {
  std::vector<Draft> drafts;
  for (std::uint64_t i = 0; i < count; ++i) {
    drafts.push_back(DraftOf({origin, first + i}));
  }
  return drafts;
}

Hash ExpectedChain(const Origin& origin, std::uint64_t counter) {
  Hash hash;
  for (std::uint64_t i = 1; i <= counter; ++i) {
    hash = Sha256(std::string(hash.view()) + DraftOf({origin, i}).entry);
  }
  return hash;
}

}  // namespace syncline::testing
