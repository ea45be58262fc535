#pragma once

#include <cstdint>

#include "clock/origin.h"
#include "replication/state/row.h"

namespace syncline {

// How long one turn is: time for an entry to become durable and reach a peer.
inline constexpr std::int64_t kResolveTurnMs = 1000;

// How long `self` waits before it resolves the conflict of `row`, in ms.
//
// All devices would resolve it, again with each value that comes: that ends
// equal, but leaves many automatic entries. So the authors of the human values
// take turns, first the one whose value is shown. Mostly its entry comes before
// the second one's turn, and ends the conflict. An author has no human value
// left once it has resolved: none resolves twice, however the lines are. The
// others wait long; they are needed where the authors are away.
std::int64_t ResolveDelayMs(const Row& row, const Origin& self);

}  // namespace syncline
