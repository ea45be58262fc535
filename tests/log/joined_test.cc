#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "log/log_measure.h"
#include "log/log_rows.h"
#include "log/path_change.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::ExpectedChain;
using testing::kA;
using testing::kB;
using testing::kC;
using testing::LogHarness;
using testing::OnMemory;
using testing::OnRocks;

constexpr std::int64_t kJoinedMs = 1'700'000'000'123;

// The records that a join of a peer's state at {a:10, b:4} leaves.
struct Join {
  std::vector<ChainHead> theirs = {{{kA, 10}, ExpectedChain(kA, 10)},
                                   {{kB, 4}, ExpectedChain(kB, 4)}};
  Draft record(std::string_view changes) const {
    Draft draft;
    draft.changes = changes;
    draft.joined_ms = kJoinedMs;
    return draft;
  }
};

absl::Status AppendJoin(LogHarness& harness, const Draft& last,
                        const std::vector<ChainHead>& theirs) {
  std::optional<absl::Status> outcome;
  harness->AppendJoin(last, theirs, {},
                      [&](const absl::StatusOr<AppendLog::Appended>& appended) {
                        outcome = appended.status();
                      });
  harness.Run();
  REQUIRE(outcome.has_value());
  return *outcome;
}

// Entries a1..a3, b1, three joined records, then a11, c1, a12.
void FillJoined(LogHarness& harness) {
  const Join join;
  REQUIRE(harness.Append(DraftsOf(kA, 1, 3)).ok());
  REQUIRE(harness.Append({DraftOf({kB, 1})}).ok());
  harness->Append(std::vector<Draft>{join.record("x"), join.record("yy")}, {},
                  Durability::kBuffered, {});
  REQUIRE(AppendJoin(harness, join.record("zzz"), join.theirs).ok());
  REQUIRE(harness.Append({DraftOf({kA, 11})}).ok());
  REQUIRE(harness.Append({DraftOf({kC, 1})}).ok());
  REQUIRE(harness.Append({DraftOf({kA, 12})}).ok());
}

void CheckFilled(const AppendLog& log) {
  CHECK(log.head() == Seq{10});
  CHECK(log.durable() == Seq{10});
  CHECK(log.frontier().CounterOf(kA) == 12);
  CHECK(log.frontier().CounterOf(kB) == 4);
  CHECK(log.frontier().CounterOf(kC) == 1);
  CHECK(log.durable_frontier() == log.frontier());
  CHECK(log.truncated().CounterOf(kA) == 10);
  CHECK(log.truncated().CounterOf(kB) == 4);
  CHECK(log.truncated().CounterOf(kC) == 0);
  for (const Dot& dot :
       {Dot{kA, 10}, Dot{kA, 11}, Dot{kA, 12}, Dot{kB, 4}, Dot{kC, 1}}) {
    INFO(dot.ToText());
    CHECK(*log.ChainAt(dot) == ExpectedChain(dot.origin, dot.counter));
  }
  CHECK(absl::IsNotFound(log.ChainAt({kA, 5}).status()));
  CHECK(log.ChainOf(kA) == ExpectedChain(kA, 12));
  CHECK(*log.Find({kA, 7}) == std::nullopt);  // Never here.
  CHECK(*log.Find({kA, 11}) == Seq{8});
  CHECK(*log.Find({kA, 12}) == Seq{10});
}

TEMPLATE_TEST_CASE("append_log: a join raises frontier chains and truncation",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  FillJoined(harness);
  CheckFilled(harness.log());
  REQUIRE(harness.Open().ok());
  CheckFilled(harness.log());
}

TEMPLATE_TEST_CASE("append_log: joined records are read where they stand",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  FillJoined(harness);
  const auto reader = harness->Read({});
  std::uint64_t seq = 0;
  std::string joined;
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    CHECK(record.seq == Seq{++seq});
    CHECK(record.joined() == (seq >= 5 && seq <= 7));
    if (!record.joined()) continue;
    CHECK(record.dot == Dot{});
    CHECK(record.joined_ms == kJoinedMs);
    joined += record.changes;
  }
  CHECK(reader->status().ok());
  CHECK(seq == 10);
  CHECK(joined == "xyyzzz");

  const auto records = harness->Subscribe({3}, Visibility::kDurable, [] {});
  const auto span = records->Next(1u << 20);
  REQUIRE(span.ok());
  std::uint64_t walked = 3;
  for (RecordWalk walk(span->first, span->bytes); walk.Valid(); walk.Next()) {
    CHECK(walk.record().seq == Seq{++walked});
    CHECK(walk.record().joined() == (walked >= 5 && walked <= 7));
  }
  CHECK(walked == 10);
}

