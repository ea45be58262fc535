#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replication/state/causal_state.h"
#include "replication/state/chain_rows.h"

namespace syncline {

// A location as head rows hold it: the chain by name.
struct StoredLocation {
  ItemId parent;
  std::string name;
  ChainRef chain;
  friend bool operator==(const StoredLocation&,
                         const StoredLocation&) = default;
};

// A live head as its row holds it.
struct StoredHead {
  HeadOrder order;
  int generation = 0;
  std::string value;                 // Not for places.
  std::optional<StoredLocation> at;  // Places, and the hint of contents.
  Attrs attrs;                       // Contents.
  Dots sources;                      // Contents and documents.
  std::uint64_t arrival = 0;
};

// The heads of one register, by ascending dot.
using StoredHeads = std::vector<StoredHead>;

// All live heads of one item: one row, so that an edit reads and writes one.
struct ItemHeads {
  StoredHeads places;
  StoredHeads contents;
  std::map<std::string, StoredHeads> attrs;  // No register is empty.

  [[nodiscard]] bool empty() const {
    return places.empty() && contents.empty() && attrs.empty();
  }
};

std::string EncodeItemHeads(const ItemHeads& heads);
std::optional<ItemHeads> DecodeItemHeads(std::string_view bytes);
std::string EncodeDocHeads(const StoredHeads& heads);
std::optional<StoredHeads> DecodeDocHeads(std::string_view bytes);

// The head of maximum order. Requires (checked): there is one.
const StoredHead& NewestOf(const StoredHeads& heads);
// Removes the head with `dot` and returns it, if it is there.
std::optional<StoredHead> TakeHead(StoredHeads& heads, const Dot& dot);
// Requires (checked): no head with its dot.
void InsertHead(StoredHeads& heads, StoredHead head);

// A set hash: four 64-bit sums over the SHA-256 of each live head. Equal sets
// give equal sums, whatever the order of changes.
class HeadDigest {
 public:
  void Add(const RegisterId& reg, const StoredHead& head);
  void Remove(const RegisterId& reg, const StoredHead& head);
  [[nodiscard]] Hash ToHash() const;
  static HeadDigest FromHash(const Hash& hash);
  friend bool operator==(const HeadDigest&, const HeadDigest&) = default;

 private:
  std::array<std::uint64_t, 4> lanes_{};
};

}  // namespace syncline
