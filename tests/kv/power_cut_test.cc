// Loss of power, a death of the process and a failing disk below RocksDB, at
// every call that changes the disk, against what RocksStore promises: a prefix
// of the batches that has all that was synced, and no repair by hand.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "kv/store.h"
#include "tests/kv/faulty_disk.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::FaultyDisk;
using testing::TemporaryDirectory;

// SYNCLINE_SEEDS: how many lives are lived; by default few.
std::uint64_t SeedCount(std::uint64_t by_default) {
  const char* const wanted = std::getenv("SYNCLINE_SEEDS");
  return wanted == nullptr ? by_default : std::strtoull(wanted, nullptr, 10);
}

std::string KeyOf(std::uint64_t number) {
  std::string key;
  AppendU64(key, number);
  return key;
}

constexpr Column kColumns[] = {Column::kLog, Column::kHeads, Column::kProjects};

std::string ValueOf(std::uint64_t number, Column column) {
  SeededRandom random(number * kColumnCount +
                      static_cast<std::uint64_t>(column));
  const std::size_t size = 1 + random.Below(3'000);
  return random.Bytes(size);
}

// Batch number `number`: a row in each of three columns, and a head row.
WriteBatch BatchOf(std::uint64_t number) {
  WriteBatch batch;
  for (const Column column : kColumns) {
    batch.Put(column, KeyOf(number), ValueOf(number, column));
  }
  batch.Put(Column::kMeta, "newest", KeyOf(number));
  return batch;
}

// How many batches the store holds; fails the test unless they are a prefix
// with every byte as it was written.
std::uint64_t CountBatches(const Store& store) {
  std::uint64_t newest = 0;
  const auto row = store.Get(Column::kMeta, "newest");
  if (row.ok()) newest = ByteReader(*row).U64();
  for (const Column column : kColumns) {
    std::uint64_t number = 0;
    const auto rows = store.NewIterator(column);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      ++number;
      REQUIRE(number <= newest);
      REQUIRE(rows->key() == KeyOf(number));
      REQUIRE(rows->value() == ValueOf(number, column));
    }
    REQUIRE(rows->status().ok());
    REQUIRE(number == newest);
  }
  return newest;
}

// One store over many lives. Each ends at some call that changes the disk: a
// directory is kept that holds what is left at that moment, and the next life
// starts there.
class Lives {
 public:
  explicit Lives(std::uint64_t seed)
      : random_(seed), disk_(std::make_unique<FaultyDisk>(Next())) {}

  void Live() {
    const bool killed = random_.Below(3) == 0;
    const std::uint64_t end = disk_->calls() + 1 + random_.Below(80);
    const std::filesystem::path left = Next();
    std::unique_ptr<FaultyDisk> heir;
    bool ended = false;
    std::uint64_t kept_at_end = 0;
    std::uint64_t durable_at_end = 0;
    // On whichever thread makes the call.
    const auto end_now = [&] {
      ended = true;
      durable_at_end = synced_;
      kept_at_end = killed ? next_.load() : synced_.load();
      if (killed) {
        heir = disk_->Kill(left);
      } else {
        disk_->CutPower(left, random_);
      }
    };
    disk_->BeforeEachCall([&](std::uint64_t call) {
      if (call == end && !ended) end_now();
    });
    next_ = kept_;
    synced_ = durable_;
    auto store = disk_->OpenStore();
    INFO(store.status().ToString());
    REQUIRE(store.ok());
    const std::uint64_t found = CountBatches(**store);
    REQUIRE(found >= kept_);
    lost_ += written_ - std::min(written_, found);
    Work(**store, found, end);
    disk_->BeforeEachCall({});
    if (!ended) end_now();
    store->reset();
    written_ = next_.load();
    kept_ = kept_at_end;
    durable_ = durable_at_end;
    survived_ = std::max(survived_, kept_at_end);
    if (heir == nullptr) heir = std::make_unique<FaultyDisk>(left);
    disk_ = std::move(heir);
  }

  std::uint64_t survived() const { return survived_; }
  std::uint64_t lost() const { return lost_; }

 private:
  std::filesystem::path Next() { return directory_ / std::to_string(lives_++); }

  void Work(Store& store, std::uint64_t found, std::uint64_t end) {
    next_ = found;
    for (int left = 40; left > 0 && disk_->calls() < end; --left) {
      const std::uint64_t what = random_.Below(24);
      if (what == 0) {
        REQUIRE(store.Compact(Column::kLog, {}, {}).ok());
      } else if (what < 4) {
        REQUIRE(store.Sync().ok());
        synced_ = next_.load();
      } else {
        REQUIRE(store.Write(BatchOf(next_ + 1), what == 4).ok());
        ++next_;
        if (what == 4) synced_ = next_.load();
      }
    }
  }

