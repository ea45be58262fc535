#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/store.h"
#include "replication/state/group_cache.h"
#include "replication/state/recent.h"
#include "replication/state/row_layer.h"

namespace syncline {

class HeadCache;
class HeadRow;

// Walks the keys in [lower, upper) of one column, newest layer first. The
// layers must not change while it lives. Views are valid until Next().
class RowCursor {
 public:
  static constexpr std::size_t kLayersMax = 3;

  RowCursor(const Store& store, std::array<const RowLayer*, kLayersMax> layers,
            Column column, const std::string& lower, const std::string& upper);

  [[nodiscard]] bool Valid() const { return valid_; }
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }
  void Next();
  [[nodiscard]] absl::Status status() const { return store_rows_->status(); }

 private:
  struct Source {
    RowLayer::Map::const_iterator at;
    RowLayer::Map::const_iterator end;
  };

  void Settle();
  void StepOver(std::string_view key);

  std::array<Source, kLayersMax> sources_;
  std::unique_ptr<StoreIterator> store_rows_;
  std::string_view key_;
  std::string_view value_;
  bool valid_ = false;
};

// The rows of one project: what the store holds, below it changes that are
// being written, below those that are not. Bound to one thread at a time.
class OverlayRows {
 public:
  // `head_bytes_max` bounds the unchanged rows of column kHeads in memory.
  explicit OverlayRows(Store& store, std::size_t head_bytes_max = 16u << 20);
  ~OverlayRows();

  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 std::string_view key,
                                                 const RowLayer* staged) const;
  [[nodiscard]] RowCursor Scan(Column column, const std::string& lower,
                               const std::string& upper,
                               const RowLayer* staged) const;
  // A row of column kHeads without staged ones; valid until the next call.
  absl::StatusOr<HeadRow*> Heads(std::string_view key) const;
  // The rows `n` of one name. Remembered: they are read again and again.
  absl::StatusOr<PackedRows> Group(const std::string& group,
                                   const RowLayer* staged) const;
  void Commit(RowLayer&& staged);

  // What is remembered of column kHeads, and of names.
  [[nodiscard]] HeadCache& heads() const { return *heads_; }
  [[nodiscard]] GroupCache& groups() const { return groups_; }
  // A row `n` of a name that had none.
  void CommitFirst(std::string child_key, std::string_view value);

  // Requires (checked): no other flush is under way.
  [[nodiscard]] WriteBatch TakeFlush();
  void FlushWritten();
  [[nodiscard]] std::size_t bytes() const;

 private:
  absl::StatusOr<std::optional<std::string>> Load(Column column,
                                                  std::string_view key) const;
  absl::StatusOr<PackedRows> ReadGroup(const std::string& group) const;
  const std::optional<std::string>* FindChanged(Column column,
                                                std::string_view key) const;
  void Remember(std::string_view key,
                const std::optional<std::string>& value) const;
  void NoteAlone(const std::string& child_key, std::string_view group);
  absl::Status ScanDirectory(const std::string& directory) const;

  Store& store_;
  // As rows are without staged ones.
  mutable GroupCache groups_;
  const std::unique_ptr<HeadCache> heads_;
  mutable Recent<std::string, std::optional<std::string>> others_{1u << 20};
  // Of column kHeads, only what was spilled.
  mutable RowLayer active_;
  mutable RowLayer frozen_;  // Being written; empty otherwise.
  bool flushing_ = false;
};

// Reads rows for one operation. The first failure is kept and ends nothing:
// rows read as absent from then on, and whoever uses the result checks
// status() first. Algorithms over it must therefore end whatever they read.
class RowReader {
 public:
  explicit RowReader(const OverlayRows& rows) : rows_(rows) {}
  virtual ~RowReader() = default;
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  std::optional<std::string> Get(Column column, std::string_view key);
  // The same for column kHeads, remembered; valid until the next call.
  std::optional<std::string_view> Heads(std::string_view key);
  // Whether staged rows cover those of before.
  [[nodiscard]] bool stages() const { return staged_ != nullptr; }
  // What HeadCache has without staged rows. Null: not known, or it failed.
  HeadRow* FindAlone(const ItemId& parent, std::string_view name);
  HeadRow* Unstaged(std::string_view key);
  [[nodiscard]] HeadCache& heads() const { return rows_.heads(); }
  // Calls `visit` with what follows `prefix` in each key, and the value, until
  // it returns false. `visit` must not write rows.
  using Visitor =
      absl::FunctionRef<bool(std::string_view rest, std::string_view value)>;
  void ForEach(Column column, const std::string& prefix, Visitor visit);
  // The same for the rows `n` of one name, see OverlayRows::Group.
  void ForEachOf(const std::string& group, Visitor visit);
  // Keys in [lower, upper). Give its status() to Fail() in the end.
  RowCursor Cursor(Column column, const std::string& lower,
                   const std::string& upper);

  [[nodiscard]] const absl::Status& status() const { return status_; }
  void Fail(const absl::Status& status);
  // A row that cannot be what was written.
  void FailRow(std::string_view what);

 protected:
  const RowLayer* staged_ = nullptr;

 private:
  const OverlayRows& rows_;
  absl::Status status_;
};

// Also writes them, into a layer of its own that a failure throws away.
class RowWriter final : public RowReader {
 public:
  explicit RowWriter(OverlayRows& rows) : RowReader(rows), target_(rows) {
    staged_ = &layer_;
  }

  void Put(Column column, std::string key, std::string value) {
    layer_.Set(column, std::move(key), std::move(value));
  }
  void Delete(Column column, std::string key) {
    layer_.Set(column, std::move(key), std::nullopt);
  }
  [[nodiscard]] const RowLayer& layer() const { return layer_; }
  void Commit() { target_.Commit(std::move(layer_)); }

 private:
  OverlayRows& target_;
  RowLayer layer_;
};

}  // namespace syncline
