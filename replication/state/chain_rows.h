#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "base/hash.h"
#include "log/entry.h"
#include "replication/state/overlay_rows.h"

namespace syncline {

// Names the first `length` elements of a stored chain. The default is the
// empty chain, which is not stored.
struct ChainRef {
  Hash hash;
  std::uint32_t length = 0;
  friend bool operator==(const ChainRef&, const ChainRef&) = default;
};

// Ancestor chains, each stored once under the hash of its bytes, in column
// kChains (shared by the projects of a store, never collected). What was read
// or written last is remembered, so that a run of entries below one directory
// touches its chain's row once.
class ChainRows {
 public:
  // The name of `chain`; its row is written unless it surely exists.
  ChainRef Add(RowWriter& rows, const Chain& chain);
  // Empty if the row is missing or malformed, which fails `rows`.
  Chain Load(RowReader& rows, const ChainRef& ref);
  // After the rows written with Add were committed.
  void Committed();
  // ... or thrown away.
  void Discarded();

  // Of the empty chain: zeros.
  static Hash HashOf(const Chain& chain);

 private:
  static constexpr std::size_t kRememberedMax = 1024;

  void Remember(const Hash& hash, const Chain& chain);

  std::map<Hash, Chain> remembered_;  // Their rows exist.
  std::map<Hash, Chain> staged_;
};

}  // namespace syncline
