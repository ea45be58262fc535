#include "base/bytes.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"

namespace syncline {
namespace {

template <typename... Bytes>
std::string Raw(Bytes... bytes) {
  return {static_cast<char>(bytes)...};
}

TEST_CASE("bytes: fixed numbers are big endian", "[base][golden]") {
  std::string out;
  AppendU32(out, 0x01020380);
  AppendU64(out, 0xf1f2f3f4f5f6f7f8);
  CHECK(out ==
        Raw(1, 2, 3, 0x80, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8));
  ByteReader reader(out);
  CHECK(reader.U32() == 0x01020380);
  CHECK(reader.U64() == 0xf1f2f3f4f5f6f7f8);
  CHECK(reader.AtEnd());
}

TEST_CASE("bytes: varints are little endian groups of seven bits",
          "[base][table]") {
  struct Row {
    std::uint64_t value;
    std::string bytes;
  };
  const std::vector<Row> table = {
      {0, Raw(0)},
      {127, Raw(0x7f)},
      {128, Raw(0x80, 1)},
      {300, Raw(0xac, 2)},
      {16384, Raw(0x80, 0x80, 1)},
      {std::numeric_limits<std::uint64_t>::max(),
       Raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
  };
  for (const Row& row : table) {
    std::string out;
    AppendVarint(out, row.value);
    CHECK(out == row.bytes);
    ByteReader reader(row.bytes);
    CHECK(reader.Varint() == row.value);
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("bytes: a varint that is cut short or too large is refused",
          "[base]") {
  for (const std::string& bad :
       {std::string(), Raw(0x80), std::string(9, '\xff'),
        std::string(9, '\xff') + Raw(2), std::string(10, '\xff') + Raw(1)}) {
    ByteReader reader(bad);
    CHECK(reader.Varint() == 0);
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("bytes: a reader that failed stays failed", "[base]") {
  ByteReader reader("abcd");
  CHECK(reader.Bytes(5).empty());
  CHECK_FALSE(reader.ok());
  CHECK(reader.U8() == 0);
  CHECK(reader.U32() == 0);
  CHECK(reader.Bytes(1).empty());
  CHECK_FALSE(reader.AtEnd());
}

TEST_CASE("bytes: sized pieces come back and lying sizes are refused",
          "[base]") {
  std::string out;
  AppendSized(out, "");
  AppendSized(out, "piece");
  out += "rest";
  ByteReader reader(out);
  CHECK(reader.Sized().empty());
  CHECK(reader.Sized() == "piece");
  CHECK(reader.rest() == "rest");
  CHECK_FALSE(reader.AtEnd());
  for (const std::uint64_t size :
       {std::uint64_t{6}, std::numeric_limits<std::uint64_t>::max()}) {
    std::string lying;
    AppendVarint(lying, size);
    lying += "piece";
    ByteReader lied(lying);
    CHECK(lied.Sized().empty());
    CHECK_FALSE(lied.ok());
  }
}

TEST_CASE("bytes: hex is lower case and strict", "[base]") {
  CHECK(ToHex(Raw(0, 0x9a, 0xff)) == "009aff");
  CHECK(FromHex("009aff") == Raw(0, 0x9a, 0xff));
  CHECK(FromHex("") == "");
  for (const char* bad : {"0", "0g", "AB", " 00", "0x"}) {
    CHECK(FromHex(bad) == std::nullopt);
  }
}

TEST_CASE("bytes: base32 follows RFC 4648 without padding", "[base][golden]") {
  struct Row {
    const char* bytes;
    const char* text;
  };
  const std::vector<Row> table = {{"", ""},
                                  {"f", "MY"},
                                  {"fo", "MZXQ"},
                                  {"foo", "MZXW6"},
                                  {"foob", "MZXW6YQ"},
                                  {"fooba", "MZXW6YTB"},
                                  {"foobar", "MZXW6YTBOI"}};
  for (const Row& row : table) {
    CHECK(ToBase32(row.bytes) == row.text);
    CHECK(FromBase32(row.text) == row.bytes);
  }
  CHECK(FromBase32("mzxw-6ytb oi") == "foobar");
  // Digits outside, stray bits, and lengths that no bytes have.
  for (const char* bad : {"M1", "MZ=", "MZ", "M", "MZXW6Y", "MZX"}) {
    INFO(bad);
    CHECK(FromBase32(bad) == std::nullopt);
  }
}

TEST_CASE("bytes: random bytes survive hex and base32", "[base][law]") {
  SeededRandom random(5);
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string bytes = random.Bytes(size);
    CHECK(FromHex(ToHex(bytes)) == bytes);
    CHECK(FromBase32(ToBase32(bytes)) == bytes);
  }
}

}  // namespace
}  // namespace syncline
