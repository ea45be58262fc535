#include "log/append_log.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "log/frame.h"
#include "log/log_runs.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::ExpectedChain;
using testing::kA;
using testing::kB;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::OwnedDraft;
using testing::OwnedDrafts;
using testing::Records;
using testing::RowsIn;
using testing::Walk;

TEMPLATE_TEST_CASE("append_log: a new log is empty and keeps its id", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogId id;
  {
    LogHarness harness(on.store());
    id = harness->id();
    CHECK(id.bytes.size() == 16);
    CHECK(harness->head() == Seq{0});
    CHECK(harness->durable() == Seq{0});
    CHECK(harness->horizon() == Seq{0});
    CHECK(harness->frontier().empty());
    CHECK(harness->health().ok());
    CHECK(Records(harness.log(), {}).seqs.empty());
  }
  on.Reopen();
  LogHarness again(on.store());
  CHECK(again->id() == id);
  LogHarness other(on.store(), ProjectNumber{8});
  other.Append(DraftsOf(kA, 1, 1)).IgnoreError();
  CHECK(again.Open().ok());
  CHECK(again->head() == Seq{0});
}

TEMPLATE_TEST_CASE("append_log: what was appended is read in both directions",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const auto first = harness.Append(DraftsOf(kA, 1, 3));
  REQUIRE(first.ok());
  CHECK(first->first == Seq{1});
  CHECK(first->last == Seq{3});
  const auto second =
      harness.Append({DraftOf({kB, 1}), DraftOf({kA, 4}), DraftOf({kB, 2})});
  REQUIRE(second.ok());
  CHECK(second->first == Seq{4});

  const std::vector<Dot> dots = {{kA, 1}, {kA, 2}, {kA, 3},
                                 {kB, 1}, {kA, 4}, {kB, 2}};
  const auto check = [&] {
    const Walk forward = Records(harness.log(), {});
    CHECK(forward.status.ok());
    CHECK(forward.seqs == Numbers(1, 6));
    CHECK(forward.dots == dots);
    Walk reverse = Records(harness.log(), {.reverse = true});
    CHECK(reverse.status.ok());
    std::reverse(reverse.seqs.begin(), reverse.seqs.end());
    CHECK(reverse.seqs == Numbers(1, 6));
    CHECK(harness->head() == Seq{6});
    CHECK(harness->durable() == Seq{6});
    CHECK(harness->frontier().CounterOf(kA) == 4);
    CHECK(harness->frontier() == harness->durable_frontier());
  };
  check();
  harness.Close();
  on.Reopen();
  LogHarness again(on.store());
  CHECK(Records(again.log(), {}).dots == dots);
  CHECK(again->frontier().CounterOf(kB) == 2);
}

TEMPLATE_TEST_CASE("append_log: a read is bounded by since and until",
                   "[log][table]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 10)).ok());
  const auto read = [&](std::uint64_t since, std::optional<Seq> until,
                        bool reverse) {
    Walk walk = Records(harness.log(), {Seq{since}, until, reverse});
    CHECK(walk.status.ok());
    if (reverse) std::reverse(walk.seqs.begin(), walk.seqs.end());
    return walk.seqs;
  };
  for (const bool reverse : {false, true}) {
    CHECK(read(0, Seq{4}, reverse) == Numbers(1, 4));
    CHECK(read(3, Seq{4}, reverse) == Numbers(4, 4));
    CHECK(read(9, std::nullopt, reverse) == Numbers(10, 10));
    CHECK(read(4, Seq{99}, reverse) == Numbers(5, 10));
    CHECK(read(4, Seq{4}, reverse).empty());
    CHECK(read(5, Seq{4}, reverse).empty());
    CHECK(read(10, std::nullopt, reverse).empty());
    CHECK(read(1'000, std::nullopt, reverse).empty());
  }
}

TEMPLATE_TEST_CASE("append_log: a reader keeps its view of the log", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 5)).ok());
  const auto reader = harness->Read({});
  REQUIRE(harness.Append(DraftsOf(kA, 6, 5)).ok());
  REQUIRE(harness->TruncateThrough({8}).ok());
  const Walk walk = testing::WalkAll(*reader);
  CHECK(walk.status.ok());
  CHECK(walk.seqs == Numbers(1, 5));
}

