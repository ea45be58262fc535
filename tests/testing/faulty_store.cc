#include "tests/testing/faulty_store.h"

#include <utility>

#include "base/status.h"

namespace syncline::testing {

void FaultyStore::Fail(Call call, std::uint64_t nth, absl::Status status,
                       std::uint64_t times) {
  std::lock_guard lock(mutex_);
  Plan& plan = PlanOf(call);
  plan.first = plan.calls + nth;
  plan.times = times;
  plan.status = std::move(status);
}

void FaultyStore::Heal() {
  std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) plan.times = 0;
}

std::uint64_t FaultyStore::calls(Call call) const {
  std::lock_guard lock(mutex_);
  return PlanOf(call).calls;
}

absl::Status FaultyStore::Count(Call call) const {
  std::lock_guard lock(mutex_);
  Plan& plan = PlanOf(call);
  ++plan.calls;
  const bool fails =
      plan.calls >= plan.first && plan.calls - plan.first < plan.times;
  return fails ? plan.status : absl::OkStatus();
}

absl::StatusOr<std::string> FaultyStore::Get(
    Column column, std::string_view key, const StoreSnapshot* snapshot) const {
  SYNCLINE_RETURN_IF_ERROR(Count(Call::kGet));
  return store_.Get(column, key, snapshot);
}

std::unique_ptr<StoreIterator> FaultyStore::NewIterator(
    Column column, const IterateOptions& options) const {
  return store_.NewIterator(column, options);
}

std::unique_ptr<StoreSnapshot> FaultyStore::NewSnapshot() const {
  return store_.NewSnapshot();
}

absl::Status FaultyStore::Write(const WriteBatch& batch, bool sync) {
  SYNCLINE_RETURN_IF_ERROR(Count(Call::kWrite));
  const absl::Status synced = sync ? Count(Call::kSync) : absl::OkStatus();
  const absl::Status written = store_.Write(batch, sync && synced.ok());
  return written.ok() ? synced : written;
}

absl::Status FaultyStore::Sync() {
  SYNCLINE_RETURN_IF_ERROR(Count(Call::kSync));
  return store_.Sync();
}

absl::Status FaultyStore::Compact(Column column, std::string_view begin,
                                  std::string_view end) {
  return store_.Compact(column, begin, end);
}

}  // namespace syncline::testing
