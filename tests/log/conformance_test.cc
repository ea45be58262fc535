// The AppendLog that others came from (memory and file drivers behind one
// interface), case by case: its behaviour where it was right, and the opposite
// where its tests pinned a defect. Rows S3.1 to S3.60; those not named in a
// case below are held elsewhere:
//
//   S3.6, 18, 19   16 threads, replay and live: tests/faults/order_test.cc
//   S3.9, 10       time of an entry: tests/proto/entry_codec_test.cc; one batch
//                  time is one entry with several effects
//   S3.11, 13, 15  limit, path glob and kinds: tests/node/cli_log_test.cc
//   S3.20          named cursors: tests of log/cursors; resuming by seq below
//   S3.29          retention: tests of its folder
//   S3.32          torn tails: tests/kv/power_cut_test.cc, tests/faults
//   S3.38          a reader that stops: tests/faults/slow_subscriber_test.cc
//   S3.41          export is the frame (log/FORMAT.md): tests/log/frame_test.cc
//   S3.42, 43      each case runs over memory and over RocksDB
//   S3.44 to 46    own files and rows: tests/mirror, "rows of others" in
//                  tests/log/damage_test.cc
//   S3.47 to 52    projects, documents: tests/node/node_test.cc
//   S3.53          watching folders: tests/mirror/watcher_test.cc
//   S3.55, 58, 59  gateway, capabilities, undo: not in this version
//   S3.54          named snapshots: not in this version
//   S3.56          order of destruction: tests/log/group_commit_test.cc
#include <catch2/catch.hpp>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/append_log.h"
#include "log/log_rows.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::FaultyStore;
using testing::kA;
using testing::kProject;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OwnedDraft;
using testing::OwnedDrafts;
using testing::Records;
using testing::TallyStore;
using testing::Views;

TEMPLATE_TEST_CASE("conformance: S3.1 each project has a log of its own",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness one(on.store(), ProjectNumber{1});
  LogHarness two(on.store(), ProjectNumber{2});
  REQUIRE(one.Append(DraftsOf(kA, 1, 3)).ok());
  REQUIRE(two.Append(DraftsOf(kA, 1, 5)).ok());
  CHECK(Records(one.log(), {}).seqs == Numbers(1, 3));
  CHECK(Records(two.log(), {}).seqs == Numbers(1, 5));
}

TEMPLATE_TEST_CASE(
    "conformance: S3.2 to S3.4 a batch gets seqs in a row from 1",
    "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const auto first = harness.Append(DraftsOf(kA, 1, 3));
  REQUIRE(first.ok());
  CHECK(first->first == Seq{1});
  CHECK(first->last == Seq{3});
  const auto second = harness.Append(DraftsOf(kA, 4, 1));
  REQUIRE(second.ok());
  CHECK(second->first == Seq{4});
  CHECK(second->last == Seq{4});
  const auto walk = Records(harness.log(), {});
  for (std::size_t i = 0; i < walk.dots.size(); ++i) {
    CHECK(walk.dots[i].counter == i + 1);
  }
}

TEMPLATE_TEST_CASE("conformance: S3.5 seqs go on behind a restart",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  for (std::uint64_t life = 0; life < 4; ++life) {
    LogHarness harness(on.store());
    CHECK(harness->head() == Seq{life * 3});
    const auto appended = harness.Append(DraftsOf(kA, life * 3 + 1, 3));
    REQUIRE(appended.ok());
    CHECK(appended->first == Seq{life * 3 + 1});
    harness.Close();
    on.Reopen();
  }
}

TEMPLATE_TEST_CASE("conformance: S3.7 a refused append harms no other",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::string outcome;
  const auto append = [&](OwnedDrafts drafts) {
    harness->Append(Views(drafts), {}, Durability::kDurable,
                    [&](const absl::StatusOr<AppendLog::Appended>& appended) {
                      outcome += appended.ok() ? 'a' : 'r';
                    });
  };
  append(DraftsOf(kA, 1, 2));
  append(DraftsOf(kA, 9, 1));  // Not the next of its origin.
  append({OwnedDraft{{kA, 3}, "", ""}});
  append(DraftsOf(kA, 3, 2));
  harness.Run();
  CHECK(std::count(outcome.begin(), outcome.end(), 'a') == 2);
  CHECK(std::count(outcome.begin(), outcome.end(), 'r') == 2);
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 4));
}

TEMPLATE_TEST_CASE("conformance: S3.8 an empty append tells the head",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  TallyStore tally(on.store());
  LogHarness harness(tally);
  CHECK(harness.Append({})->last == Seq{0});
  REQUIRE(harness.Append(DraftsOf(kA, 1, 7)).ok());
  const auto ops = tally.ops;
  CHECK(harness.Append({})->last == Seq{7});
  CHECK(tally.ops == ops);  // Nothing was written.
  CHECK(harness->head() == Seq{7});
}