TEMPLATE_TEST_CASE("append_log: refused drafts change nothing", "[log][table]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store(), testing::kProject,
                     {.draft_bytes_max = 1'000, .append_drafts_max = 4});
  REQUIRE(harness.Append(DraftsOf(kA, 1, 2)).ok());
  struct Row {
    const char* why;
    OwnedDrafts drafts;
  };
  const std::string large(990, 'x');
  const std::vector<Row> rows = {
      {"a counter again", {DraftOf({kA, 2})}},
      {"a gap", {DraftOf({kA, 4})}},
      {"counter zero", {DraftOf({kB, 0})}},
      {"a new origin not from 1", {DraftOf({kB, 2})}},
      {"a gap within the list", {DraftOf({kA, 3}), DraftOf({kA, 5})}},
      {"a repeat behind another origin",
       {DraftOf({kA, 3}), DraftOf({kB, 1}), DraftOf({kA, 3})}},
      {"an empty entry", {{{kA, 3}, "", "changes"}}},
      {"too long", {{{kA, 3}, large, std::string(11, 'x')}}},
      {"too many", DraftsOf(kA, 3, 5)},
      {"the last of several", {DraftOf({kA, 3}), DraftOf({kB, 7})}},
  };
  WriteBatch state;
  state.Put(Column::kHeads, "row", "value");
  for (const Row& row : rows) {
    INFO(row.why);
    const auto outcome =
        harness.Append(row.drafts, Durability::kDurable, state);
    CHECK(outcome.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(harness->head() == Seq{2});
  }
  CHECK(absl::IsNotFound(on.store().Get(Column::kHeads, "row").status()));
  CHECK(harness->health().ok());
  CHECK(harness.Append({{{kA, 3}, large, std::string(10, 'x')}}).ok());
}

TEMPLATE_TEST_CASE("append_log: an entry may be as long as a frame allows",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store(), testing::kProject,
                     {.draft_bytes_max = 2 * kEntryBytesMax});
  const OwnedDraft whole{{kA, 1}, std::string(kEntryBytesMax, 'x'), "c"};
  const OwnedDraft beyond{{kA, 2}, std::string(kEntryBytesMax + 1, 'x'), ""};
  REQUIRE(harness.Append({whole}).ok());
  CHECK(absl::IsInvalidArgument(harness.Append({beyond}).status()));
  const auto reader = harness->Read({});
  REQUIRE(reader->Valid());
  CHECK(reader->record().entry == whole.entry);
}

TEMPLATE_TEST_CASE("append_log: rows are written with the records", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  WriteBatch rows;
  rows.Put(Column::kHeads, "row", "one");
  REQUIRE(harness.Append(DraftsOf(kA, 1, 2), Durability::kDurable, rows).ok());
  CHECK(*on.store().Get(Column::kHeads, "row") == "one");

  rows.Clear();
  rows.Delete(Column::kHeads, "row");
  const auto none = harness.Append({}, Durability::kDurable, rows);
  REQUIRE(none.ok());
  CHECK(none->last == Seq{2});
  CHECK(harness->head() == Seq{2});
  CHECK(absl::IsNotFound(on.store().Get(Column::kHeads, "row").status()));
}

TEMPLATE_TEST_CASE("append_log: seqs are given out at the call", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  harness.Start(DraftsOf(kA, 1, 3));
  CHECK(harness->head() == Seq{3});
  CHECK(harness->frontier().CounterOf(kA) == 3);
  CHECK(harness->durable() == Seq{0});
  CHECK(harness->durable_frontier().empty());
  CHECK(harness->ChainOf(kA) == ExpectedChain(kA, 3));
  CHECK(*harness->Find({kA, 2}) == Seq{2});
  CHECK(*harness->ChainAt({kA, 2}) == ExpectedChain(kA, 2));
  harness.Start({DraftOf({kA, 4})});
  CHECK(harness->head() == Seq{4});
  CHECK(Records(harness.log(), {}).seqs.empty());
  harness.Run();
  CHECK(Records(harness.log(), {}).seqs == Numbers(1, 4));
}

// Appends runs of 1, 2, 3, ... entries of three origins in turn.
void AppendRuns(LogHarness& harness, std::uint64_t count) {
  std::uint64_t counters[3] = {0, 0, 0};
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t origin = i % 3;
    harness.Start(DraftsOf(OriginOf(origin), counters[origin] + 1, i + 1));
    counters[origin] += i + 1;
  }
  harness.Run();
}

