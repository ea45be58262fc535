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
#include <stdexcept>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/append_log.h"
#include "log/log_rows.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::FaultyStore;
using testing::kProject;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::OwnedDraft;
using testing::OwnedDrafts;
using testing::Records;
using testing::TallyStore;
using testing::Views;

const Origin kA = OriginOf(1);

// A subscriber that takes all it is given, in order.
class Listener {
 public:
  Listener(AppendLog& log, Seq since)
      : subscription_(
            log.Subscribe(since, Visibility::kDurable, [this] { Take(); })),
        cursor_(since) {
    Take();
  }

  void Take() {
    ++calls;
    for (;;) {
      auto span = subscription_->Next(1u << 20);
      status = span.status();
      if (!span.ok() || span->empty()) return;
      RecordWalk walk(span->first, span->bytes);
      for (; walk.Valid(); walk.Next()) {
        REQUIRE(walk.record().seq == cursor_.next());
        REQUIRE(walk.record().entry == DraftOf(walk.record().dot).entry);
        cursor_ = walk.record().seq;
        seqs.push_back(cursor_.value);
      }
      REQUIRE(walk.status().ok());
    }
  }
  void Stop() { subscription_.reset(); }

  std::vector<std::uint64_t> seqs;
  absl::Status status;
  int calls = 0;

 private:
  std::unique_ptr<Subscription> subscription_;
  Seq cursor_;
};

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

TEMPLATE_TEST_CASE("conformance: S3.16 and S3.17 live only or replay then live",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  Listener live(harness.log(), harness->head());
  Listener since(harness.log(), Seq{2});
  Listener all(harness.log(), Seq{0});
  CHECK(live.seqs.empty());
  CHECK(since.seqs == Numbers(3, 5));
  REQUIRE(harness.Append(DraftsOf(kA, 6, 2)).ok());
  REQUIRE(harness.Append(DraftsOf(kA, 8, 1)).ok());
  CHECK(live.seqs == Numbers(6, 8));
  CHECK(since.seqs == Numbers(3, 8));
  CHECK(all.seqs == Numbers(1, 8));
}

TEMPLATE_TEST_CASE("conformance: S3.18 to S3.20 appends during a replay",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 50)).ok());
  const auto subscription = harness->Subscribe({}, Visibility::kDurable, [] {});
  std::vector<std::uint64_t> seqs;
  for (std::uint64_t next = 51;;) {
    // One record at a time, while others are appended.
    const auto span = subscription->Next(1);
    REQUIRE(span.ok());
    if (span->empty()) break;
    CHECK(span->first == span->last);
    seqs.push_back(span->first.value);
    if (next <= 80) REQUIRE(harness.Append(DraftsOf(kA, next++, 1)).ok());
  }
  CHECK(seqs == Numbers(1, 80));
}

TEMPLATE_TEST_CASE("conformance: S3.21 and S3.22 nothing comes behind a cancel",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  Listener kept(harness.log(), {});
  Listener dropped(harness.log(), {});
  // Cancelled during its replay: it was given a part only.
  auto partly = harness->Subscribe({}, Visibility::kDurable,
                                   [] { FAIL("it was cancelled"); });
  REQUIRE(partly->Next(1).ok());
  partly.reset();
  // Cancelled by another's delivery, its own wake-up being due already.
  std::unique_ptr<Subscription> victim;
  const auto killer = harness->Subscribe(harness->head(), Visibility::kDurable,
                                         [&] { victim.reset(); });
  REQUIRE(killer->Next(1)->empty());
  victim = harness->Subscribe(harness->head(), Visibility::kDurable,
                              [] { FAIL("it was cancelled"); });
  REQUIRE(victim->Next(1)->empty());
  // And by its own.
  std::unique_ptr<Subscription> own;
  int own_calls = 0;
  own = harness->Subscribe(harness->head(), Visibility::kDurable, [&] {
    ++own_calls;
    own.reset();
  });
  REQUIRE(own->Next(1)->empty());
  harness.Start(DraftsOf(kA, 6, 1));
  dropped.Stop();  // The record is on its way.
  harness.Run();
  REQUIRE(harness.Append(DraftsOf(kA, 7, 1)).ok());
  CHECK(kept.seqs == Numbers(1, 7));
  CHECK(dropped.seqs == Numbers(1, 5));
  CHECK(victim == nullptr);
  CHECK(own_calls == 1);
}

TEMPLATE_TEST_CASE("conformance: S3.23 there may be any number of listeners",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::vector<std::unique_ptr<Listener>> listeners;
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE(harness.Append(DraftsOf(kA, i + 1, 1)).ok());
    for (int each = 0; each < 100; ++each) {
      listeners.push_back(std::make_unique<Listener>(harness.log(), Seq{i}));
    }
  }
  REQUIRE(harness.Append(DraftsOf(kA, 11, 1)).ok());
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    REQUIRE(listeners[i]->seqs == Numbers(i / 100 + 1, 11));
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

