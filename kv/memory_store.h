#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kv/store.h"

namespace syncline {

// The Store's twin in memory: the same contract except that nothing outlives
// the object. For tests, simulations and throw-away nodes.
//
// Every write is as durable as it will ever be when it returns, so Sync() only
// succeeds. Snapshots and iterators pin old versions of the rows that change
// while they live; the versions go when the last pin goes.
//
// Thread-safe; never blocks on anything but its own lock.
class MemoryStore final : public Store {
 public:
  MemoryStore();
  // Requires: snapshots and iterators are gone.
  ~MemoryStore() override;
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

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

  struct Impl;  // Shared with the snapshots and iterators of this file only.

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