TEMPLATE_TEST_CASE("conformance: S3.11 to S3.15 reads are bounded and combine",
                   "[log][conformance][table]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  struct Row {
    const char* why;
    AppendLog::ReadOptions options;
    std::size_t limit;
    std::vector<std::uint64_t> seqs;
  };
  const std::vector<Row> rows = {
      {"everything", {}, 99, Numbers(1, 10)},
      {"since is exclusive", {.since = {4}}, 99, Numbers(5, 10)},
      {"since the head", {.since = {10}}, 99, {}},
      {"since beyond the head", {.since = {99}}, 99, {}},
      {"until is inclusive", {.until = Seq{3}}, 99, Numbers(1, 3)},
      {"a limit", {}, 3, Numbers(1, 3)},
      {"in reverse", {.reverse = true}, 3, {10, 9, 8}},
      {"first bounds then order then limit",
       {.since = {2}, .until = Seq{6}, .reverse = true},
       2,
       {6, 5}},
      {"reverse with since", {.since = {7}, .reverse = true}, 99, {10, 9, 8}},
      {"an empty range", {.since = {5}, .until = Seq{5}}, 99, {}},
      {"an inverted range", {.since = {6}, .until = Seq{3}}, 99, {}},
  };
  for (const Row& row : rows) {
    INFO(row.why);
    std::vector<std::uint64_t> seqs;
    const auto reader = harness->Read(row.options);
    for (; reader->Valid() && seqs.size() < row.limit; reader->Next()) {
      seqs.push_back(reader->record().seq.value);
    }
    CHECK(reader->status().ok());
    CHECK(seqs == row.seqs);
  }
}

TEMPLATE_TEST_CASE("conformance: S3.24 and S3.25 truncation is inclusive",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  const Seq before = harness->horizon();
  REQUIRE(harness->TruncateThrough({4}).ok());
  CHECK(harness->horizon().value - before.value == 4);  // How many went.
  CHECK(Records(harness.log(), {.since = {4}}).seqs == Numbers(5, 10));
  for (std::uint64_t seq = 1; seq <= 10; ++seq) {
    const bool there =
        on.store().Get(Column::kLog, RecordKey(kProject, {seq})).ok();
    CHECK(there == (seq > 4));
  }
}

TEMPLATE_TEST_CASE(
    "conformance: S3.26 a truncation happens whole or not at all",
    "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  CHECK_FALSE(harness->TruncateThrough({4}).ok());
  REQUIRE(harness.Open().ok());
  CHECK(harness->horizon() == Seq{0});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 10));
  REQUIRE(harness->TruncateThrough({4}).ok());
  REQUIRE(harness.Open().ok());
  CHECK(harness->horizon() == Seq{4});
}

TEMPLATE_TEST_CASE("conformance: S3.27 readers and appends go on meanwhile",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  const auto reader = harness->Read({});
  harness.Start(DraftsOf(kA, 11, 5));
  REQUIRE(harness->TruncateThrough({8}).ok());
  harness.Run();
  CHECK(testing::WalkAll(*reader).seqs == Numbers(1, 10));
  CHECK(Records(harness.log(), {.since = {8}}).seqs == Numbers(9, 15));
}

TEMPLATE_TEST_CASE("conformance: S3.28 truncating nothing changes nothing",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  TallyStore tally(on.store());
  LogHarness harness(tally);
  REQUIRE(harness->TruncateThrough({0}).ok());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  REQUIRE(harness->TruncateThrough({3}).ok());
  const auto batches = tally.batches;
  REQUIRE(harness->TruncateThrough({3}).ok());
  REQUIRE(harness->TruncateThrough({0}).ok());
  CHECK(tally.batches == batches);
  CHECK(harness->horizon() == Seq{3});
}

TEMPLATE_TEST_CASE(
    "conformance: S3.30 and S3.31 no seq is ever given out twice",
    "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  std::uint64_t given = 0;
  for (std::uint64_t life = 0; life < 4; ++life) {
    LogHarness harness(on.store());
    CHECK(harness->head() == Seq{given});
    const auto appended = harness.Append(DraftsOf(kA, given + 1, 5));
    REQUIRE(appended.ok());
    CHECK(appended->first == Seq{given + 1});
    given += 5;
    REQUIRE(harness->TruncateThrough(harness->head()).ok());
    CHECK(harness->head() == Seq{given});
    CHECK(harness.Append(DraftsOf(kA, given + 1, 1))->first == Seq{given + 1});
    given += 1;
    REQUIRE(harness->TruncateThrough(harness->head()).ok());
    harness.Close();
    on.Reopen();  // With nothing in it.
  }
}