TEMPLATE_TEST_CASE("append_log: every dot is found and has its chain hash",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  AppendRuns(harness, 12);
  const auto check = [](AppendLog& log) {
    const auto reader = log.Read({});
    std::size_t records = 0;
    for (; reader->Valid(); reader->Next(), ++records) {
      const Dot dot = reader->record().dot;
      INFO(dot.ToText());
      const auto seq = log.Find(dot);
      REQUIRE(seq.ok());
      REQUIRE(*seq == reader->record().seq);
      REQUIRE(*log.ChainAt(dot) == ExpectedChain(dot.origin, dot.counter));
    }
    CHECK(reader->status().ok());
    CHECK(records == 78);
    for (int i = 0; i < 3; ++i) {
      const Origin origin = OriginOf(i);
      const std::uint64_t counter = log.frontier().CounterOf(origin);
      CHECK(log.ChainOf(origin) == ExpectedChain(origin, counter));
      CHECK(*log.ChainAt({origin, 0}) == Hash());
      CHECK(absl::IsNotFound(log.ChainAt({origin, counter + 1}).status()));
      CHECK(*log.Find({origin, counter + 1}) == std::nullopt);
      CHECK(*log.Find({origin, 0}) == std::nullopt);
    }
    CHECK(absl::IsNotFound(log.ChainAt({kB, 1}).status()) ==
          (log.frontier().CounterOf(kB) == 0));
    CHECK(*log.Find({OriginOf(99), 1}) == std::nullopt);
    CHECK(log.ChainOf(OriginOf(99)) == Hash());
  };
  check(harness.log());
  REQUIRE(harness.Open().ok());
  check(harness.log());
}

TEMPLATE_TEST_CASE("append_log: a run goes on over groups up to its limit",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const std::uint64_t count = 2 * kRunEntriesMax + 10;
  for (std::uint64_t at = 1; at <= count; at += 205) {
    const std::uint64_t drafts = std::min<std::uint64_t>(205, count + 1 - at);
    REQUIRE(harness.Append(DraftsOf(kA, at, drafts)).ok());
  }
  CHECK(RowsIn(on.store(), Column::kDots) == 3);
  for (const std::uint64_t counter :
       {std::uint64_t{1}, kRunEntriesMax, kRunEntriesMax + 1, count - 1}) {
    CHECK(*harness->Find({kA, counter}) == Seq{counter});
    CHECK(*harness->ChainAt({kA, counter}) == ExpectedChain(kA, counter));
  }
}

TEMPLATE_TEST_CASE("append_log: only the rows of changed origins are written",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  testing::TallyStore tally(on.store());
  LogHarness harness(tally);
  testing::OwnedDrafts drafts;
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    drafts.push_back(DraftOf({OriginOf(i), 1}));
  }
  harness.Start(drafts);
  harness.Run();
  REQUIRE(harness->frontier().size() == 2'000);

  tally.ops.fill(0);
  REQUIRE(harness
              .Append({DraftOf({OriginOf(5), 2}), DraftOf({OriginOf(5), 3}),
                       DraftOf({OriginOf(6), 2})})
              .ok());
  CHECK(tally.Ops(Column::kLog) == 3);
  CHECK(tally.Ops(Column::kDots) == 2);
  CHECK(tally.Ops(Column::kProjects) == 0);
  // A thousand more: the head and the two origins that changed.
  for (std::uint64_t i = 0; i < 1'100; ++i) {
    harness.Start({DraftOf({OriginOf(5), 4 + i})});
  }
  harness.Run();
  CHECK(tally.Ops(Column::kProjects) == 3);
  REQUIRE(harness.Open().ok());
  CHECK(harness->frontier().size() == 2'000);
  CHECK(harness->frontier().CounterOf(OriginOf(5)) == 1'103);
  CHECK(harness->ChainOf(OriginOf(5)) == ExpectedChain(OriginOf(5), 1'103));
  CHECK(harness->ChainOf(OriginOf(1'999)) == ExpectedChain(OriginOf(1'999), 1));
}

TEMPLATE_TEST_CASE("append_log: logs of two projects share a store", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness low(on.store(), ProjectNumber{0});
  LogHarness high(on.store(),
                  ProjectNumber{std::numeric_limits<std::uint32_t>::max()});
  REQUIRE(low.Append(DraftsOf(kA, 1, 5)).ok());
  REQUIRE(high.Append(DraftsOf(kA, 1, 3)).ok());
  REQUIRE(low.Append(DraftsOf(kB, 1, 2)).ok());
  CHECK(low->id() == high->id());  // Equal seeds: the id is the source's.
  REQUIRE(high->TruncateThrough({2}).ok());
  CHECK(Records(low.log(), {}).seqs == Numbers(1, 7));
  CHECK(Records(high.log(), {.since = {2}}).seqs == Numbers(3, 3));
  REQUIRE(low.Open().ok());
  REQUIRE(high.Open().ok());
  CHECK(low->head() == Seq{7});
  CHECK(high->head() == Seq{3});
  CHECK(high->horizon() == Seq{2});
}

}  // namespace
}  // namespace syncline
