#include "kv/memory_store.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "base/status.h"

namespace syncline {
namespace {

// One state of a row: what it is from version `since` on.
struct RowState {
  std::uint64_t since;
  std::optional<std::string> value;  // Nothing: deleted.
};
// Oldest first. Never empty.
using Row = std::vector<RowState>;
using Rows = std::map<std::string, Row, std::less<>>;

const std::string* ValueAt(const Row& row, std::uint64_t version) {
  for (auto state = row.rbegin(); state != row.rend(); ++state) {
    if (state->since <= version) {
      return state->value.has_value() ? &*state->value : nullptr;
    }
  }
  return nullptr;
}

}  // namespace

// std::shared_mutex rather than absl::Mutex: the thread sanitizer knows what
// the former does even in a system library that was built without it.
struct MemoryStore::Impl {
  mutable std::shared_mutex mutex;
  // All below are guarded by `mutex`.
  std::array<Rows, kColumnCount> columns;
  std::uint64_t version = 0;  // One more for each batch.
  std::multiset<std::uint64_t> pins;
  // Rows that were changed while something was pinned: they may hold states
  // that nobody will read once the pins are gone.
  std::set<std::pair<Column, std::string>> stale;

  Rows& RowsOf(Column column) {
    return columns[static_cast<std::size_t>(column)];
  }

  std::uint64_t Pin() {
    std::unique_lock lock(mutex);
    pins.insert(version);
    return version;
  }

  void PinAt(std::uint64_t pinned) {
    std::unique_lock lock(mutex);
    pins.insert(pinned);
  }

  void Unpin(std::uint64_t pinned) {
    std::unique_lock lock(mutex);
    pins.erase(pins.find(pinned));
    if (!pins.empty()) return;
    for (const auto& [column, key] : stale) {
      Rows& rows = RowsOf(column);
      auto row = rows.find(key);
      if (row != rows.end()) Prune(rows, row);
    }
    stale.clear();
  }

  // Drops the states that no pin can see, and the row with its last value.
  // Returns the row after it.
  Rows::iterator Prune(Rows& rows, Rows::iterator row) {
    const std::uint64_t oldest = pins.empty() ? version : *pins.begin();
    Row& states = row->second;
    std::size_t keep = states.size() - 1;
    while (keep > 0 && states[keep].since > oldest) --keep;
    states.erase(states.begin(), states.begin() + keep);
    if (states.size() == 1 && !states[0].value.has_value()) {
      return rows.erase(row);
    }
    return std::next(row);
  }

  Rows::iterator Set(Column column, Rows::iterator row,
                     std::optional<std::string> value) {
    Row& states = row->second;
    if (!states.empty() && states.back().since == version) {
      states.back().value = std::move(value);
    } else {
      states.push_back({version, std::move(value)});
    }
    if (!pins.empty()) stale.emplace(column, row->first);
    return Prune(RowsOf(column), row);
  }

  void Apply(const WriteBatch::Op& op) {
    Rows& rows = RowsOf(op.column);
    switch (op.kind) {
      case WriteBatch::Op::Kind::kPut:
        Set(op.column, rows.try_emplace(std::string(op.key)).first,
            std::string(op.value));
        return;
      case WriteBatch::Op::Kind::kDelete:
        if (auto row = rows.find(op.key); row != rows.end()) {
          Set(op.column, row, std::nullopt);
        }
        return;
      case WriteBatch::Op::Kind::kDeleteRange:
        for (auto row = rows.lower_bound(op.key);
             row != rows.end() && row->first < op.value;) {
          row = Set(op.column, row, std::nullopt);
        }
        return;
    }
  }
};

namespace {

class MemorySnapshot final : public StoreSnapshot {
 public:
  explicit MemorySnapshot(MemoryStore::Impl& store)
      : store_(store), version_(store.Pin()) {}
  ~MemorySnapshot() override { store_.Unpin(version_); }

  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  MemoryStore::Impl& store_;
  const std::uint64_t version_;
};

std::uint64_t VersionOf(const StoreSnapshot& snapshot) {
  return static_cast<const MemorySnapshot&>(snapshot).version();
}

// Holds copies of its row, so that rows may come and go between moves.
class MemoryIterator final : public StoreIterator {
 public:
  MemoryIterator(MemoryStore::Impl& store, Column column,
                 const IterateOptions& options)
      : store_(store),
        rows_(store.RowsOf(column)),
        lower_(options.lower_bound),
        upper_(options.upper_bound) {
    if (options.snapshot == nullptr) {
      version_ = store_.Pin();
    } else {
      version_ = VersionOf(*options.snapshot);
      store_.PinAt(version_);
    }
  }
  ~MemoryIterator() override { store_.Unpin(version_); }

