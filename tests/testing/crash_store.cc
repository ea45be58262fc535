#include "tests/testing/crash_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace syncline::testing {
namespace {

std::unique_ptr<MemoryStore> Copy(const MemoryStore& store) {
  WriteBatch batch;
  for (std::size_t i = 0; i < kColumnCount; ++i) {
    const auto column = static_cast<Column>(i);
    auto iterator = store.NewIterator(column);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      batch.Put(column, std::string(iterator->key()),
                std::string(iterator->value()));
    }
  }
  auto copy = std::make_unique<MemoryStore>();
  SYNCLINE_CHECK(copy->Write(batch, true).ok(), "a write to memory failed");
  return copy;
}

}  // namespace

CrashStore::CrashStore()
    : visible_(std::make_unique<MemoryStore>()),
      durable_(std::make_unique<MemoryStore>()) {}
CrashStore::~CrashStore() = default;

void CrashStore::Crash(std::size_t keep) {
  std::lock_guard lock(mutex_);
  PersistOldest(std::min(keep, unsynced_.size()));
  unsynced_.clear();
  visible_ = Copy(*durable_);
}

std::unique_ptr<MemoryStore> CrashStore::Image() const {
  std::lock_guard lock(mutex_);
  return Copy(*visible_);
}

void CrashStore::SetBack(const MemoryStore& image) {
  std::lock_guard lock(mutex_);
  unsynced_.clear();
  durable_ = Copy(image);
  visible_ = Copy(image);
}

std::size_t CrashStore::unsynced() const {
  std::lock_guard lock(mutex_);
  return unsynced_.size();
}

void CrashStore::PersistOldest(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    SYNCLINE_CHECK(durable_->Write(unsynced_[i], true).ok(),
                   "a write to memory failed");
  }
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + count);
}

absl::StatusOr<std::string> CrashStore::Get(
    Column column, std::string_view key, const StoreSnapshot* snapshot) const {
  return visible_->Get(column, key, snapshot);
}

std::unique_ptr<StoreIterator> CrashStore::NewIterator(
    Column column, const IterateOptions& options) const {
  return visible_->NewIterator(column, options);
}

std::unique_ptr<StoreSnapshot> CrashStore::NewSnapshot() const {
  return visible_->NewSnapshot();
}

absl::Status CrashStore::Write(const WriteBatch& batch, bool sync) {
  std::lock_guard lock(mutex_);
  unsynced_.push_back(batch);
  absl::Status status = visible_->Write(batch, sync);
  if (sync) PersistOldest(unsynced_.size());
  return status;
}

absl::Status CrashStore::Sync() {
  std::lock_guard lock(mutex_);
  PersistOldest(unsynced_.size());
  return absl::OkStatus();
}

absl::Status CrashStore::Compact(Column, std::string_view, std::string_view) {
  return absl::OkStatus();
}

}  // namespace syncline::testing
