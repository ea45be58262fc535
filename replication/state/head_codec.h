#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"
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

// First byte of a head row.
inline constexpr std::uint8_t kHeadRowFormat = 1;

// What a head counts for in the digest of all.
using DigestLanes = std::array<std::uint64_t, 4>;

// A live head as its row holds it.
struct StoredHead {
  HeadOrder order;
  int generation = 0;
  std::string value;  // Not for places.
  // Places, and the hint of contents; else null.
  std::shared_ptr<const StoredLocation> at;
  Attrs attrs;   // Contents.
  Dots sources;  // Contents and documents.
  std::uint64_t arrival = 0;
  std::optional<DigestLanes> lanes;  // Where they are known.
};
using HeadPtr = std::shared_ptr<const StoredHead>;

// The heads of one register, by ascending dot. Copies share them.
class StoredHeads {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = StoredHead;
    using difference_type = std::ptrdiff_t;
    using pointer = const StoredHead*;
    using reference = const StoredHead&;

    Iterator() = default;
    explicit Iterator(const HeadPtr* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const HeadPtr* at_ = nullptr;
  };

  [[nodiscard]] Iterator begin() const { return Iterator(heads_.data()); }
  [[nodiscard]] Iterator end() const {
    return Iterator(heads_.data() + heads_.size());
  }
  [[nodiscard]] std::size_t size() const { return heads_.size(); }
  [[nodiscard]] bool empty() const { return heads_.empty(); }
  [[nodiscard]] const StoredHead& front() const { return *heads_.front(); }

  // Behind all others: its dot is larger.
  void Append(StoredHead head) {
    heads_.push_back(std::make_shared<const StoredHead>(std::move(head)));
  }
  // Requires (checked): no head with its dot.
  void Insert(StoredHead head);
  // Removes the head with `dot` and returns it; null if it is not there.
  HeadPtr Take(const Dot& dot);

 private:
  absl::InlinedVector<HeadPtr, 1> heads_;
};

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

inline constexpr std::string_view kNoAttrs{"\0", 1};
// Attributes as rows and the digest have them: how many, then key and value of
// each, sized. Replaces what is in `out`.
void PackAttrs(const Attrs& attrs, std::string& out);

// What a head is, on every replica: what the digest is made of. Borrows all.
struct DigestedHead {
  RegisterId::Field field = RegisterId::Field::kContent;
  const ItemId* item = nullptr;  // Null: a document.
  std::string_view name_space;
  std::string_view key;
  const HeadOrder* order = nullptr;
  int generation = 0;
  std::string_view value;
  const ItemId* parent = nullptr;  // Of its location; null: it has none.
  std::string_view name;
  const Hash* chain = nullptr;
  std::string_view attrs = kNoAttrs;  // As PackAttrs has them.
  std::span<const Dot> sources;
};
DigestLanes LanesOf(const DigestedHead& head);
DigestLanes LanesOf(const RegisterId& reg, const StoredHead& head);

// A set hash: four 64-bit sums over the SHA-256 of each live head. Equal sets
// give equal sums, whatever the order of changes.
class HeadDigest {
 public:
  void Add(const DigestLanes& lanes);
  void Remove(const DigestLanes& lanes);
  [[nodiscard]] Hash ToHash() const;
  static HeadDigest FromHash(const Hash& hash);
  friend bool operator==(const HeadDigest&, const HeadDigest&) = default;

 private:
  DigestLanes lanes_{};
};

}  // namespace syncline
