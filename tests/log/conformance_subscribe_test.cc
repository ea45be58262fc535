// Rows of the conformance cases (conformance_test.cc) about whoever is told of
// new records: from where, in what order, until when.
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "log/log_rows.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::kA;
using testing::kProject;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::Views;

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

}  // namespace
}  // namespace syncline