TEMPLATE_TEST_CASE("conformance: S3.33 a malformed record is never passed over",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 9)).ok());
  const std::string key = RecordKey(kProject, {5});
  const auto bad =
      GENERATE(as<std::string>(), "", "nonsense", std::string(200, '\0'));
  WriteBatch batch;
  batch.Put(Column::kLog, key, bad);
  REQUIRE(on.store().Write(batch, true).ok());
  for (const bool reverse : {false, true}) {
    const auto walk = Records(harness.log(), {.reverse = reverse});
    CHECK(walk.seqs.size() == 4);
    CHECK(absl::IsDataLoss(walk.status));
    CHECK(walk.status.message().find("project 7, seq 5") != std::string::npos);
  }
}

// Counts the steps of iterators.
class StepStore final : public testing::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options) const override {
    return std::make_unique<Steps>(
        ForwardingStore::NewIterator(column, options), steps);
  }
  mutable int steps = 0;

 private:
  class Steps final : public StoreIterator {
   public:
    Steps(std::unique_ptr<StoreIterator> rows, int& steps)
        : rows_(std::move(rows)), steps_(steps) {}
    void SeekToFirst() override { Count(), rows_->SeekToFirst(); }
    void SeekToLast() override { Count(), rows_->SeekToLast(); }
    void Seek(std::string_view key) override { Count(), rows_->Seek(key); }
    void SeekForPrev(std::string_view key) override {
      Count(), rows_->SeekForPrev(key);
    }
    void Next() override { Count(), rows_->Next(); }
    void Prev() override { Count(), rows_->Prev(); }
    bool Valid() const override { return rows_->Valid(); }
    std::string_view key() const override { return rows_->key(); }
    std::string_view value() const override { return rows_->value(); }
    absl::Status status() const override { return rows_->status(); }

   private:
    void Count() { ++steps_; }
    std::unique_ptr<StoreIterator> rows_;
    int& steps_;
  };
};

TEMPLATE_TEST_CASE("conformance: S3.39 a read touches what it gives out",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  StepStore store(on.store());
  LogHarness harness(store);
  for (std::uint64_t i = 0; i < 10; ++i) {
    harness.Start(DraftsOf(kA, i * 1'000 + 1, 1'000));
  }
  harness.Run();
  store.steps = 0;
  CHECK(Records(harness.log(), {.since = {5'000}, .until = Seq{5'010}})
            .seqs.size() == 10);
  CHECK(store.steps <= 12);
  store.steps = 0;
  const auto newest = harness->Read({.reverse = true});
  CHECK(newest->record().seq == Seq{10'000});
  CHECK(store.steps <= 2);
  store.steps = 0;
  CHECK(harness->Subscribe(Seq{3'000}, Visibility::kDurable, [] {})
            ->Next(1'000)
            .ok());
  CHECK(store.steps <= 20);
  store.steps = 0;
  REQUIRE(harness.Open().ok());
  CHECK(store.steps <= 2'000);  // Not all of it.
}

TEST_CASE("conformance: S3.40 what is acknowledged was synced",
          "[log][conformance]") {
  testing::CrashStore crash;
  LogHarness harness(crash);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  harness.Close();
  crash.Crash();
  REQUIRE(harness.Open().ok());
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 5));
}

TEST_CASE("conformance: S3.57 a store has one owner", "[log][conformance]") {
  const testing::TemporaryDirectory directory;
  const auto first = RocksStore::Open(directory.path());
  REQUIRE(first.ok());
  const auto second = RocksStore::Open(directory.path());
  CHECK(absl::IsFailedPrecondition(second.status()));
  CHECK(second.status().message().find("in use") != std::string::npos);
}

TEMPLATE_TEST_CASE("conformance: S3.60 a payload may be any bytes",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::string all(256, '\0');
  std::iota(all.begin(), all.end(), '\0');
  const std::vector<std::string> payloads = {
      std::string(1, '\0'), "\xff",         all,
      std::string(7, '\0'), "{\"json\":1}", std::string(1u << 20, 'x')};
  std::uint64_t counter = 0;
  for (const std::string& payload : payloads) {
    REQUIRE(harness.Append({OwnedDraft{{kA, ++counter}, payload, all}}).ok());
  }
  const auto reader = harness->Read({});
  for (const std::string& payload : payloads) {
    REQUIRE(reader->Valid());
    CHECK(reader->record().entry == payload);
    CHECK(reader->record().changes == all);
    reader->Next();
  }
}

}  // namespace
}  // namespace syncline
