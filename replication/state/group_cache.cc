#include "replication/state/group_cache.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "replication/state/row_keys.h"

namespace syncline {
namespace {

// A directory is read as a whole only where that surely pays.
constexpr std::uint32_t kMissesBeforeScan = 4;
constexpr std::size_t kDirectoriesMax = 16384;
// What reading ahead costs, and earns where a name that was read ahead is asked
// for: reading it alone takes as long as several rows of its directory.
constexpr std::size_t kRowCost = 8;
constexpr std::size_t kEarnedByHit = 4 * kRowCost;
// So that it is tried again, at a small part of what the misses cost.
constexpr std::size_t kEarnedByMiss = 1;
constexpr std::size_t kScanCostMax = GroupCache::kScanMax * kRowCost;
// Two strings in a table that is half full.
constexpr std::size_t kGroupOverhead = 150;

const PackedRows kNoRows;

}  // namespace

PackedRows WithRow(std::string_view packed, std::string_view tail,
                   const std::optional<std::string>& value) {
  PackedRows rows;
  rows.reserve(packed.size() + tail.size() + 4);
  bool placed = !value.has_value();
  const auto place = [&] {
    if (placed) return;
    placed = true;
    AppendSized(rows, tail);
    AppendSized(rows, *value);
  };
  ByteReader reader(packed);
  while (!reader.AtEnd()) {
    const std::string_view key = reader.Sized();
    const std::string_view old_value = reader.Sized();
    if (key >= tail) place();
    if (key == tail) continue;
    AppendSized(rows, key);
    AppendSized(rows, old_value);
  }
  place();
  return rows;
}

void GroupCache::DropOld() {
  if (groups_.dropped() == dropped_ && directories_.size() < kDirectoriesMax) {
    return;
  }
  dropped_ = groups_.dropped();
  directories_.clear();
}

void GroupCache::Earn(std::size_t credit) {
  credit_ = std::min(credit_ + credit, kCreditMax);
}

const PackedRows* GroupCache::Find(std::string_view group) {
  const Group* known = groups_.Find(group);
  DropOld();
  if (known != nullptr) {
    if (std::exchange(known->ahead, false)) Earn(kEarnedByHit);
    return &known->rows;
  }
  const auto directory = directories_.find(RowKeys::DirectoryOf(group));
  if (directory == directories_.end()) return nullptr;
  if (directory->second.scan != Scan::kWhole) return nullptr;
  Earn(kEarnedByHit);
  return &kNoRows;
}

bool GroupCache::Missed(std::string_view group) {
  Earn(kEarnedByMiss);
  Directory& directory = directories_[RowKeys::DirectoryOf(group)];
  return ++directory.misses >= kMissesBeforeScan &&
         directory.scan == Scan::kNone && credit_ >= kScanCostMax;
}

void GroupCache::Set(std::string_view group, PackedRows rows) {
  Keep(group, {std::move(rows), false});
}

void GroupCache::SetAhead(std::string_view group, PackedRows rows) {
  Keep(group, {std::move(rows), true});
}

void GroupCache::Keep(std::string_view group, Group rows) {
  const std::size_t bytes = kGroupOverhead + group.size() + rows.rows.size();
  groups_.Set(group, std::move(rows), bytes);
  DropOld();
}

void GroupCache::Scanned(std::string_view directory, std::size_t rows,
                         bool whole) {
  credit_ -= std::min(credit_, rows * kRowCost);
  directories_[directory].scan = whole ? Scan::kWhole : Scan::kTooLarge;
}

void GroupCache::ForgetWhole(std::string_view directory) {
  directories_.erase(directory);
}

void GroupCache::Changed(std::string_view key,
                         const std::optional<std::string>& value) {
  const std::string_view group = RowKeys::GroupOf(key);
  if (group.empty()) return;
  if (const PackedRows* known = Find(group)) {
    Set(group, WithRow(*known, key.substr(group.size()), value));
  }
}

}  // namespace syncline
