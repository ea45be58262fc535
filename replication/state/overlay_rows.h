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
  explicit OverlayRows(Store& store);
  ~OverlayRows();

  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 std::string_view key,
                                                 const RowLayer* staged) const;
  [[nodiscard]] RowCursor Scan(Column column, const std::string& lower,
                               const std::string& upper,
                               const RowLayer* staged) const;
  // The rows `n` of one name. Remembered: they are read again and again.
  absl::StatusOr<PackedRows> Group(const std::string& group,
                                   const RowLayer* staged) const;
  void Commit(RowLayer&& staged);

  // Of column kHeads, see HeadCache.
  [[nodiscard]] HeadCache& heads() const { return *heads_; }

  // Requires (checked): no other flush is under way.
  [[nodiscard]] WriteBatch TakeFlush();
  void FlushWritten();
  [[nodiscard]] std::size_t bytes() const {
    return active_.bytes() + frozen_.bytes();
  }

 private:
  absl::StatusOr<PackedRows> ReadGroup(const std::string& group) const;
  const std::optional<std::string>* FindChanged(Column column,
                                                std::string_view key) const;
  void Remember(std::string_view key,
                const std::optional<std::string>& value) const;
  absl::Status ScanDirectory(const std::string& directory) const;

  Store& store_;
  // As rows are without staged ones.
  const std::unique_ptr<HeadCache> heads_;
  mutable Recent<std::string, std::optional<std::string>> others_{1u << 20};
  mutable GroupCache groups_;
  RowLayer active_;
  RowLayer frozen_;  // Being written; empty otherwise.
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
  // Whether a staged row covers those of before.
  [[nodiscard]] bool Stages(Column column, std::string_view key) const {
    return staged_ != nullptr && staged_->map(column).contains(key);
  }
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
