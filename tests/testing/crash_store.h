#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kv/memory_store.h"
#include "kv/store.h"

namespace syncline::testing {

// A store in memory that keeps through a crash what a disk would keep: all
// that was synced, and of the rest a prefix of the batches.
//
// Thread-safe, except that Crash() must be called alone.
class CrashStore final : public Store {
 public:
  CrashStore();
  ~CrashStore() override;

  // The machine goes down and comes up again: forgets the batches that were
  // not synced, but for the `keep` oldest of them. Requires: snapshots and
  // iterators are gone; objects that cached what they read are stale.
  void Crash(std::size_t keep = 0);

  // All that is in it, and being set back to that. Requires: as Crash().
  [[nodiscard]] std::unique_ptr<MemoryStore> Image() const;
  void SetBack(const MemoryStore& image);

  // Batches that a Crash() now might lose.
  [[nodiscard]] std::size_t unsynced() const;

  absl::StatusOr<std::string> Get(
      Column column, std::string_view key,
      const StoreSnapshot* snapshot = nullptr) const override;
  [[nodiscard]] std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options = {}) const override;
  [[nodiscard]] std::unique_ptr<StoreSnapshot> NewSnapshot() const override;
  absl::Status Write(const WriteBatch& batch, bool sync) override;
  absl::Status Sync() override;
  absl::Status Compact(Column column, std::string_view begin,
                       std::string_view end) override;

 private:
  void PersistOldest(std::size_t count);

  mutable std::mutex mutex_;
  std::unique_ptr<MemoryStore> visible_;
  std::unique_ptr<MemoryStore> durable_;  // Guarded by `mutex_`, as is:
  std::vector<WriteBatch> unsynced_;      // Oldest first.
};

}  // namespace syncline::testing
