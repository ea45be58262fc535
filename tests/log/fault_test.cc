// Fail-stop: what a log does when the disk fails under it.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/append_log.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::ExpectedChain;
using testing::FaultyStore;
using testing::GateStore;
using testing::kA;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::Records;
using testing::Views;

absl::Status DiskFull() {
  return MakeStatus(absl::StatusCode::kResourceExhausted, "disk full");
}

TEMPLATE_TEST_CASE("append_log: a failed write or sync stops appends",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 3)).ok());
  const auto call =
      GENERATE(FaultyStore::Call::kWrite, FaultyStore::Call::kSync);
  faulty.Fail(call, 1, DiskFull());

  int woken = 0;
  const auto waiter = harness->Wait([&] { ++woken; });
  std::vector<absl::StatusCode> codes;
  const auto done = [&](const absl::StatusOr<AppendLog::Appended>& appended) {
    codes.push_back(appended.status().code());
  };
  harness->Append(Views({DraftOf({kA, 4})}), {}, Durability::kDurable, done);
  harness.Poll();  // At the sync thread, or failed already.
  if (harness->health().ok()) {
    harness->Append(Views({DraftOf({kA, 5})}), {}, Durability::kDurable, done);
  }
  harness.Run();
  for (const absl::StatusCode code : codes) {
    CHECK(code == absl::StatusCode::kResourceExhausted);
  }
  CHECK_FALSE(codes.empty());
  CHECK(harness->health() == DiskFull());
  CHECK(woken == 0);

  // The disk is well again, the log is not; it can still be read.
  const auto refused = harness.Append({DraftOf({kA, 6})});
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(refused.status().message().find("disk full") != std::string::npos);
  CHECK(absl::IsFailedPrecondition(harness->TruncateThrough({1})));
  CHECK(harness->durable() == Seq{3});
  CHECK(harness->durable_frontier().CounterOf(kA) == 3);
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 3));
  CHECK(*harness->Find({kA, 2}) == Seq{2});
  CHECK(*harness->ChainAt({kA, 2}) == ExpectedChain(kA, 2));

  REQUIRE(harness.Open().ok());
  const std::uint64_t head = harness->head().value;
  CHECK(head >= 3);
  CHECK(harness->frontier().CounterOf(kA) == head);
  const auto appended = harness.Append({DraftOf({kA, head + 1})});
  REQUIRE(appended.ok());
  CHECK(appended->first == Seq{head + 1});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, head + 1));
}

TEMPLATE_TEST_CASE("append_log: what waited behind a failed flush fails too",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty, testing::kProject, {}, {.batch_drafts_max = 2});
  faulty.Fail(FaultyStore::Call::kWrite, 2, DiskFull());
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  std::string outcome;
  for (std::uint64_t i = 0; i < 5; ++i) {
    harness->Append(Views(DraftsOf(kA, 2 * i + 1, 2)), {}, durability,
                    [&](const absl::StatusOr<AppendLog::Appended>& appended) {
                      outcome += appended.ok() ? 'a'
                                 : absl::IsResourceExhausted(appended.status())
                                     ? 'f'
                                     : '?';
                    });
  }
  harness.Run();
  CHECK(outcome == "affff");
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{2});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 2));
}

TEMPLATE_TEST_CASE("append_log: a failed sync behind a buffered append",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  faulty.Fail(FaultyStore::Call::kSync, 1, Internal("gone"));
  // Acknowledged: it is only promised to survive the process.
  CHECK(harness.Append({DraftOf({kA, 1})}, Durability::kBuffered).ok());
  CHECK(harness->health() == Internal("gone"));
  CHECK(harness->durable() == Seq{0});
  CHECK(Records(harness.log(), {}).seqs.empty());
  CHECK(absl::IsFailedPrecondition(
      harness.Append({DraftOf({kA, 2})}, Durability::kBuffered).status()));
  REQUIRE(harness.Open().ok());
  CHECK(harness->durable() == Seq{1});
}

// A durable append whose sync is held up, and behind it a full batch, which is
// written meanwhile.
struct Overlapped {
  static constexpr std::uint64_t kLarge = 4;
  GateStore gate;
  LogHarness harness;
  std::string outcome;

  explicit Overlapped(Store& store)
      : gate(store),
        harness(gate, testing::kProject, {}, {.batch_drafts_max = kLarge}) {}
  ~Overlapped() { gate.Open(); }

