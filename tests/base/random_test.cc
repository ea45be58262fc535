#include "base/random.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <string>

namespace syncline {
namespace {

TEST_CASE("random: a seed gives the sequence of SplitMix64", "[base][golden]") {
  // From the reference implementation by Vigna.
  SeededRandom random(1234567);
  CHECK(random.Next() == 6457827717110365317u);
  CHECK(random.Next() == 3203168211198807973u);
  CHECK(random.Next() == 9817491932198370423u);
}

TEST_CASE("random: equal seeds agree and others do not", "[base][law]") {
  CHECK(SeededRandom(1).Bytes(100) == SeededRandom(1).Bytes(100));
  CHECK(SeededRandom(1).Bytes(100) != SeededRandom(2).Bytes(100));
  CHECK(SeededRandom(1).Bytes(13) == SeededRandom(1).Bytes(16).substr(0, 13));
}

TEST_CASE("random: numbers below a bound reach all of it and nothing else",
          "[base][law]") {
  SeededRandom random(3);
  std::array<int, 7> counts{};
  for (int i = 0; i < 7000; ++i) {
    const std::uint64_t value = random.Below(7);
    REQUIRE(value < 7);
    ++counts[value];
  }
  for (int count : counts) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
  CHECK(random.Below(1) == 0);
  const std::uint64_t huge = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) CHECK(random.Below(huge) < huge);
}

TEST_CASE("random: the system does not repeat itself", "[base]") {
  SystemRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random.Bytes(16));
  CHECK(seen.size() == 100);
}

}  // namespace
}  // namespace syncline
