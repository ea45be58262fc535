#include "clock/dot.h"

#include <catch2/catch.hpp>
#include <string>

namespace syncline {
namespace {

constexpr std::string_view kHex = "000102030405060708090a0b0c0d0eff";

Origin Sample() { return *Origin::FromHex(kHex); }

TEST_CASE("origin: text is 32 lower-case hex digits and nothing else",
          "[clock][table]") {
  CHECK(Sample().ToHex() == kHex);
  CHECK(Origin::FromBytes(Sample().view()) == Sample());

  struct Row {
    const char* why;
    std::string text;
  };
  const std::string good(kHex);
  const Row row =
      GENERATE_COPY(values<Row>({{"empty", ""},
                                 {"a digit short", good.substr(1)},
                                 {"a byte short", good.substr(2)},
                                 {"a byte long", good + "00"},
                                 {"upper case", good.substr(0, 30) + "FF"},
                                 {"not hex", good.substr(0, 31) + "g"},
                                 {"a space", " " + good.substr(1)}}));
  INFO(row.why);
  CHECK_FALSE(Origin::FromHex(row.text).has_value());
}

TEST_CASE("origin: bytes are 16 or none", "[clock]") {
  CHECK_FALSE(Origin::FromBytes("").has_value());
  CHECK_FALSE(Origin::FromBytes(std::string(15, 'x')).has_value());
  CHECK_FALSE(Origin::FromBytes(std::string(17, 'x')).has_value());
}

TEST_CASE("origin: order is that of the bytes without sign", "[clock]") {
  Origin low;
  Origin high;
  low.bytes[0] = 0x7f;
  high.bytes[0] = 0x80;
  low.bytes[15] = 0xff;
  CHECK(low < high);
  CHECK(low.view() < high.view());
  CHECK(low.ToHex() < high.ToHex());
}

TEST_CASE("origin: random ones come from the source given", "[clock]") {
  SeededRandom one(5);
  SeededRandom same(5);
  const Origin first = Origin::Random(one);
  CHECK(first == Origin::Random(same));
  CHECK(first != Origin::Random(one));
}

TEST_CASE("dot: text form goes both ways", "[clock][table]") {
  const std::string hex(kHex);
  CHECK((Dot{Sample(), 7}).ToText() == hex + ".7");
  for (const std::uint64_t counter : {std::uint64_t{0}, std::uint64_t{1},
                                      std::uint64_t{10}, ~std::uint64_t{0}}) {
    const Dot dot{Sample(), counter};
    CHECK(Dot::FromText(dot.ToText()) == dot);
  }
}

TEST_CASE("dot: malformed text is nothing", "[clock][table]") {
  struct Row {
    const char* why;
    std::string text;
  };
  const std::string hex(kHex);
  const Row row = GENERATE_COPY(
      values<Row>({{"empty", ""},
                   {"no counter", hex},
                   {"an empty counter", hex + "."},
                   {"a leading zero", hex + ".01"},
                   {"a sign", hex + ".+1"},
                   {"a negative counter", hex + ".-1"},
                   {"a space before", hex + ". 1"},
                   {"a space behind", hex + ".1 "},
                   {"beyond 64 bits", hex + ".18446744073709551616"},
                   {"another separator", hex + ":1"},
                   {"a short origin", hex.substr(2) + ".1"},
                   {"an upper-case origin", "AA" + hex.substr(2) + ".1"},
                   {"an effect index as well", hex + ".1.0"}}));
  INFO(row.why);
  CHECK_FALSE(Dot::FromText(row.text).has_value());
}

TEST_CASE("dot: order is by origin and then by counter as a number",
          "[clock]") {
  Origin later = Sample();
  later.bytes[0] = 1;
  CHECK((Dot{Sample(), 9}) < (Dot{Sample(), 10}));
  CHECK((Dot{Sample(), 10}) < (Dot{later, 1}));
}

}  // namespace
}  // namespace syncline