  void SeekToFirst() override { Seek({}); }

  void SeekToLast() override {
    std::shared_lock lock(store_.mutex);
    Backward(upper_.empty() ? rows_.end() : rows_.lower_bound(upper_));
  }

  void Seek(std::string_view key) override {
    std::shared_lock lock(store_.mutex);
    Forward(rows_.lower_bound(std::max<std::string_view>(key, lower_)));
  }

  void SeekForPrev(std::string_view key) override {
    if (!upper_.empty() && key >= upper_) return SeekToLast();
    std::shared_lock lock(store_.mutex);
    Backward(rows_.upper_bound(key));
  }

  void Next() override {
    std::shared_lock lock(store_.mutex);
    Forward(rows_.upper_bound(key_));
  }

  void Prev() override {
    std::shared_lock lock(store_.mutex);
    Backward(rows_.lower_bound(key_));
  }

  [[nodiscard]] bool Valid() const override { return valid_; }
  [[nodiscard]] std::string_view key() const override { return key_; }
  [[nodiscard]] std::string_view value() const override { return value_; }
  [[nodiscard]] absl::Status status() const override {
    return absl::OkStatus();
  }

 private:
  // Stops at the first row from `row` on that has a value.
  void Forward(Rows::const_iterator row) {
    for (; row != rows_.end() && (upper_.empty() || row->first < upper_);
         ++row) {
      if (Take(*row)) return;
    }
    valid_ = false;
  }

  // Stops at the last row before `row` that has a value.
  void Backward(Rows::const_iterator row) {
    while (row != rows_.begin()) {
      --row;
      if (row->first < lower_) break;
      if (Take(*row)) return;
    }
    valid_ = false;
  }

  bool Take(const Rows::value_type& row) {
    const std::string* value = ValueAt(row.second, version_);
    if (value == nullptr) return false;
    key_ = row.first;
    value_ = *value;
    return valid_ = true;
  }

  MemoryStore::Impl& store_;
  const Rows& rows_;
  const std::string lower_;
  const std::string upper_;
  std::uint64_t version_ = 0;
  bool valid_ = false;
  std::string key_;
  std::string value_;
};

}  // namespace

MemoryStore::MemoryStore() : impl_(std::make_unique<Impl>()) {}
MemoryStore::~MemoryStore() = default;

absl::StatusOr<std::string> MemoryStore::Get(
    Column column, std::string_view key, const StoreSnapshot* snapshot) const {
  std::shared_lock lock(impl_->mutex);
  const Rows& rows = impl_->RowsOf(column);
  auto row = rows.find(key);
  const std::string* value =
      row == rows.end()
          ? nullptr
          : ValueAt(row->second, snapshot == nullptr ? impl_->version
                                                     : VersionOf(*snapshot));
  if (value == nullptr) return NotFound("no such key");
  return *value;
}

std::unique_ptr<StoreIterator> MemoryStore::NewIterator(
    Column column, const IterateOptions& options) const {
  return std::make_unique<MemoryIterator>(*impl_, column, options);
}

std::unique_ptr<StoreSnapshot> MemoryStore::NewSnapshot() const {
  return std::make_unique<MemorySnapshot>(*impl_);
}

absl::Status MemoryStore::Write(const WriteBatch& batch, bool) {
  std::unique_lock lock(impl_->mutex);
  ++impl_->version;
  for (const WriteBatch::Op op : batch) impl_->Apply(op);
  return absl::OkStatus();
}

absl::Status MemoryStore::Sync() { return absl::OkStatus(); }

absl::Status MemoryStore::Compact(Column, std::string_view, std::string_view) {
  return absl::OkStatus();
}

}  // namespace syncline