  void Append(std::uint64_t first, std::uint64_t count) {
    harness->Append(
        testing::Views(DraftsOf(kA, first, count)), {}, Durability::kDurable,
        [this](const absl::StatusOr<AppendLog::Appended>& appended) {
          outcome += appended.ok() ? 'a' : 'f';
        });
  }
  void HoldUpFirst() {
    gate.Shut();
    Append(1, 1);
    Append(2, kLarge);
    harness.Poll();
    gate.AwaitHeld();
  }
};

TEMPLATE_TEST_CASE("append_log: a failed sync fails what was written meanwhile",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  Overlapped log(faulty);
  LogHarness& harness = log.harness;
  const std::uint64_t writes = faulty.calls(FaultyStore::Call::kWrite);
  log.HoldUpFirst();
  REQUIRE(faulty.calls(FaultyStore::Call::kWrite) == writes + 2);
  // The disk takes the next sync, but that says nothing of the first.
  faulty.Fail(FaultyStore::Call::kSync, 1, DiskFull());
  log.gate.Open();
  harness.Run();
  CHECK(log.outcome == "ff");
  CHECK(harness->health() == DiskFull());
  CHECK(harness->durable() == Seq{0});
  CHECK(Records(harness.log(), {}).seqs.empty());
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{1 + Overlapped::kLarge});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 1 + Overlapped::kLarge));
}

TEMPLATE_TEST_CASE("append_log: a failed write waits for those before it",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  Overlapped log(faulty);
  LogHarness& harness = log.harness;
  faulty.Fail(FaultyStore::Call::kWrite, 2, DiskFull());
  log.HoldUpFirst();
  CHECK(harness->health() == DiskFull());
  CHECK(log.outcome.empty());
  log.gate.Open();
  harness.Run();
  CHECK(log.outcome == "af");
  CHECK(harness->durable() == Seq{1});
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{1});
}

TEST_CASE("append_log: a loss of power between writes and their sync",
          "[log][fault]") {
  testing::CrashStore crash;
  FaultyStore faulty(crash);
  Overlapped log(faulty);
  LogHarness& harness = log.harness;
  const auto kept = GENERATE(0, 1, 2);  // Batches that reached the disk.
  log.HoldUpFirst();
  faulty.FailFrom(FaultyStore::Call::kSync, 1, DiskFull());
  log.gate.Open();
  harness.Close();
  CHECK(log.outcome.empty());
  REQUIRE(crash.unsynced() == 2);
  crash.Crash(kept);
  faulty.Heal();
  REQUIRE(harness.Open().ok());
  const std::uint64_t head = kept == 0   ? 0
                             : kept == 1 ? 1
                                         : 1 + Overlapped::kLarge;
  CHECK(harness->head() == Seq{head});
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, head));
  log.Append(head + 1, 1);
  harness.Run();
  CHECK(log.outcome == "a");
}

TEMPLATE_TEST_CASE("append_log: a callback that appends after a failure",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  faulty.Fail(FaultyStore::Call::kWrite, 1, DiskFull());
  std::vector<absl::StatusCode> codes;
  harness->Append(Views({DraftOf({kA, 1})}), {}, Durability::kDurable,
                  [&](const absl::StatusOr<AppendLog::Appended>& first) {
                    codes.push_back(first.status().code());
                    harness->Append(
                        Views({DraftOf({kA, 2})}), {}, Durability::kDurable,
                        [&](const absl::StatusOr<AppendLog::Appended>& next) {
                          codes.push_back(next.status().code());
                        });
                  });
  harness.Run();
  CHECK(codes ==
        std::vector<absl::StatusCode>{absl::StatusCode::kResourceExhausted,
                                      absl::StatusCode::kFailedPrecondition});
}

TEMPLATE_TEST_CASE("append_log: a truncation that fails stops appends",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  CHECK(harness->TruncateThrough({3}) == Internal("gone"));
  CHECK(harness->horizon() == Seq{0});
  CHECK(harness->truncated().empty());
  CHECK(
      absl::IsFailedPrecondition(harness.Append({DraftOf({kA, 6})}).status()));
  REQUIRE(harness.Open().ok());
  CHECK(Records(harness.log(), {.since = harness->horizon()}).status.ok());
}

TEMPLATE_TEST_CASE("append_log: a store that cannot be used cannot be opened",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  FaultyStore faulty(on.store());
  LogHarness harness(faulty);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  const auto call = GENERATE(FaultyStore::Call::kGet, FaultyStore::Call::kSync);
  faulty.Fail(call, 1, Internal("gone"));
  const absl::Status status = harness.Open();
  CHECK(absl::IsInternal(status));
  CHECK(status.message().find("project 7") != std::string::npos);
  CHECK(harness.Open().ok());
}

}  // namespace
}  // namespace syncline
