#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/hash.h"
#include "log/entry.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/recent.h"

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
  // The same name, if no row must be written for it as far as is known.
  [[nodiscard]] std::optional<ChainRef> Known(const Chain& chain) const;
  // Empty if the row is missing or malformed, which fails `rows`.
  Chain Load(RowReader& rows, const ChainRef& ref);
  // After the rows written with Add were committed.
  void Committed();
  // ... or thrown away.
  void Discarded();

  // Of a chain's row; nothing if malformed.
  static std::optional<Chain> Decode(std::string_view bytes);
  // Of the empty chain: zeros.
  static Hash HashOf(const Chain& chain);

 private:
  static constexpr std::size_t kRememberedMax = 1024;

  // Of one that needs no row written; nothing: not known.
  [[nodiscard]] std::optional<Hash> KnownHash(const Chain& chain) const;
  [[nodiscard]] const Chain* Find(const Hash& hash) const;
  void Remember(const Hash& hash, const Chain& chain);

  using Chains = absl::flat_hash_map<Hash, Chain>;

  Chains remembered_;  // Their rows exist.
  Chains staged_;
  // The hash of the chain last added that ends with a directory.
  absl::flat_hash_map<ItemId, Hash, ItemIdHash> by_end_;
};

}  // namespace syncline
