#pragma once

#include <cstdint>

#include "log/entry.h"
#include "replication/state/row_keys.h"

namespace syncline::testing {

// What the tests of the state begin with, besides two authors: a time, and keys
// and items where it does not matter which.

inline constexpr std::int64_t kNow = 1'750'000'000'000;  // Milliseconds.

inline const RowKeys kKeys(ProjectNumber{7});

inline ItemId Item(std::uint64_t number, ItemKind kind = ItemKind::kFile) {
  ItemId item;
  item.counter = number;
  item.kind = kind;
  return item;
}

}  // namespace syncline::testing
