#include "log/retention.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/log/log_harness.h"

namespace syncline {
namespace {

using testing::DraftsOf;
using testing::LogHarness;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;

// A log of records of 100 bytes, each a second younger than the one before:
// record n was made at n seconds.
class EvenLog final : public LogMeasure {
 public:
  explicit EvenLog(const RetentionInput& input) : input_(input) {}

  absl::StatusOr<Seq> OlderThrough(Seq since, Seq until,
                                   std::int64_t before_ms) override {
    CHECK(since >= input_.horizon);
    CHECK(until <= input_.durable);
    Seq older = since;
    while (older < until &&
           static_cast<std::int64_t>(older.next().value) * 1000 < before_ms) {
      older = older.next();
      ++read;
    }
    return older;
  }
  absl::StatusOr<Seq> BeyondBytes(std::uint64_t bytes) override {
    ++asked_bytes;
    const std::uint64_t fit = bytes / 100;
    const std::uint64_t durable = input_.durable.value;
    return Seq{durable > fit ? durable - fit : 0};
  }

  std::uint64_t read = 0;
  int asked_bytes = 0;

 private:
  RetentionInput input_;
};

constexpr std::int64_t kSecond = 1000;

TEST_CASE("retention: the plan is what the policy says", "[log][table]") {
  struct Row {
    const char* why;
    LogBounds keep;
    LogBounds limit;
    std::uint64_t horizon;
    std::optional<Seq> passed;
    std::uint64_t through;
    bool overtakes;
  };
  // 1000 records; it is second 1000 now.
  const std::vector<Row> rows = {
      {"no policy keeps all", {}, {}, 0, {}, 0, false},
      {"limits alone drop nothing", {}, {.entries = 5}, 0, Seq{0}, 0, false},
      {"entries", {.entries = 100}, {}, 0, {}, 900, false},
      {"more than there are", {.entries = 5000}, {}, 0, {}, 0, false},
      {"exactly those there are", {.entries = 1000}, {}, 0, {}, 0, false},
      {"age", {.age_ms = 100 * kSecond}, {}, 0, {}, 899, false},
      {"nothing is that old", {.age_ms = 5000 * kSecond}, {}, 0, {}, 0, false},
      {"bytes", {.bytes = 10'000}, {}, 0, {}, 900, false},
      {"the tightest bound: entries",
       {.entries = 10, .age_ms = 500 * kSecond, .bytes = 10'000},
       {},
       0,
       {},
       990,
       false},
      {"the tightest bound: age",
       {.entries = 500, .age_ms = 10 * kSecond, .bytes = 50'000},
       {},
       0,
       {},
       989,
       false},
      {"the tightest bound: bytes",
       {.entries = 500, .age_ms = 500 * kSecond, .bytes = 1'000},
       {},
       0,
       {},
       990,
       false},
      {"behind the horizon already", {.entries = 100}, {}, 950, {}, 900, false},
      {"a holder keeps what it needs",
       {.entries = 100},
       {},
       0,
       Seq{250},
       250,
       false},
      {"a holder of all", {.entries = 100}, {}, 0, Seq{0}, 0, false},
      {"a holder that has passed",
       {.entries = 100},
       {},
       0,
       Seq{950},
       900,
       false},
      {"a holder with age", {.age_ms = kSecond}, {}, 0, Seq{250}, 250, false},
      {"a limit of entries overtakes",
       {.entries = 100},
       {.entries = 400},
       0,
       Seq{250},
       600,
       true},
      {"a limit that is not reached",
       {.entries = 100},
       {.entries = 800},
       0,
       Seq{250},
       250,
       false},
      {"a limit of bytes overtakes",
       {.entries = 100},
       {.bytes = 30'000},
       0,
       Seq{250},
       700,
       true},
      {"a limit of age overtakes",
       {.entries = 100},
       {.age_ms = 500 * kSecond},
       0,
       Seq{250},
       499,
       true},
      {"a limit of age with a policy of age",
       {.age_ms = 100 * kSecond},
       {.age_ms = 500 * kSecond},
       0,
       Seq{250},
       499,
       true},
      {"a limit of age below the policy's",
       {.age_ms = 500 * kSecond},
       {.age_ms = 10 * kSecond},
       0,
       Seq{250},
       499,
       true},
      {"a limit never drops what the policy keeps",
       {.entries = 900},
       {.entries = 10},
       0,
       Seq{20},
       100,
       true},
      {"nor by age",
       {.entries = 900},
       {.age_ms = kSecond},
       0,
       Seq{20},
       100,
       true},
      {"the latest limit counts",
       {.entries = 100},
       {.entries = 700, .age_ms = 500 * kSecond},
       0,
       Seq{250},
       499,
       true},
  };
  for (const Row& row : rows) {
    INFO(row.why);
    const RetentionInput input{
        {row.horizon}, {1000}, row.passed, 1000 * kSecond};
    EvenLog log(input);
    const auto plan = PlanRetention({row.keep, row.limit}, input, log);
    REQUIRE(plan.ok());
    CHECK(plan->through == Seq{row.through});
    CHECK(plan->overtakes == row.overtakes);
    // Only what is dropped is read, once for each age.
    CHECK(log.read <= 2 * row.through);
    if (row.keep.bytes == 0 && row.limit.bytes == 0) CHECK(!log.asked_bytes);
  }
}

TEST_CASE("retention: an empty or wholly truncated log has no plan",
          "[log][table]") {
  const RetentionPolicy policy{{.entries = 1, .age_ms = 1, .bytes = 1},
                               {.entries = 1, .age_ms = 1}};
  for (const std::uint64_t head : {0, 7}) {
    const RetentionInput input{{head}, {head}, Seq{head}, 9 * kSecond};
    EvenLog log(input);
    CHECK(PlanRetention(policy, input, log)->through == Seq{0});
    CHECK(log.read + log.asked_bytes == 0);
  }
}

TEST_CASE("retention: a measure that fails fails the plan", "[log]") {
  class Broken final : public LogMeasure {
    absl::StatusOr<Seq> OlderThrough(Seq, Seq, std::int64_t) override {
      return absl::DataLossError("damaged");
    }
    absl::StatusOr<Seq> BeyondBytes(std::uint64_t) override {
      return absl::DataLossError("damaged");
    }
  };
  Broken broken;
  const RetentionInput input{{0}, {100}, Seq{10}, 9 * kSecond};
  for (const RetentionPolicy& policy :
       {RetentionPolicy{{.age_ms = 1}, {}}, RetentionPolicy{{.bytes = 1}, {}},
        RetentionPolicy{{.entries = 1}, {.bytes = 1}},
        RetentionPolicy{{.entries = 1}, {.age_ms = 1}}}) {
    CHECK(absl::IsDataLoss(PlanRetention(policy, input, broken).status()));
  }
}

TEMPLATE_TEST_CASE("retention: a frontier has passed what it covers", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const Origin a = OriginOf(1);
  const Origin b = OriginOf(2);
  // Seqs: a 1..3, b 4..5, a 6..8, b 9.
  REQUIRE(harness.Append(DraftsOf(a, 1, 3)).ok());
  REQUIRE(harness.Append(DraftsOf(b, 1, 2)).ok());
  REQUIRE(harness.Append(DraftsOf(a, 4, 3)).ok());
  REQUIRE(harness.Append(DraftsOf(b, 3, 1)).ok());
  const auto passed = [&](std::uint64_t of_a, std::uint64_t of_b) {
    VersionVector frontier;
    if (of_a > 0) frontier.Raise(a, of_a);
    if (of_b > 0) frontier.Raise(b, of_b);
    const auto seq = PassedBy(harness.log(), frontier);
    REQUIRE(seq.ok());
    return *seq;
  };
  CHECK(passed(0, 0) == Seq{0});
  CHECK(passed(0, 3) == Seq{0});
  CHECK(passed(2, 0) == Seq{2});
  CHECK(passed(6, 0) == Seq{3});
  CHECK(passed(3, 2) == Seq{5});
  CHECK(passed(6, 2) == Seq{8});
  CHECK(passed(6, 3) == Seq{9});
  CHECK(passed(60, 30) == Seq{9});  // It has more than we do.
  REQUIRE(harness->TruncateThrough({5}).ok());
  CHECK(passed(2, 2) == std::nullopt);
  CHECK(passed(3, 1) == std::nullopt);
  CHECK(passed(3, 2) == Seq{5});
  CHECK(passed(4, 2) == Seq{6});
}

}  // namespace
}  // namespace syncline
