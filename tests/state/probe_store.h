#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kv/store.h"

namespace syncline::testing {

// Counts what is read from another store, and can fail one read: a Get, or an
// iterator as a whole. Borrows the store. For one thread.
class ProbeStore final : public Store {
 public:
  struct Reads {
    std::uint64_t gets = 0;
    std::uint64_t iterators = 0;
    std::uint64_t rows = 0;  // That iterators stood on.
    friend bool operator==(const Reads&, const Reads&) = default;
  };

  explicit ProbeStore(Store& store) : store_(store) {}

  [[nodiscard]] const Reads& reads() const { return reads_; }
  void Reset() { reads_ = {}; }
  // Fails the `nth` read from now on (1: the next one).
  void FailRead(std::uint64_t nth) { fail_in_ = nth; }
  // Whether it did.
  [[nodiscard]] bool failed() const { return failed_; }
  void Heal() {
    fail_in_ = 0;
    failed_ = false;
  }

  absl::StatusOr<std::string> Get(
      Column column, std::string_view key,
      const StoreSnapshot* snapshot = nullptr) const override;
  [[nodiscard]] std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options = {}) const override;
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
  class Iterator;

  bool FailsNow() const;

  Store& store_;
  mutable Reads reads_;
  mutable std::uint64_t fail_in_ = 0;
  mutable bool failed_ = false;
};

}  // namespace syncline::testing