TEMPLATE_TEST_CASE("append_log: truncation at every place around a join",
                   "[log]", OnMemory, OnRocks) {
  for (std::uint64_t through = 1; through <= 10; ++through) {
    INFO("through " << through);
    TestType on;
    LogHarness harness(on.store());
    FillJoined(harness);
    REQUIRE(harness->TruncateThrough({through}).ok());
    const auto check = [&] {
      const AppendLog& log = harness.log();
      // Never below what the join said.
      CHECK(log.truncated().CounterOf(kA) == (through < 8    ? 10U
                                              : through < 10 ? 11U
                                                             : 12U));
      CHECK(log.truncated().CounterOf(kB) == 4);
      CHECK(log.truncated().CounterOf(kC) == (through < 9 ? 0U : 1U));
      for (const Origin& origin : {kA, kB, kC}) {
        const std::uint64_t truncated = log.truncated().CounterOf(origin);
        for (std::uint64_t counter = truncated;
             counter <= log.frontier().CounterOf(origin); ++counter) {
          CHECK(*log.ChainAt({origin, counter}) ==
                ExpectedChain(origin, counter));
        }
      }
    };
    check();
    REQUIRE(harness.Open().ok());
    check();
    REQUIRE(harness.Append({DraftOf({kA, 13})}).ok());
    check();
  }
}

TEST_CASE("append_log: a join that is refused changes nothing", "[log]") {
  OnMemory on;
  LogHarness harness(on.store());
  const Join join;
  const auto entry = DraftOf({kA, 1});
  CHECK(absl::IsInvalidArgument(
      AppendJoin(harness, {entry.dot, entry.entry, {}}, join.theirs)));
  Draft mixed = join.record("x");
  mixed.entry = entry.entry;
  CHECK(absl::IsInvalidArgument(AppendJoin(harness, mixed, join.theirs)));
  CHECK(harness->head() == Seq{0});
  CHECK(harness->frontier().empty());
  CHECK(harness->truncated().empty());
}

TEST_CASE("append_log: a join takes nothing back", "[log]") {
  OnMemory on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 12)).ok());
  const Join join;
  REQUIRE(AppendJoin(harness, join.record({}), join.theirs).ok());
  CHECK(harness->frontier().CounterOf(kA) == 12);
  CHECK(harness->truncated().CounterOf(kA) == 0);
  CHECK(harness->truncated().CounterOf(kB) == 4);
  CHECK(*harness->Find({kA, 1}) == Seq{1});
  CHECK(harness->ChainOf(kA) == ExpectedChain(kA, 12));
}

TEST_CASE("log_rows: a record has an entry or a counter of 0", "[log][table]") {
  struct Row {
    const char* why;
    Dot dot;
    std::string_view entry;
    bool ok;
  };
  const auto row = GENERATE(Row{"an entry", {kA, 1}, "entry", true},
                            Row{"none", {}, "", true},
                            Row{"an entry without a dot", {}, "entry", false},
                            Row{"a dot without an entry", {kA, 1}, "", false});
  INFO(row.why);
  std::string bytes;
  AppendRecord(bytes, {row.dot, row.entry, "changes"});
  const auto record = DecodeRecord({1}, bytes);
  CHECK(record.ok() == row.ok);
  if (!row.ok) CHECK(absl::IsDataLoss(record.status()));
}

TEST_CASE("log_rows: zeros are no record", "[log]") {
  for (const std::size_t size : {8U, 16U, 64U}) {
    CHECK(
        absl::IsDataLoss(DecodeRecord({1}, std::string(size, '\0')).status()));
  }
}

TEST_CASE("log_rows: logs of format 1 are read", "[log]") {
  OnMemory on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 3)).ok());
  harness.Close();
  const std::string key = HeadKey(testing::kProject);
  std::string row = *on.store().Get(Column::kProjects, key);
  REQUIRE(row[0] == 2);
  const auto put = [&](char format) {
    row[0] = format;
    WriteBatch batch;
    batch.Put(Column::kProjects, key, row);
    REQUIRE(on.store().Write(batch, true).ok());
  };
  put(1);
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{3});
  harness.Close();
  put(3);
  CHECK(absl::IsFailedPrecondition(harness.Open()));
  put(0);
  CHECK(absl::IsDataLoss(harness.Open()));
}

TEST_CASE("log_measure: joined records have the age of their join", "[log]") {
  OnMemory on;
  LogHarness harness(on.store());
  FillJoined(harness);
  StoreMeasure measure(on.store(), testing::kProject, {0}, {10},
                       [](std::string_view) { return kJoinedMs - 1; });
  CHECK(*measure.OlderThrough({0}, {10}, kJoinedMs) == Seq{4});
  CHECK(*measure.OlderThrough({0}, {10}, kJoinedMs + 1) == Seq{10});
}

}  // namespace
}  // namespace syncline
