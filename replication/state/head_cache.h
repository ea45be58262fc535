#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "kv/store.h"
#include "replication/state/group_cache.h"
#include "replication/state/head_codec.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/plain_row.h"
#include "replication/state/row_keys.h"
#include "replication/state/row_layer.h"

namespace syncline {

// A row of column kHeads in memory, or that there is none.
class HeadRow {
 public:
  [[nodiscard]] std::string_view key() const { return {text_.get(), key_}; }
  // Nothing: there is no such row.
  [[nodiscard]] std::optional<std::string_view> value() const {
    if (!present_) return std::nullopt;
    return std::string_view(text_.get() + key_, value_);
  }
  // Of the only content or document, where it is known.
  [[nodiscard]] const std::optional<DigestLanes>& lanes() const {
    return lanes_;
  }
  // A file in the usual form that is the only item of its name.
  [[nodiscard]] bool alone() const { return alone_; }

 private:
  friend class HeadCache;
  enum class State : std::uint8_t { kClean, kChanged, kWriting };

  void SetText(std::string_view key, std::optional<std::string_view> value);
  [[nodiscard]] std::size_t bytes() const;

  std::unique_ptr<char[]> text_;  // Key and value.
  std::uint32_t key_ = 0;         // Their lengths.
  std::uint32_t value_ = 0;
  std::uint32_t room_ = 0;    // For both.
  std::uint32_t number_ = 0;  // In HeadCache::all_.
  std::optional<DigestLanes> lanes_;
  State state_ = State::kClean;
  bool present_ = false;
  bool used_ = false;
  bool alone_ = false;
};

// Rows of column kHeads in memory, as they are without staged ones: those that
// changed until they are written, and of the others those used last, up to a
// bound. Rows stay bytes: the usual ones are read and written as they are.
//
// Also knows files that are alone at their name, which is all that rows `n`
// say of most names. A name is known by either this or GroupCache.
class HeadCache {
 public:
  // `groups` is told what is no longer known here. `bytes_max` bounds the
  // rows that have not changed.
  HeadCache(GroupCache& groups, std::size_t bytes_max)
      : groups_(groups), bytes_max_(bytes_max) {}

  // Rows are valid until the next call that is not const; null: not known.
  HeadRow* Find(std::string_view key);
  // What the store has.
  HeadRow& Remember(std::string_view key,
                    std::optional<std::string_view> value);
  // A row changed for good.
  HeadRow& Change(std::string_view key, std::optional<std::string_view> value,
                  const std::optional<DigestLanes>& lanes);

  // The same for any row, by who does not know whether it was alone.
  void ChangeAny(std::string_view key, std::optional<std::string_view> value);

  // The file that is alone at a name; null: not known, perhaps there is none.
  HeadRow* FindAlone(const ItemId& parent, std::string_view name);
  // The rows `n` of the file's name are one, its own. Requires: it is in the
  // usual form, and at that name.
  void SetAlone(HeadRow& row, const ItemId& parent, std::string_view name);
  // From now on the group cache knows the name instead.
  void GiveUpAlone(const ItemId& parent, std::string_view name);

  // Rows that changed go to `changed`, those being written to `writing`: for
  // who must see them in order.
  void Spill(RowLayer& changed, RowLayer& writing);
  // Adds all that changed, sorted, to `batch`. FlushWritten: it is written.
  void TakeFlush(WriteBatch& batch);
  void FlushWritten();
  // Of rows that changed or are being written.
  [[nodiscard]] std::size_t changed_bytes() const { return changed_bytes_; }

 private:
  using State = HeadRow::State;
  struct RowHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return absl::HashOf(key);
    }
    std::size_t operator()(const std::unique_ptr<HeadRow>& row) const {
      return absl::HashOf(row->key());
    }
  };
  struct RowEqual {
    using is_transparent = void;
    static std::string_view Of(std::string_view key) { return key; }
    static std::string_view Of(const std::unique_ptr<HeadRow>& row) {
      return row->key();
    }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Of(a) == Of(b);
    }
  };

  HeadRow& Insert(std::string_view key, std::optional<std::string_view> value);
  void Set(HeadRow& row, std::optional<std::string_view> value);
  void Enter(HeadRow& row, State state);
  void GiveUpAlone(HeadRow& row);
  void DropOld();
  void Drop(HeadRow& row);

  GroupCache& groups_;
  const std::size_t bytes_max_;
  absl::flat_hash_set<std::unique_ptr<HeadRow>, RowHash, RowEqual> rows_;
  absl::flat_hash_map<std::size_t, HeadRow*> alone_;  // By hash of the name.
  std::vector<HeadRow*> all_;                         // The clock's face,
  std::size_t hand_ = 0;                              // and its hand.
  std::vector<HeadRow*> changed_;
  std::vector<HeadRow*> writing_;  // Some may have changed again.
  std::size_t clean_bytes_ = 0;
  std::size_t changed_bytes_ = 0;
};

// Head rows by item and document; without heads if there is no row.
ItemHeads LoadItem(RowReader& rows, const RowKeys& keys, const ItemId& item);
StoredHeads LoadDoc(RowReader& rows, const RowKeys& keys,
                    std::string_view name_space, std::string_view key);

}  // namespace syncline
