#include "log/log_measure.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/bytes.h"
#include "base/status.h"
#include "tests/log/log_harness.h"

namespace syncline {
namespace {

using testing::kProject;
using testing::LogHarness;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::OwnedDraft;
using testing::OwnedDrafts;

// An entry that says when it was made and is `bytes` long in all.
OwnedDraft MadeAt(std::uint64_t counter, std::uint64_t time_ms,
                  std::size_t bytes = 64) {
  OwnedDraft draft{{OriginOf(1), counter}, {}, {}};
  AppendU64(draft.entry, time_ms);
  draft.entry.resize(bytes, '.');
  return draft;
}

absl::StatusOr<std::int64_t> TimeOf(std::string_view entry) {
  ByteReader reader(entry);
  const std::uint64_t time_ms = reader.U64();
  if (!reader.ok()) return DataLoss("no time");
  return static_cast<std::int64_t>(time_ms);
}

StoreMeasure MeasureOf(const Store& store, const AppendLog& log) {
  return {store, kProject, log.horizon(), log.durable(), TimeOf};
}

TEMPLATE_TEST_CASE("log_measure: age ends at the first young record", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  // Seq 5 came late: it is older than its neighbours.
  std::uint64_t counter = 0;
  for (const std::uint64_t time_ms : {10, 20, 30, 40, 15, 50, 60}) {
    harness.Start({MadeAt(++counter, time_ms)});
  }
  harness.Run();
  StoreMeasure measure = MeasureOf(on.store(), harness.log());
  const auto older = [&](std::uint64_t since, std::uint64_t until,
                         std::int64_t before) {
    return measure.OlderThrough({since}, {until}, before).value().value;
  };
  CHECK(older(0, 7, 10) == 0);
  CHECK(older(0, 7, 11) == 1);
  CHECK(older(0, 7, 35) == 3);  // Not 5, though seq 5 is older.
  CHECK(older(4, 7, 35) == 5);
  CHECK(older(0, 7, 100) == 7);
  CHECK(older(0, 2, 100) == 2);
  CHECK(older(3, 3, 100) == 3);
  REQUIRE(harness->TruncateThrough({2}).ok());
  CHECK(older(2, 7, 35) == 3);
}

TEMPLATE_TEST_CASE("log_measure: bytes are exact for few and close for many",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const std::uint64_t count = GENERATE(1, 5, 900, 20'000);
  for (std::uint64_t i = 0; i < count;) {
    OwnedDrafts drafts;
    for (; i < count && drafts.size() < 1000; ++i) {
      drafts.push_back(MadeAt(i + 1, i, 200 + i * 7 % 64 * 8));
    }
    harness.Start(std::move(drafts), Durability::kBuffered);
  }
  harness.Run();
  StoreMeasure measure = MeasureOf(on.store(), harness.log());
  std::uint64_t total = 0;
  std::uint64_t newer_half = 0;
  const auto reader = harness->Read({});
  for (; reader->Valid(); reader->Next()) {
    const std::uint64_t bytes = reader->record().frame.size() + Origin::kBytes;
    total += bytes;
    if (reader->record().seq.value > count / 2) newer_half += bytes;
  }
  const auto near = [&](std::uint64_t got, std::uint64_t wanted) {
    INFO(count << ": " << got << " for " << wanted);
    const std::uint64_t slack = count <= 1024 ? count / 256 + 1 : wanted / 10;
    CHECK(got + slack >= wanted);
    CHECK(got <= wanted + slack);
  };
  CHECK(measure.BeyondBytes(total * 2).value() == Seq{0});
  CHECK(measure.BeyondBytes(0).value() == harness->durable());
  near(measure.BeyondBytes(newer_half).value().value, count / 2);
  near(measure.BytesThrough(harness->durable()).value() * count / total, count);
}

TEST_CASE("log_measure: a damaged record is told and not passed",
          "[log][fault]") {
  OnMemory on;
  LogHarness harness(on.store());
  harness.Start({MadeAt(1, 10), MadeAt(2, 20), MadeAt(3, 30)});
  harness.Run();
  WriteBatch damage;
  std::string key = ProjectPrefix(kProject);
  AppendU64(key, 2);
  damage.Put(Column::kLog, key, "rubbish");
  REQUIRE(on.store().Write(damage, false).ok());
  StoreMeasure measure = MeasureOf(on.store(), harness.log());
  CHECK(measure.OlderThrough({0}, {3}, 5).value() == Seq{0});
  CHECK(absl::IsDataLoss(measure.OlderThrough({0}, {3}, 100).status()));
  CHECK(absl::IsDataLoss(measure.BeyondBytes(1 << 20).status()));
}

}  // namespace
}  // namespace syncline
