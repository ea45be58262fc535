#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"

namespace syncline {

// Rule P5: supersedes what was seen of the token's items, `keep` left out. An
// item's place and attributes go only with its last content.
absl::StatusOr<std::vector<RemoveEffect>> Removals(
    const CausalState& state, const Token& seen,
    const std::optional<ItemId>& keep);

// Rule P11: whoever takes an item out of a broken cycle pins the directory
// that is shown at the root for it, so that it stays there.
absl::StatusOr<std::vector<Effect>> Pins(const CausalState& state,
                                         const std::vector<ItemId>& leaving);

// The dots of `heads`, ascending.
Dots DotsOf(const std::vector<Head>& heads);

// The location that `token` has for `item`; the shown item's if it has none.
const Location& LocationIn(const Token& token, const ItemId& item);

template <typename Kind>
void AppendEffects(std::vector<Effect>& to, std::vector<Kind> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()),
            std::make_move_iterator(from.end()));
}

}  // namespace syncline
