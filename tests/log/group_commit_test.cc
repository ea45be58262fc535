// When appends are written, synced and acknowledged, and who is told.
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "log/append_log.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::GateStore;
using testing::kA;
using testing::kB;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OwnedDrafts;
using testing::Records;
using testing::TallyStore;
using testing::Views;

// A log over a disk that can be held up.
template <typename On>
struct Gated {
  On on;
  TallyStore tally{on.store()};
  GateStore gate{tally};
  LogHarness harness;
  std::vector<std::uint64_t> acked;  // Last seqs, in order of callbacks.

  explicit Gated(CommitQueue::Options options = {})
      : harness(gate, testing::kProject, {}, options) {}
  ~Gated() { gate.Open(); }  // The sync thread must be able to end.

  void Append(OwnedDrafts drafts, Durability durability) {
    harness->Append(Views(drafts), {}, durability,
                    [this](const absl::StatusOr<AppendLog::Appended>& done) {
                      REQUIRE(done.ok());
                      acked.push_back(done->last.value);
                    });
  }
};

TEMPLATE_TEST_CASE("append_log: nothing is acknowledged or read before a sync",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  gated.gate.Shut();
  int woken = 0;
  const auto waiter = harness->Wait([&] { ++woken; });
  gated.Append(DraftsOf(kA, 1, 2), Durability::kDurable);
  harness.Poll();
  gated.gate.AwaitHeld();
  harness.Poll();
  CHECK(gated.acked.empty());
  CHECK(woken == 0);
  CHECK(harness->durable() == Seq{0});
  CHECK(harness->durable_frontier().empty());
  CHECK(Records(harness.log(), {}).seqs.empty());
  CHECK(Records(harness.log(), {.until = Seq{2}}).seqs.empty());

  gated.gate.Open();
  harness.Run();
  CHECK(gated.acked == Numbers(2, 2));
  CHECK(woken == 1);
  CHECK(harness->durable() == Seq{2});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 2));
}

TEMPLATE_TEST_CASE("append_log: what gathers meanwhile shares one sync",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  const int syncs = gated.gate.syncs();
  const std::size_t batches = gated.tally.batches;
  int woken = 0;
  const auto waiter = harness->Wait([&] { ++woken; });
  gated.gate.Shut();
  gated.Append({DraftOf({kA, 1})}, Durability::kDurable);
  harness.Poll();
  gated.gate.AwaitHeld();
  for (std::uint64_t i = 2; i <= 51; ++i) {
    gated.Append({DraftOf({kA, i})}, Durability::kDurable);
    harness.Poll();
  }
  gated.gate.Open();
  harness.Run();
  CHECK(gated.gate.syncs() - syncs == 2);
  CHECK(gated.tally.batches - batches == 2);
  CHECK(gated.acked == Numbers(1, 51));
  CHECK(woken == 2);
}

TEMPLATE_TEST_CASE("append_log: appends of one turn share one batch", "[log]",
                   OnMemory, OnRocks) {
  Gated<TestType> gated;
  const std::size_t batches = gated.tally.batches;
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  for (std::uint64_t i = 1; i <= 50; ++i) {
    gated.Append({DraftOf({kA, i})}, durability);
  }
  gated.harness.Run();
  CHECK(gated.tally.batches - batches == 1);
  CHECK(gated.acked == Numbers(1, 50));
}

TEMPLATE_TEST_CASE("append_log: full batches are written while the disk works",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated({.batch_drafts_max = 4});
  LogHarness& harness = gated.harness;
  const std::size_t batches = gated.tally.batches;
  gated.gate.Shut();
  gated.Append({DraftOf({kA, 1})}, Durability::kDurable);
  gated.Append(DraftsOf(kA, 2, 4), Durability::kDurable);
  gated.Append({DraftOf({kA, 6})}, Durability::kBuffered);
  harness.Poll();
  gated.gate.AwaitHeld();
  CHECK(gated.tally.batches - batches == 3);
  // What is in the store is not shown before its turn to be answered.
  CHECK(gated.acked.empty());
  CHECK(harness->durable() == Seq{0});
  CHECK_FALSE(harness->Subscribe({}, Visibility::kWritten, [] {})->more());
  CHECK(Records(harness.log(), {}).seqs.empty());

  gated.gate.Open();
  harness.Run();
  CHECK(gated.acked == std::vector<std::uint64_t>{1, 5, 6});
  CHECK(harness->durable() == Seq{6});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 6));
}