TEMPLATE_TEST_CASE(
    "conformance: S3.34 a replay that fails says so and loses nothing",
    "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 9)).ok());
  const std::string key = RecordKey(kProject, {5});
  const std::string good = *on.store().Get(Column::kLog, key);
  WriteBatch damage;
  damage.Put(Column::kLog, key, "nonsense");
  REQUIRE(on.store().Write(damage, true).ok());

  Listener listener(harness.log(), {});
  CHECK(listener.seqs == Numbers(1, 4));
  CHECK(absl::IsDataLoss(listener.status));
  // It does not become live only.
  REQUIRE(harness.Append(DraftsOf(kA, 10, 3)).ok());
  listener.Take();
  CHECK(listener.seqs == Numbers(1, 4));
  CHECK(absl::IsDataLoss(listener.status));

  WriteBatch repair;
  repair.Put(Column::kLog, key, good);
  REQUIRE(on.store().Write(repair, true).ok());
  listener.Take();
  CHECK(listener.seqs == Numbers(1, 12));
}

TEMPLATE_TEST_CASE(
    "conformance: S3.35 and S3.36 positions out of range are told",
    "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 9)).ok());
  REQUIRE(harness->TruncateThrough({4}).ok());
  CHECK(harness->Check(harness->id(), {3}) == CursorState::kBehindHorizon);
  CHECK(harness->Check(harness->id(), {4}) == CursorState::kValid);
  CHECK(harness->Check(harness->id(), {9}) == CursorState::kValid);
  CHECK(harness->Check(harness->id(), {10}) == CursorState::kInvalid);
  Listener behind(harness.log(), Seq{3});
  CHECK(absl::IsNotFound(behind.status));
  CHECK(behind.status.message().find("truncated up to 4") != std::string::npos);
  CHECK(behind.seqs.empty());
  // Overtaken by a truncation while it did not read.
  const auto slow = harness->Subscribe(Seq{4}, Visibility::kDurable, [] {});
  CHECK(slow->Next(1)->last == Seq{5});
  REQUIRE(harness->TruncateThrough({8}).ok());
  CHECK(absl::IsNotFound(slow->Next(1).status()));
  CHECK(slow->cursor() == Seq{5});
}

TEMPLATE_TEST_CASE("conformance: S3.37 a listener that throws hurts nobody",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::unique_ptr<Subscription>> faulty;
  std::vector<std::unique_ptr<AppendLog::Waiter>> waiters;
  int thrown = 0;
  int woken = 0;
  const auto fail = [&] {
    ++thrown;
    throw std::runtime_error("a listener's fault");
  };
  for (int i = 0; i < 3; ++i) {
    listeners.push_back(std::make_unique<Listener>(harness.log(), Seq{}));
    faulty.push_back(harness->Subscribe({}, Visibility::kDurable, fail));
    REQUIRE(faulty.back()->Next(1)->empty());
    waiters.push_back(harness->Wait([&] { ++woken; }));
  }
  listeners.push_back(std::make_unique<Listener>(harness.log(), Seq{}));
  bool acknowledged = false;
  harness->Append(Views(DraftsOf(kA, 1, 4)), {}, Durability::kDurable,
                  [&](const auto& appended) { acknowledged = appended.ok(); });
  // Exceptions are the affair of whoever runs the executor.
  int caught = 0;
  for (bool done = false; !done;) {
    try {
      harness.Run();
      done = true;
    } catch (const std::runtime_error&) {
      ++caught;
      REQUIRE(caught <= 10);
    }
  }
  CHECK(acknowledged);
  CHECK(caught == 3);
  CHECK(thrown == 3);
  CHECK(woken >= 3);
  for (const auto& listener : listeners) CHECK(listener->seqs == Numbers(1, 4));
  // It can go on, and be destroyed.
  CHECK(faulty[0]->Next(1u << 20)->last == Seq{4});
  faulty.clear();
  CHECK(harness.Append(DraftsOf(kA, 5, 1)).ok());
  for (const auto& listener : listeners) CHECK(listener->seqs == Numbers(1, 5));
}

TEMPLATE_TEST_CASE("conformance: S3.37 a waiter that throws hurts nobody",
                   "[log][conformance]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  int woken = 0;
  const auto first = harness->Wait([&] { ++woken; });
  const auto faulty =
      harness->Wait([] { throw std::runtime_error("a waiter's fault"); });
  const auto last = harness->Wait([&] { ++woken; });
  harness.Start(DraftsOf(kA, 1, 4));
  CHECK_THROWS(harness.Run());
  harness.Run();
  CHECK(woken == 2);
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
