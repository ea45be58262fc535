#include "tests/log/drafts.h"

#include <string>

#include "base/hash.h"
#include "base/random.h"

namespace syncline::testing {

std::vector<Draft> Views(const OwnedDrafts& drafts) {
  std::vector<Draft> views;
  for (const OwnedDraft& draft : drafts) {
    views.push_back({draft.dot, draft.entry, draft.changes});
  }
  return views;
}

Origin OriginOf(std::uint64_t number) {
  Origin origin;
  SeededRandom(number).Fill(origin.bytes);
  return origin;
}

OwnedDraft DraftOf(const Dot& dot) {
  SeededRandom random(std::hash<Dot>()(dot));
  const std::size_t entry_bytes = 1 + random.Below(120);
  const std::size_t changes_bytes = random.Below(40);
  return {dot, random.Bytes(entry_bytes), random.Bytes(changes_bytes)};
}

OwnedDrafts DraftsOf(const Origin& origin, std::uint64_t first,
                     std::uint64_t count) {
  OwnedDrafts drafts;
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
