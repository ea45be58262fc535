#include "clock/hybrid_clock.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "base/random.h"

namespace syncline {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::uint64_t kNowMs = 1'700'000'000'000;
constexpr std::uint64_t kMaxMs = (std::uint64_t{1} << 48) - 1;

TEST_CASE("hybrid_clock: a stamp is milliseconds and then a counter",
          "[clock]") {
  constexpr Hlc kStamp = Hlc::Of(kNowMs, 513);
  CHECK(kStamp.packed == kNowMs * 65'536 + 513);
  CHECK(kStamp.milliseconds() == kNowMs);
  CHECK(kStamp.counter() == 513);
  CHECK(Hlc::Of(1, 65'535) < Hlc::Of(2, 0));
}

TEST_CASE("hybrid_clock: tick", "[clock][table]") {
  struct Row {
    const char* why;
    Hlc last;
    std::int64_t now;
    Hlc expected;
  };
  const Row row = GENERATE(values<Row>({
      {"the first stamp is the wall clock", {}, kNow, Hlc::Of(kNowMs, 0)},
      {"a clock that moved on starts a new counter", Hlc::Of(kNowMs - 1, 9),
       kNow, Hlc::Of(kNowMs, 0)},
      {"within one millisecond the counter tells", Hlc::Of(kNowMs, 9), kNow,
       Hlc::Of(kNowMs, 10)},
      {"a clock that went back is not followed", Hlc::Of(kNowMs + 100, 2), kNow,
       Hlc::Of(kNowMs + 100, 3)},
      {"a full counter carries into the milliseconds", Hlc::Of(kNowMs, 65'535),
       kNow, Hlc::Of(kNowMs + 1, 0)},
      {"just as far ahead as is believed", Hlc::Of(kNowMs + kMaxClockLeadMs, 0),
       kNow, Hlc::Of(kNowMs + kMaxClockLeadMs, 1)},
      {"one millisecond further counts as nothing",
       Hlc::Of(kNowMs + kMaxClockLeadMs + 1, 0), kNow, Hlc::Of(kNowMs, 0)},
      {"a clock before 1970 counts as 1970", {}, -5, {1}},
      {"... also as the bound of what is believed",
       Hlc::Of(kMaxClockLeadMs + 1, 0),
       -5,
       {1}},
      {"a clock beyond 48 bits counts as their end",
       {},
       std::numeric_limits<std::int64_t>::max(),
       Hlc::Of(kMaxMs, 0)},
  }));
  INFO(row.why);
  CHECK(HlcTick(row.last, row.now) == row.expected);
}

TEST_CASE("hybrid_clock: observe", "[clock][table]") {
  struct Row {
    const char* why;
    Hlc last;
    Hlc remote;
    Hlc expected;
  };
  const Hlc here = Hlc::Of(kNowMs, 5);
  const Hlc edge = Hlc::Of(kNowMs + kMaxClockLeadMs, 65'535);
  const Hlc beyond = Hlc::Of(kNowMs + kMaxClockLeadMs + 1, 0);
  const Row row = GENERATE_COPY(values<Row>({
      {"an older stamp changes nothing", here, Hlc::Of(kNowMs, 4), here},
      {"the same stamp changes nothing", here, here, here},
      {"a newer stamp is taken as it is", here, Hlc::Of(kNowMs, 6),
       Hlc::Of(kNowMs, 6)},
      {"a lead that is believed", here, edge, edge},
      {"a lead that is not", here, beyond, here},
      {"the largest stamp there is", here, {~std::uint64_t{0}}, here},
  }));
  INFO(row.why);
  CHECK(HlcObserve(row.last, row.remote, kNow) == row.expected);
}

TEST_CASE("hybrid_clock: stamps rise whatever a believable clock does",
          "[clock][law]") {
  constexpr std::uint64_t kSeed = 99;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  const auto wobble = [&] {
    return kNow + static_cast<std::int64_t>(random.Below(200'000));
  };
  Hlc last;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t now = wobble();
    const Hlc remote = {(kNowMs + random.Below(900'000)) << 16 |
                        random.Below(65'536)};
    const Hlc observed = HlcObserve(last, remote, now);
    REQUIRE(observed >= last);
    REQUIRE((observed == last || observed == remote));
    // Nothing beyond the lead is ever remembered from afar.
    REQUIRE((observed == last ||
             observed.milliseconds() <=
                 static_cast<std::uint64_t>(now) + kMaxClockLeadMs));
    const bool believed = observed.milliseconds() <=
                          static_cast<std::uint64_t>(now) + kMaxClockLeadMs;
    const Hlc ticked = HlcTick(observed, now);
    REQUIRE(ticked.milliseconds() >= static_cast<std::uint64_t>(now));
    REQUIRE((!believed || ticked > observed));
    last = ticked;
  }
}

TEST_CASE("hybrid_clock: a repaired clock is obeyed at once", "[clock]") {
  const std::int64_t broken = kNow + 10 * 365 * 86'400'000LL;
  const Hlc far = HlcTick({}, broken);
  const Hlc repaired = HlcTick(far, kNow);
  CHECK(repaired == Hlc::Of(kNowMs, 0));
}

TEST_CASE("hybrid_clock: observing in any order remembers the same",
          "[clock][law]") {
  SeededRandom random(3);
  for (int round = 0; round < 1'000; ++round) {
    const Hlc a = {(kNowMs + random.Below(600'000)) << 16};
    const Hlc b = {(kNowMs + random.Below(600'000)) << 16};
    const Hlc ab = HlcObserve(HlcObserve({}, a, kNow), b, kNow);
    const Hlc ba = HlcObserve(HlcObserve({}, b, kNow), a, kNow);
    REQUIRE(ab == ba);
    REQUIRE(HlcObserve(ab, a, kNow) == ab);
  }
}

}  // namespace
}  // namespace syncline
