#include "base/hash.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>

namespace syncline {
namespace {

TEST_CASE("hash: SHA-256 of the vectors of FIPS 180", "[base][golden]") {
  CHECK(Sha256("").ToHex() ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256("abc").ToHex() ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256(std::string(1'000'000, 'a')).ToHex() ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("hash: pieces hash as the whole", "[base][law]") {
  CHECK(Sha256("ab", "c") == Sha256("abc"));
  CHECK(Sha256("", "abc") == Sha256("abc"));
  Sha256Stream stream;
  for (int round = 0; round < 2; ++round) {  // It starts anew by itself.
    stream.Add("a");
    stream.Add("");
    stream.Add("bc");
    CHECK(stream.Finish() == Sha256("abc"));
  }
  CHECK(stream.Finish() == Sha256(""));
}

TEST_CASE("hash: threads do not share a stream", "[base]") {
  Hash other;
  std::thread thread([&] { other = Sha256("abc"); });
  thread.join();
  CHECK(other == Sha256("abc"));
}

TEST_CASE("hash: takes 32 bytes and orders by them", "[base]") {
  CHECK(Hash::FromBytes(std::string(31, 'x')) == std::nullopt);
  CHECK(Hash::FromBytes(std::string(33, 'x')) == std::nullopt);
  const auto low = Hash::FromBytes(std::string(32, '\x7f'));
  const auto high = Hash::FromBytes(std::string(32, '\x80'));
  REQUIRE(low.has_value());
  CHECK(low->view() == std::string(32, '\x7f'));
  CHECK(*low < *high);  // As unsigned bytes.
}

TEST_CASE("hash: CRC-32C of the vectors of RFC 3720", "[base][golden]") {
  CHECK(Crc32c("") == 0);
  CHECK(Crc32c("123456789") == 0xe3069283);
  CHECK(Crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(Crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  CHECK(Crc32c(ascending) == 0x46dd794e);
}

}  // namespace
}  // namespace syncline
