#include "log/log_space.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/random.h"
#include "kv/rocks_store.h"
#include "log/log_rows.h"
#include "tests/log/log_harness.h"

namespace syncline {
namespace {

using testing::kProject;
using testing::LogHarness;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::OwnedDrafts;
using testing::TemporaryDirectory;

const auto kNever = [] { return false; };

// What does not compress.
OwnedDrafts Noise(std::uint64_t first, std::uint64_t count,
                  RandomSource& random) {
  OwnedDrafts drafts;
  for (std::uint64_t i = 0; i < count; ++i) {
    drafts.push_back({{OriginOf(1), first + i}, random.Bytes(8u << 10), {}});
  }
  return drafts;
}

std::uintmax_t BytesIn(const std::filesystem::path& path) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

absl::Status Reclaim(Store& store, AppendLog& log) {
  const auto from = ReclaimedThrough(store, kProject);
  if (!from.ok()) return from.status();
  return ReclaimSpace(store, kProject, *from, log.horizon(), kNever);
}

// 4000 records of 8 KiB, and room for a few files of the store's own.
constexpr std::uint64_t kSpaceRecords = 4000;
constexpr std::uintmax_t kAllBytes = kSpaceRecords << 13;

void FillSpace(LogHarness& harness) {
  SeededRandom random(11);
  for (std::uint64_t i = 0; i < kSpaceRecords; i += 500) {
    REQUIRE(harness.Append(Noise(i + 1, 500, random)).ok());
  }
}

TEST_CASE("log_space: the directory shrinks by what was truncated", "[log]") {
  const TemporaryDirectory directory;
  auto store = RocksStore::Open(directory.path());
  REQUIRE(store.ok());
  LogHarness harness(**store);
  FillSpace(harness);
  REQUIRE(BytesIn(directory.path()) >= kAllBytes);
  REQUIRE(harness->TruncateThrough({kSpaceRecords * 9 / 10}).ok());
  CHECK(BytesIn(directory.path()) >= kAllBytes);
  REQUIRE(Reclaim(**store, harness.log()).ok());
  CHECK(BytesIn(directory.path()) < kAllBytes / 2);
  const auto reader = harness->Read({.since = harness->horizon()});
  std::uint64_t left = 0;
  for (; reader->Valid(); reader->Next()) ++left;
  CHECK(reader->status().ok());
  CHECK(left == kSpaceRecords / 10);
}

TEST_CASE("log_space: open readers keep what they see until they go", "[log]") {
  const TemporaryDirectory directory;
  auto store = RocksStore::Open(directory.path());
  REQUIRE(store.ok());
  LogHarness harness(**store);
  FillSpace(harness);
  const auto snapshot = (*store)->NewSnapshot();
  const auto reader = harness->Read({});
  REQUIRE(harness->TruncateThrough({kSpaceRecords}).ok());
  REQUIRE(Reclaim(**store, harness.log()).ok());
  std::uint64_t seen = 0;
  for (; reader->Valid(); reader->Next()) ++seen;
  CHECK(reader->status().ok());
  CHECK(seen == kSpaceRecords);
  CHECK((*store)
            ->Get(Column::kLog, RecordKey(kProject, {17}), snapshot.get())
            .ok());
  CHECK(absl::IsNotFound(
      (*store)->Get(Column::kLog, RecordKey(kProject, {17})).status()));
}

TEST_CASE("log_space: a crash before the space was given back loses nothing",
          "[log][fault]") {
  const TemporaryDirectory directory;
  {
    auto store = RocksStore::Open(directory.path());
    REQUIRE(store.ok());
    LogHarness harness(**store);
    FillSpace(harness);
    REQUIRE(harness->TruncateThrough({kSpaceRecords - 10}).ok());
  }  // Between the truncation and ReclaimSpace().
  auto store = RocksStore::Open(directory.path());
  REQUIRE(store.ok());
  LogHarness harness(**store);
  CHECK(harness->horizon() == Seq{kSpaceRecords - 10});
  REQUIRE(*ReclaimedThrough(**store, kProject) == Seq{0});
  REQUIRE(Reclaim(**store, harness.log()).ok());
  CHECK(BytesIn(directory.path()) < kAllBytes / 2);
  WriteBatch rows;
  PutReclaimed(kProject, harness->horizon(), rows);
  REQUIRE(harness.Append({}, Durability::kDurable, std::move(rows)).ok());
  CHECK(*ReclaimedThrough(**store, kProject) == harness->horizon());
  REQUIRE(harness.Open().ok());  // The row does not disturb the log.
  SeededRandom random(12);
  CHECK(harness.Append(Noise(kSpaceRecords + 1, 3, random)).ok());
}

TEMPLATE_TEST_CASE("log_space: it ends between parts when told to", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  int asked = 0;
  CHECK(absl::IsCancelled(ReclaimSpace(on.store(), kProject, {0}, {1u << 20},
                                       [&] { return ++asked == 3; })));
  CHECK(asked == 3);
  CHECK(ReclaimSpace(on.store(), kProject, {0}, {1u << 20}, kNever).ok());
}

TEST_CASE("log_space: small truncations are not worth the writing", "[log]") {
  CHECK_FALSE(WorthReclaiming(0, 0));
  CHECK_FALSE(WorthReclaiming(100, 1u << 20));
  CHECK(WorthReclaiming(100, 4u << 20));
  CHECK(WorthReclaiming(100'000, 0));
}

}  // namespace
}  // namespace syncline
