#include "replication/inflow.h"

#include <catch2/catch.hpp>

#include "tests/testing/manual_timers.h"

namespace syncline {
namespace {

const int kSenders[2] = {0, 0};
const void* const kOne = &kSenders[0];
const void* const kOther = &kSenders[1];

TEST_CASE("inflow: who has more leads until it has no more", "[peer]") {
  Inflow inflow;
  CHECK(inflow.Leads(kOne, true, 0));
  CHECK_FALSE(inflow.Leads(kOther, true, 1));
  CHECK(inflow.Leads(kOne, true, 2));
  CHECK(inflow.Leads(kOne, false, 3));
  CHECK(inflow.Leads(kOther, true, 4));
  CHECK_FALSE(inflow.Leads(kOne, true, 5));
}

TEST_CASE("inflow: nobody leads while none has more", "[peer]") {
  Inflow inflow;
  CHECK(inflow.Leads(kOne, false, 0));
  CHECK(inflow.Leads(kOther, false, 0));
}

TEST_CASE("inflow: the lead goes on from who is silent or gone", "[peer]") {
  Inflow inflow;
  std::int64_t now = 1000;
  CHECK(inflow.Leads(kOne, true, now));
  SECTION("silent") {
    now += Inflow::kSilentMs;
    CHECK_FALSE(inflow.Leads(kOther, true, now));
    ++now;
  }
  SECTION("gone") { inflow.Leave(kOne); }
  CHECK(inflow.Leads(kOther, true, now));
  CHECK_FALSE(inflow.Leads(kOne, true, now));
}

TEST_CASE("inflow: closed until the last hold is gone, or for a time",
          "[peer]") {
  Inflow inflow;
  testing::ManualTimers timers;
  int opened = 0;
  inflow.WhenOpen([&] { ++opened; });
  CHECK(opened == 1);
  Inflow::Hold first = inflow.Close(timers.Maker()(), 1);
  Inflow::Hold second = first;
  inflow.WhenOpen([&] { opened += inflow.closed() ? 100 : 1; });
  first.reset();
  CHECK(inflow.closed());
  CHECK(opened == 1);
  SECTION("gone") { second.reset(); }
  SECTION("for a time") { timers.Fire(); }
  CHECK(opened == 2);
  CHECK_FALSE(inflow.closed());
  second.reset();
  CHECK(opened == 2);
}

}  // namespace
}  // namespace syncline
