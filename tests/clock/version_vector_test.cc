#include "clock/version_vector.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/bytes.h"

namespace syncline {
namespace {

Origin OriginOf(unsigned char last) {
  Origin origin;
  origin.bytes.back() = last;
  return origin;
}

std::string Slots(std::initializer_list<std::pair<int, std::uint64_t>> slots) {
  std::string out;
  AppendVarint(out, slots.size());
  for (const auto& [origin, counter] : slots) {
    out += OriginOf(static_cast<unsigned char>(origin)).view();
    AppendVarint(out, counter);
  }
  return out;
}

absl::StatusCode CodeOf(std::string_view bytes) {
  return VersionVector::Decode(bytes).status().code();
}

TEST_CASE("version_vector: starts having seen nothing", "[clock]") {
  const VersionVector none;
  CHECK(none.empty());
  CHECK(none.size() == 0);
  CHECK(none.CounterOf(OriginOf(1)) == 0);
  CHECK_FALSE(none.Covers(Dot{OriginOf(1), 1}));
  CHECK(none.Covers(VersionVector()));
  CHECK(none.Encode() == std::string(1, '\0'));
}

TEST_CASE("version_vector: raise never lowers and keeps origin order",
          "[clock]") {
  VersionVector vector;
  vector.Raise(OriginOf(2), 5);
  vector.Raise(OriginOf(1), 0);
  CHECK(vector.size() == 1);
  vector.Raise(OriginOf(1), 7);
  vector.Raise(OriginOf(2), 4);
  REQUIRE(vector.size() == 2);
  CHECK(vector.slots()[0] == VersionVector::Slot{OriginOf(1), 7});
  CHECK(vector.slots()[1] == VersionVector::Slot{OriginOf(2), 5});
  CHECK(vector.Covers(Dot{OriginOf(2), 5}));
  CHECK_FALSE(vector.Covers(Dot{OriginOf(2), 6}));
}

TEST_CASE("version_vector: decode takes exactly what encode writes",
          "[clock]") {
  VersionVector vector;
  vector.Raise(OriginOf(3), 1);
  vector.Raise(OriginOf(9), ~std::uint64_t{0});
  const std::string bytes = vector.Encode();
  CHECK(bytes == Slots({{3, 1}, {9, ~std::uint64_t{0}}}));
  const auto decoded = VersionVector::Decode(bytes);
  REQUIRE(decoded.ok());
  CHECK(*decoded == vector);
}

TEST_CASE("version_vector: decode refuses what is not canonical",
          "[clock][table]") {
  struct Row {
    const char* why;
    std::string bytes;
  };
  std::string overlong = Slots({{1, 1}});
  overlong.back() = '\x81';
  overlong.push_back('\0');
  const Row row = GENERATE_COPY(
      values<Row>({{"empty input", ""},
                   {"a counter of zero", Slots({{1, 0}})},
                   {"an origin twice", Slots({{1, 1}, {1, 2}})},
                   {"origins out of order", Slots({{2, 1}, {1, 1}})},
                   {"bytes left over", Slots({{1, 1}}) + "x"},
                   {"cut off in a counter", Slots({{1, 300}}).substr(0, 18)},
                   {"cut off in an origin", Slots({{1, 1}}).substr(0, 9)},
                   {"fewer slots than said",
                    std::string(1, '\x02') + Slots({{1, 1}}).substr(1)},
                   {"a counter in a longer form than needed", overlong}}));
  INFO(row.why);
  CHECK(CodeOf(row.bytes) == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("version_vector: decode refuses more slots than allowed", "[clock]") {
  std::string bytes;
  AppendVarint(bytes, VersionVector::kMaxSlots + 1);
  CHECK(CodeOf(bytes) == absl::StatusCode::kResourceExhausted);

  VersionVector full;
  for (std::uint32_t i = 0; i < VersionVector::kMaxSlots; ++i) {
    Origin origin;
    origin.bytes[0] = static_cast<unsigned char>(i >> 8);
    origin.bytes[1] = static_cast<unsigned char>(i);
    full.Raise(origin, 1);
  }
  CHECK(VersionVector::Decode(full.Encode()).ok());
}

}  // namespace
}  // namespace syncline
