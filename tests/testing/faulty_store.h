#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kv/store.h"

namespace syncline::testing {

// Hands every call on to another store, except those it was told to fail.
// Thread-safe. Borrows the store.
class FaultyStore final : public Store {
 public:
  // What fails. A Write(..., true) is a kWrite followed by a kSync: if the
  // kWrite fails nothing is applied; if the kSync fails the batch is applied
  // and visible, but its writer hears of an error.
  enum class Call : std::uint8_t { kWrite, kSync, kGet };

  explicit FaultyStore(Store& store) : store_(store) {}

  // Fails the `nth` call from now on (1: the next one) with `status`, and
  // `times - 1` after it.
  void Fail(Call call, std::uint64_t nth, absl::Status status,
            std::uint64_t times = 1);
  // The same, and all calls after it: a disk that has gone.
  void FailFrom(Call call, std::uint64_t nth, absl::Status status) {
    Fail(call, nth, std::move(status),
         std::numeric_limits<std::uint64_t>::max());
  }
  // Fails nothing any more.
  void Heal();

  // How often `call` was made, failures included.
  [[nodiscard]] std::uint64_t calls(Call call) const;

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
  struct Plan {
    std::uint64_t calls = 0;
    std::uint64_t first = 0;  // Number of the first call to fail.
    std::uint64_t times = 0;
    absl::Status status;
  };

  absl::Status Count(Call call) const;
  Plan& PlanOf(Call call) const {
    return plans_[static_cast<std::size_t>(call)];
  }

  Store& store_;
  mutable std::mutex mutex_;
  mutable std::array<Plan, 3> plans_;  // Guarded by `mutex_`.
};

}  // namespace syncline::testing
