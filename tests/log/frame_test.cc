#include "log/frame.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/bytes.h"
#include "base/random.h"

namespace syncline {
namespace {

std::string FrameOf(std::string_view entry) {
  std::string out;
  AppendFrame(out, entry);
  return out;
}

TEST_CASE("frame: layout is that of the format", "[log][golden]") {
  // CRC-32C of "123456789" is the check value of the polynomial: e3069283.
  CHECK(ToHex(FrameOf("123456789")) ==
        "09000000839206e3313233343536373839"
        "00000000000000");
  CHECK(FrameBytes(8) == 16);
  CHECK(FrameBytes(9) == 24);
}

TEST_CASE("frame: frames of every length are read one after the other",
          "[log]") {
  SeededRandom random(1);
  std::string bytes;
  std::vector<std::string> entries;
  for (std::size_t length = 1; length < 70; ++length) {
    entries.push_back(random.Bytes(length));
    AppendFrame(bytes, entries.back());
    CHECK(bytes.size() % 8 == 0);
  }
  std::string_view rest = bytes;
  for (const std::string& entry : entries) {
    const auto frame = ParseFrame(rest);
    REQUIRE(frame.ok());
    REQUIRE(frame->entry == entry);
    REQUIRE(frame->bytes == FrameBytes(entry.size()));
    rest.remove_prefix(frame->bytes);
  }
  CHECK(rest.empty());
}

TEST_CASE("frame: the longest entry is taken and a longer one is not",
          "[log]") {
  std::string bytes = FrameOf(std::string(kEntryBytesMax, 'x'));
  CHECK(ParseFrame(bytes).ok());
  bytes[0] = 1;  // One more byte, which is there.
  bytes.append(8, 'x');
  CHECK(absl::IsInvalidArgument(ParseFrame(bytes).status()));
}

TEST_CASE("frame: what is cut off is refused", "[log][table]") {
  const std::string whole = FrameOf("an entry");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto frame = ParseFrame(std::string_view(whole).substr(0, length));
    CHECK(absl::IsInvalidArgument(frame.status()));
  }
}

TEST_CASE("frame: zeroed blocks are no frames", "[log]") {
  CHECK(absl::IsInvalidArgument(ParseFrame(std::string(64, '\0')).status()));
}

TEST_CASE("frame: every flipped bit is noticed", "[log][fuzz]") {
  const std::string whole = FrameOf("thirteen byte");
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    INFO("bit " << bit);
    CHECK_FALSE(ParseFrame(bytes).ok());
    // Also with more frames behind it, which it might swallow.
    CHECK_FALSE(ParseFrame(bytes + whole + whole).ok());
  }
}

TEST_CASE("frame: random bytes are refused within bounds", "[log][fuzz]") {
  constexpr std::uint64_t kSeed = 12;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random.Bytes(random.Below(64));
    if (bytes.size() >= 4 && random.Below(2) == 0) {
      bytes[0] = static_cast<char>(random.Below(64));
      bytes[1] = bytes[2] = bytes[3] = '\0';
    }
    REQUIRE_FALSE(ParseFrame(bytes).ok());
  }
}

}  // namespace
}  // namespace syncline
