#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::CheckDots;
using testing::DraftOf;
using testing::DraftsOf;
using testing::ExpectedChain;
using testing::GateStore;
using testing::kA;
using testing::kB;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::Records;
using testing::RowsIn;

TEMPLATE_TEST_CASE("append_log: cursors around the horizon and the head",
                   "[log][table]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  for (std::uint64_t i = 0; i < 50; ++i) {
    harness.Start(DraftsOf(kA, i * 1'000 + 1, 1'000));
  }
  harness.Run();
  REQUIRE(harness->TruncateThrough({39'999}).ok());
  const LogId id = harness->id();
  LogId other = id;
  other.bytes[3] = static_cast<char>(other.bytes[3] + 1);

  struct Row {
    const char* why;
    LogId id;
    std::uint64_t since;
    CursorState state;
  };
  const std::vector<Row> rows = {
      {"from the start", id, 0, CursorState::kBehindHorizon},
      {"one below the horizon", id, 39'998, CursorState::kBehindHorizon},
      {"at the horizon", id, 39'999, CursorState::kValid},
      {"between", id, 45'000, CursorState::kValid},
      {"at the head", id, 50'000, CursorState::kValid},
      {"one beyond the head", id, 50'001, CursorState::kInvalid},
      {"far beyond the head", id, 60'000, CursorState::kInvalid},
      {"of another log", other, 45'000, CursorState::kInvalid},
      {"of another log and truncated", other, 5, CursorState::kInvalid},
      {"of no log", LogId{}, 45'000, CursorState::kInvalid},
  };
  const auto check = [&] {
    for (const Row& row : rows) {
      INFO(row.why);
      CHECK(harness->Check(row.id, {row.since}) == row.state);
      if (row.id != id) continue;
      const auto walk = Records(harness.log(), {.since = {row.since}});
      if (row.state == CursorState::kBehindHorizon) {
        CHECK(absl::IsNotFound(walk.status));
        CHECK(walk.seqs.empty());
      } else {
        CHECK(walk.status.ok());
        CHECK(walk.seqs.size() ==
              (row.since < 50'000 ? 50'000 - row.since : 0));
      }
    }
  };
  check();
  REQUIRE(harness.Open().ok());
  check();
}

TEMPLATE_TEST_CASE("append_log: truncation is refused or harmless elsewhere",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  CHECK(absl::IsInvalidArgument(harness->TruncateThrough({11})));
  CHECK(harness->TruncateThrough({0}).ok());
  CHECK(harness->horizon() == Seq{0});
  CHECK(harness->truncated().empty());
  CHECK(harness->TruncateThrough({6}).ok());
  CHECK(harness->TruncateThrough({6}).ok());
  CHECK(harness->TruncateThrough({2}).ok());
  CHECK(harness->horizon() == Seq{6});
  CHECK(harness->truncated().CounterOf(kA) == 6);
  CHECK(Records(harness.log(), {.since = {6}}).seqs == Numbers(7, 10));
}

TEMPLATE_TEST_CASE("append_log: seqs go on behind a log truncated whole",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  {
    LogHarness harness(on.store());
    REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
    REQUIRE(harness->TruncateThrough({10}).ok());
    CHECK(RowsIn(on.store(), Column::kLog) == 0);
    CHECK(RowsIn(on.store(), Column::kDots) == 0);
  }
  on.Reopen();
  LogHarness harness(on.store());
  CHECK(harness->head() == Seq{10});
  CHECK(harness->horizon() == Seq{10});
  CHECK(harness->frontier().CounterOf(kA) == 10);
  CHECK(harness->truncated().CounterOf(kA) == 10);
  CHECK(*harness->Find({kA, 10}) == std::nullopt);
  CHECK(*harness->ChainAt({kA, 10}) == ExpectedChain(kA, 10));
  CHECK(absl::IsNotFound(harness->ChainAt({kA, 9}).status()));
  CHECK(Records(harness.log(), {.since = {10}}).seqs.empty());

  const auto appended = harness.Append(DraftsOf(kA, 11, 2));
  REQUIRE(appended.ok());
  CHECK(appended->first == Seq{11});
  CHECK(Records(harness.log(), {.since = {10}}).seqs == Numbers(11, 12));
  CHECK(*harness->Find({kA, 12}) == Seq{12});
  CHECK(*harness->ChainAt({kA, 11}) == ExpectedChain(kA, 11));
  CHECK(*harness->ChainAt({kA, 10}) == ExpectedChain(kA, 10));
}

TEMPLATE_TEST_CASE("append_log: truncation at any seq keeps dots and chains",
                   "[log][law]", OnMemory, OnRocks) {
  // Runs of lengths 3, 1, 4, 2, 1, 5 of three origins.
  const std::vector<std::pair<int, int>> runs = {{0, 3}, {1, 1}, {0, 4},
                                                 {2, 2}, {1, 1}, {0, 5}};
  TestType on;
  for (std::uint32_t through = 1; through <= 16; ++through) {
    const ProjectNumber project{through};
    LogHarness harness(on.store(), project);
    std::vector<Dot> history;
    std::map<int, std::uint64_t> counters;
    for (const auto& [origin, length] : runs) {
      for (int i = 0; i < length; ++i) {
        history.push_back({OriginOf(origin), ++counters[origin]});
        harness.Start({DraftOf(history.back())});
      }
    }
    harness.Run();
    REQUIRE(harness->TruncateThrough({through}).ok());
    CheckDots(harness.log(), history);
    REQUIRE(harness.Open().ok());
    CheckDots(harness.log(), history);
    CHECK(RowsIn(on.store(), Column::kLog, project) == 16 - through);
    CHECK(RowsIn(on.store(), Column::kDots, project) <= runs.size());
    // A second step over the first, and appends behind it.
    REQUIRE(harness->TruncateThrough({std::min<std::uint64_t>(through + 2, 16)})
                .ok());
    history.push_back({OriginOf(0), ++counters[0]});
    REQUIRE(harness.Append({DraftOf(history.back())}).ok());
    CheckDots(harness.log(), history);
  }
}

TEMPLATE_TEST_CASE("append_log: truncation during a flush cuts its run",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  GateStore gate(on.store());
  LogHarness harness(gate);
  const bool same_origin = GENERATE(true, false);
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  gate.Shut();
  const Dot next = same_origin ? Dot{kA, 6} : Dot{kB, 1};
  harness.Start(DraftsOf(next.origin, next.counter, 3));
  harness.Poll();
  gate.AwaitHeld();
  CHECK(absl::IsInvalidArgument(harness->TruncateThrough({6})));
  REQUIRE(harness->TruncateThrough({5}).ok());
  gate.Open();
  harness.Run();
  std::vector<Dot> history;
  for (std::uint64_t i = 1; i <= 5; ++i) history.push_back({kA, i});
  for (std::uint64_t i = 0; i < 3; ++i) {
    history.push_back({next.origin, next.counter + i});
  }
  CheckDots(harness.log(), history);
  REQUIRE(harness.Open().ok());
  CheckDots(harness.log(), history);
}

TEMPLATE_TEST_CASE("append_log: a run cut for a flush that never came",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  std::vector<Dot> history;
  for (std::uint64_t i = 1; i <= 5; ++i) history.push_back({kA, i});
  {
    LogHarness harness(on.store());
    REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
    harness.Start({DraftOf({kA, 6})});  // Continues the run.
    REQUIRE(harness->TruncateThrough({5}).ok());
    harness.Close();  // Before the flush began.
  }
  LogHarness harness(on.store());
  CHECK(harness->head() == Seq{5});
  CHECK(RowsIn(on.store(), Column::kDots) == 1);  // Of a dot that is not there.
  CHECK(*harness->Find({kA, 6}) == std::nullopt);
  REQUIRE(harness.Append({DraftOf({kB, 1})}).ok());
  history.push_back({kB, 1});
  CheckDots(harness.log(), history);
  REQUIRE(harness->TruncateThrough({6}).ok());
  CheckDots(harness.log(), history);
  REQUIRE(harness.Append({DraftOf({kA, 6})}).ok());
  history.push_back({kA, 6});
  CheckDots(harness.log(), history);
  REQUIRE(harness.Open().ok());
  CheckDots(harness.log(), history);
}

}  // namespace
}  // namespace syncline
