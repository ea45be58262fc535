#pragma once

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "kv/store.h"

namespace syncline::testing {

// Hands every call on. Borrows the store.
class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(Store& store) : store_(store) {}
  absl::StatusOr<std::string> Get(
      Column column, std::string_view key,
      const StoreSnapshot* snapshot = nullptr) const override {
    return store_.Get(column, key, snapshot);
  }
  [[nodiscard]] std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options = {}) const override {
    return store_.NewIterator(column, options);
  }
  [[nodiscard]] std::unique_ptr<StoreSnapshot> NewSnapshot() const override {
    return store_.NewSnapshot();
  }
  absl::Status Write(const WriteBatch& batch, bool sync) override {
    return store_.Write(batch, sync);
  }
  absl::Status Sync() override { return store_.Sync(); }
  absl::Status Compact(Column column, std::string_view begin,
                       std::string_view end) override {
    return store_.Compact(column, begin, end);
  }

 private:
  Store& store_;
};

// Counts what is written. Thread-compatible.
class TallyStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  absl::Status Write(const WriteBatch& batch, bool sync) override {
    ++batches;
    writer = std::this_thread::get_id();
    for (const WriteBatch::Op op : batch) {
      ++ops[static_cast<std::size_t>(op.column)];
    }
    return ForwardingStore::Write(batch, sync);
  }
  std::size_t Ops(Column column) const {
    return ops[static_cast<std::size_t>(column)];
  }

  std::size_t batches = 0;
  std::thread::id writer;  // Of the newest.
  std::array<std::size_t, kColumnCount> ops{};
};

// A disk whose Sync() can be held up, and whose next Write(). Thread-safe.
class GateStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  void Shut() {
    const std::scoped_lock lock(mutex_);
    open_ = false;
  }
  void ShutForWrite() {
    const std::scoped_lock lock(mutex_);
    open_ = false;
    holds_write_ = true;
  }
  void Open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    holds_write_ = false;
    changed_.notify_all();
  }
  // Until a Sync(), or the Write(), stands at the gate.
  void AwaitHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  int syncs() const {
    const std::scoped_lock lock(mutex_);
    return syncs_;
  }

  absl::Status Write(const WriteBatch& batch, bool sync) override {
    {
      std::unique_lock lock(mutex_);
      if (std::exchange(holds_write_, false)) Stand(lock);
    }
    return ForwardingStore::Write(batch, sync);
  }
  absl::Status Sync() override {
    {
      std::unique_lock lock(mutex_);
      ++syncs_;
      Stand(lock);
    }
    return ForwardingStore::Sync();
  }

 private:
  void Stand(std::unique_lock<std::mutex>& lock) {
    held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    held_ = false;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  bool holds_write_ = false;
  bool held_ = false;
  int syncs_ = 0;
};

}  // namespace syncline::testing