  const TemporaryDirectory directory_{testing::MemoryDirectory()};
  SeededRandom random_;
  int lives_ = 0;
  std::unique_ptr<FaultyDisk> disk_;
  std::atomic<std::uint64_t> next_ = 0;    // Written last.
  std::atomic<std::uint64_t> synced_ = 0;  // And survives loss of power.
  std::uint64_t kept_ = 0;                 // What the next life must find.
  std::uint64_t durable_ = 0;              // Of it, also without power.
  std::uint64_t written_ = 0;
  std::uint64_t survived_ = 0;
  std::uint64_t lost_ = 0;
};

TEST_CASE("rocks_store: power cuts and kills at any call leave a prefix",
          "[kv][fault][law]") {
  std::uint64_t survived = 0;
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= SeedCount(15); ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    Lives lives(seed);
    for (int life = 0; life < 8; ++life) {
      INFO("life " << life);
      lives.Live();
    }
    survived += lives.survived();
    lost += lives.lost();
  }
  // Much was promised, and much else was lost.
  CHECK(survived > 50);
  CHECK(lost > 20);
}

TEST_CASE("rocks_store: its creation may end at any call", "[kv][fault][law]") {
  for (std::uint64_t seed = 1;; ++seed) {
    INFO("call " << seed);
    const TemporaryDirectory directory(testing::MemoryDirectory());
    SeededRandom random(seed);
    FaultyDisk disk(directory / "first");
    bool cut = false;
    disk.BeforeEachCall([&](std::uint64_t call) {
      if (call != seed) return;
      disk.CutPower(directory / "second", random);
      cut = true;
    });
    REQUIRE(disk.OpenStore().ok());
    if (!cut) break;
    FaultyDisk left(directory / "second");
    auto store = left.OpenStore();
    INFO(store.status().ToString());
    REQUIRE(store.ok());
    CHECK(CountBatches(**store) == 0);
    CHECK((*store)->Write(BatchOf(1), true).ok());
    REQUIRE(seed < 1'000);
  }
}

TEST_CASE("rocks_store: a full or broken disk costs nothing that was synced",
          "[kv][fault]") {
  const auto fault =
      GENERATE(FaultyDisk::Fault::kFull, FaultyDisk::Fault::kBroken);
  for (std::uint64_t seed = 1; seed <= SeedCount(40); ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    const TemporaryDirectory directory(testing::MemoryDirectory());
    SeededRandom random(seed);
    FaultyDisk disk(directory / "store");
    auto store = disk.OpenStore();
    REQUIRE(store.ok());
    REQUIRE((*store)->Write(BatchOf(1), true).ok());
    disk.FailFrom(disk.calls() + 1 + random.Below(30), fault,
                  random.Below(2) == 0);
    std::uint64_t written = 1;
    std::uint64_t synced = 1;
    absl::Status failed;
    while (failed.ok()) {
      failed = (*store)->Write(BatchOf(written + 1), false);
      if (failed.ok()) ++written;
      if (!failed.ok() || random.Below(3) != 0) continue;
      failed = (*store)->Sync();
      if (failed.ok()) synced = written;
    }
    CHECK((fault == FaultyDisk::Fault::kFull ? absl::IsResourceExhausted(failed)
                                             : absl::IsInternal(failed)));
    CHECK(CountBatches(**store) >= written);  // Reads go on.
    if (random.Below(2) == 0) disk.Heal();    // Before it is closed, or after.
    // It may go on or not, but it must not promise what it does not keep.
    for (int i = 0; i < 3; ++i) {
      const absl::Status again = (*store)->Write(BatchOf(written + 1), true);
      if (!again.ok()) continue;
      synced = ++written;
    }
    store->reset();
    disk.Heal();
    if (random.Below(2) == 0) {
      disk.CutPower(directory / "left", random);
      FaultyDisk left(directory / "left");
      auto reopened = left.OpenStore();
      INFO(reopened.status().ToString());
      REQUIRE(reopened.ok());
      CHECK(CountBatches(**reopened) >= synced);
      continue;
    }
    auto reopened = disk.OpenStore();
    INFO(reopened.status().ToString());
    REQUIRE(reopened.ok());
    const std::uint64_t found = CountBatches(**reopened);
    CHECK(found >= synced);
    CHECK((*reopened)->Write(BatchOf(found + 1), true).ok());
    CHECK(CountBatches(**reopened) == found + 1);
  }
}

}  // namespace
}  // namespace syncline
