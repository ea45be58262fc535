#include "replication/resolve_turn.h"

#include <algorithm>
#include <vector>

namespace syncline {

std::int64_t ResolveDelayMs(const Row& row, const Origin& self) {
  constexpr std::int64_t kTurnsOfAuthors = 10;
  constexpr unsigned kTurnsOfOthers = 4;
  std::vector<Origin> authors;
  const auto add = [&](const Sibling& sibling) {
    const Origin& origin = sibling.head.order.origin;
    if (sibling.head.generation == 0 &&
        std::ranges::find(authors, origin) == authors.end()) {
      authors.push_back(origin);
    }
  };
  add(row.shown_sibling());
  std::ranges::for_each(row.siblings, add);
  const auto self_at = std::ranges::find(authors, self);
  if (self_at != authors.end()) {
    const std::int64_t turn = self_at - authors.begin();
    return std::min(turn, kTurnsOfAuthors) * kResolveTurnMs;
  }
  return (kTurnsOfAuthors + self.bytes[0] % kTurnsOfOthers) * kResolveTurnMs;
}

}  // namespace syncline
