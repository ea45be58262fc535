#include "replication/device_identity.h"

#include <catch2/catch.hpp>

namespace syncline {
namespace {

TEST_CASE("device_identity: what is stored gives the same key back", "[peer]") {
  const auto made = DeviceIdentity::Generate();
  REQUIRE(made.ok());
  const auto loaded = DeviceIdentity::FromSecret(made->Secret());
  REQUIRE(loaded.ok());
  CHECK(loaded->public_key() == made->public_key());
  CHECK(loaded->id() == made->id());
  CHECK(*loaded->Sign("message") == *made->Sign("message"));
  CHECK(DeviceIdentity::Generate()->id() != made->id());
}

TEST_CASE("device_identity: the key pair of a known secret is the standard's",
          "[peer][golden]") {
  // RFC 8032, test 1.
  std::string secret;
  for (const int byte :
       {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
        0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
        0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60})
    secret += static_cast<char>(byte);
  const auto identity = DeviceIdentity::FromSecret(secret);
  REQUIRE(identity.ok());
  CHECK(Hash::FromBytes(identity->public_key())->ToHex() ==
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  CHECK(identity->id().hash == Sha256(identity->public_key()));
}

TEST_CASE("device_identity: a signature holds for its message and key only",
          "[peer]") {
  const auto identity = DeviceIdentity::Generate();
  const auto other = DeviceIdentity::Generate();
  const std::string signature = *identity->Sign("message");
  CHECK(VerifySignature(identity->public_key(), "message", signature));
  CHECK_FALSE(VerifySignature(identity->public_key(), "massage", signature));
  CHECK_FALSE(VerifySignature(other->public_key(), "message", signature));
  std::string flipped = signature;
  flipped[3] = static_cast<char>(flipped[3] ^ 1);
  CHECK_FALSE(VerifySignature(identity->public_key(), "message", flipped));
  CHECK_FALSE(VerifySignature("", "message", signature));
  CHECK_FALSE(VerifySignature(identity->public_key(), "message", ""));
}

TEST_CASE("device_identity: the text of an id reads back however it is typed",
          "[peer]") {
  const DeviceId id = DeviceIdentity::Generate()->id();
  const std::string text = id.ToText();
  CHECK(text.size() == 52 + 12);
  CHECK(DeviceId::FromText(text) == id);
  std::string typed;
  for (const char letter : text)
    if (letter != '-')
      typed += letter >= 'A' ? static_cast<char>(letter + 32) : letter;
  CHECK(DeviceId::FromText(typed) == id);
  CHECK(DeviceId::FromText(" " + text + " ") == id);
  CHECK_FALSE(DeviceId::FromText(text.substr(1)));
  CHECK_FALSE(DeviceId::FromText(text + "A"));
  CHECK_FALSE(DeviceId::FromText("1" + text.substr(1)));
  CHECK_FALSE(DeviceId::FromText(""));
}

TEST_CASE("device_identity: a secret of another size is refused", "[peer]") {
  CHECK(absl::IsInvalidArgument(DeviceIdentity::FromSecret("short").status()));
}

}  // namespace
}  // namespace syncline