TEMPLATE_TEST_CASE("append_log: a callback that throws harms no other",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  int woken = 0;
  const auto waiter = harness->Wait([&] { ++woken; });
  std::vector<std::uint64_t> acked;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    const testing::OwnedDrafts drafts = {DraftOf({kA, i})};
    harness->Append(testing::Views(drafts), {}, durability,
                    [&](const absl::StatusOr<AppendLog::Appended>& done) {
                      REQUIRE(done.ok());
                      acked.push_back(done->last.value);
                      if (acked.size() % 2 == 0) throw std::runtime_error("x");
                    });
  }
  CHECK_THROWS_AS(harness.Run(), std::runtime_error);
  CHECK(acked == Numbers(1, 2));
  CHECK_THROWS_AS(harness.Run(), std::runtime_error);
  harness.Run();
  CHECK(acked == Numbers(1, 4));
  CHECK(woken == 1);
  CHECK(harness->durable() == Seq{4});
}

TEMPLATE_TEST_CASE("append_log: a batch holds no more drafts than it may",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  TallyStore tally(on.store());
  LogHarness harness(tally, testing::kProject, {}, {.batch_drafts_max = 10});
  const std::size_t batches = tally.batches;
  for (std::uint64_t i = 0; i < 7; ++i) {
    harness.Start(DraftsOf(kA, 4 * i + 1, 4));
  }
  harness.Run();
  CHECK(tally.batches - batches == 4);  // Two lists of four each.
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 28));
}

TEMPLATE_TEST_CASE("append_log: buffered appends do not wait for the disk",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  gated.gate.Shut();
  int woken = 0;
  const auto waiter = harness->Wait([&] { ++woken; });
  // Three turns, all of them acknowledged while the disk is held up.
  for (std::uint64_t i = 1; i <= 3; ++i) {
    gated.Append({DraftOf({kA, i})}, Durability::kBuffered);
    harness.Poll();
    CHECK(gated.acked.size() == i);
    if (i == 1) gated.gate.AwaitHeld();
  }
  CHECK(harness->head() == Seq{3});
  CHECK(harness->durable() == Seq{0});
  CHECK(Records(harness.log(), {}).seqs.empty());
  CHECK(woken == 0);

  gated.gate.Open();
  harness.Run();
  CHECK(harness->durable() == Seq{3});
  CHECK(harness->durable_frontier().CounterOf(kA) == 3);
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 3));
  CHECK(woken == 2);  // Once for what the first sync covered, once for all.
}

TEMPLATE_TEST_CASE("append_log: buffered appends stay behind durable ones",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  gated.gate.Shut();
  gated.Append({DraftOf({kA, 1})}, Durability::kDurable);
  harness.Poll();
  gated.gate.AwaitHeld();
  gated.Append({DraftOf({kA, 2})}, Durability::kBuffered);
  harness.Poll();
  CHECK(gated.acked.empty());
  gated.Append({DraftOf({kB, 1})}, Durability::kDurable);
  gated.Append({DraftOf({kA, 3})}, Durability::kBuffered);
  harness.Poll();
  gated.gate.Open();
  harness.Run();
  CHECK(gated.acked == Numbers(1, 4));
  CHECK(harness->durable() == Seq{4});
}

TEMPLATE_TEST_CASE("append_log: a durable append behind a buffered one",
                   "[log]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  gated.gate.Shut();
  gated.Append({DraftOf({kA, 1})}, Durability::kBuffered);
  harness.Poll();
  gated.gate.AwaitHeld();
  gated.Append({DraftOf({kA, 2})}, Durability::kDurable);
  harness.Poll();
  CHECK(gated.acked == Numbers(1, 1));
  gated.gate.Open();
  harness.Run();
  CHECK(gated.acked == Numbers(1, 2));
  CHECK(harness->durable() == Seq{2});
}

TEMPLATE_TEST_CASE("append_log: a sync that was overtaken starts the next",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  GateStore gate(on.store());
  LogHarness harness(gate);
  gate.Shut();
  harness.Start({DraftOf({kA, 1})}, Durability::kBuffered);
  harness.Poll();
  gate.AwaitHeld();  // In the sync of 1.
  harness.Start({DraftOf({kA, 2})}, Durability::kBuffered);
  harness.Poll();
  harness.Start({DraftOf({kA, 3})}, Durability::kDurable);
  harness.Poll();  // Waits for the disk before the sync of 2 is asked for.
  harness.Start({DraftOf({kA, 4})}, Durability::kBuffered);
  gate.Open();
  harness.Run();
  CHECK(harness->durable() == Seq{4});
}

TEMPLATE_TEST_CASE("append_log: a callback may append again", "[log]", OnMemory,
                   OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  std::uint64_t done = 0;
  std::function<void()> next = [&] {
    harness->Append(Views({DraftOf({kA, done + 1})}), {}, durability,
                    [&](const absl::StatusOr<AppendLog::Appended>& appended) {
                      REQUIRE(appended.ok());
                      if (++done < 20) next();
                    });
  };
  next();
  harness.Run();
  CHECK(done == 20);
  CHECK(harness->durable() == Seq{20});
}

TEMPLATE_TEST_CASE("append_log: a chain of callbacks leaves the executor free",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::uint64_t counter = 0;
  std::function<void()> next = [&] {
    harness->Append(Views({DraftOf({kA, ++counter})}), {},
                    Durability::kBuffered,
                    [&](const absl::StatusOr<AppendLog::Appended>&) {
                      if (counter < 1'000) next();
                    });
  };
  next();
  harness.io().restart();
  while (counter < 10) REQUIRE(harness.io().poll_one() == 1);
  CHECK(counter < 20);
  harness.Run();
}

TEMPLATE_TEST_CASE("append_log: waiters may come and go within a callback",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  std::vector<std::unique_ptr<AppendLog::Waiter>> waiters(4);
  std::string calls;
  std::unique_ptr<AppendLog::Waiter> late;
  waiters[0] = harness->Wait([&] {
    calls += 'a';
    waiters[0].reset();  // Itself.
    waiters[1].reset();  // One that would come next.
    late = harness->Wait([&] { calls += 'e'; });
  });
  waiters[1] = harness->Wait([&] { calls += 'b'; });
  waiters[2] = harness->Wait([&] {
    calls += 'c';
    waiters[3].reset();
  });
  waiters[3] = harness->Wait([&] { calls += 'd'; });
  REQUIRE(harness.Append({DraftOf({kA, 1})}).ok());
  CHECK(calls == "ac");
  REQUIRE(harness.Append({DraftOf({kA, 2})}).ok());
  CHECK(calls == "acce");
  waiters[2].reset();
  late.reset();
  REQUIRE(harness.Append({DraftOf({kA, 3})}).ok());
  CHECK(calls == "acce");
}

TEMPLATE_TEST_CASE("append_log: a waiter may outlive its log", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  auto waiter = harness->Wait([] { FAIL("the log is gone"); });
  harness.Close();
  waiter.reset();
  harness.Run();
}

TEMPLATE_TEST_CASE("append_log: destruction waits for the flush under way",
                   "[log][fault]", OnMemory, OnRocks) {
  Gated<TestType> gated;
  LogHarness& harness = gated.harness;
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  gated.gate.Shut();
  gated.Append({DraftOf({kA, 1})}, durability);
  harness.Poll();
  gated.gate.AwaitHeld();
  gated.Append({DraftOf({kA, 2})}, Durability::kDurable);  // Not begun.
  const std::size_t before = gated.acked.size();
  std::thread opener([&] { gated.gate.Open(); });
  harness.Close();
  opener.join();
  harness.Run();
  CHECK(gated.acked.size() == before);  // No callback came afterwards.
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{1});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 1));
}

TEMPLATE_TEST_CASE("append_log: a callback may destroy the log", "[log][fault]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  const bool in_waiter = GENERATE(false, true);
  std::unique_ptr<AppendLog::Waiter> first;
  if (in_waiter) first = harness->Wait([&] { harness.Close(); });
  const auto second = harness->Wait([] { FAIL("the log is gone"); });
  int callbacks = 0;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    harness->Append(Views({DraftOf({kA, i})}), {}, durability,
                    [&](const absl::StatusOr<AppendLog::Appended>&) {
                      ++callbacks;
                      if (!in_waiter) harness.Close();
                    });
  }
  harness.Run();
  CHECK(callbacks == (in_waiter ? 3 : 1));
  REQUIRE(harness.Open().ok());
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 3));
}

}  // namespace
}  // namespace syncline
