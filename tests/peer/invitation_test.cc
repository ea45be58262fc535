#include "replication/peer/invitation.h"

#include <catch2/catch.hpp>

namespace syncline {
namespace {

Invitation Sample() {
  SeededRandom random(7);
  Invitation invitation;
  invitation.device_name = "desk";
  invitation.device = DeviceIdentity::Generate()->id();
  invitation.addresses = {"127.0.0.1:22067", "[::1]:22067"};
  invitation.projects = {{{std::string(16, 'a')}, "notes"},
                         {{std::string(16, 'b')}, ""}};
  invitation.secret = NewInvitationSecret(random);
  return invitation;
}

TEST_CASE("invitation: a code reads back", "[peer]") {
  const Invitation invitation = Sample();
  const auto code = invitation.Encode();
  REQUIRE(code.ok());
  CHECK(code->find('\n') == std::string::npos);
  const auto read = Invitation::Decode(*code);
  REQUIRE(read.ok());
  CHECK(*read == invitation);
}

TEST_CASE("invitation: case and grouping of a code do not matter", "[peer]") {
  const Invitation invitation = Sample();
  std::string code = *invitation.Encode();
  for (char& letter : code) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
    if (letter == '-') letter = ' ';
  }
  const auto read = Invitation::Decode(" " + code + "\n");
  REQUIRE(read.ok());
  CHECK(*read == invitation);
}

TEST_CASE("invitation: every mistyped letter of a code is noticed", "[peer]") {
  const std::string code = *Sample().Encode();
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i] == '-') continue;
    std::string mistyped = code;
    mistyped[i] = code[i] == 'A' ? 'B' : 'A';
    INFO("letter " << i);
    CHECK(absl::IsInvalidArgument(Invitation::Decode(mistyped).status()));
  }
}

TEST_CASE("invitation: a code that is cut off is refused", "[peer]") {
  const std::string code = *Sample().Encode();
  for (std::size_t size = 0; size < code.size(); size += 3)
    CHECK_FALSE(Invitation::Decode(code.substr(0, size)).ok());
  CHECK_FALSE(Invitation::Decode(std::string(1 << 20, 'A')).ok());
}

TEST_CASE("invitation: limits hold when a code is made", "[peer]") {
  Invitation invitation = Sample();
  SECTION("addresses") { invitation.addresses.assign(17, "127.0.0.1:1"); }
  SECTION("projects") {
    invitation.projects.assign(257, {{std::string(16, 'a')}, ""});
  }
  SECTION("name") { invitation.device_name.assign(256, 'n'); }
  SECTION("secret") { invitation.secret.pop_back(); }
  CHECK(absl::IsInvalidArgument(invitation.Encode().status()));
}

TEST_CASE("invitation: a proof depends on secret and transcript", "[peer]") {
  const std::string secret(32, 's');
  const std::string mac = InvitationMac(secret, "transcript");
  CHECK(mac.size() == 32);
  CHECK(mac != InvitationMac(secret, "transcripT"));
  CHECK(mac != InvitationMac(std::string(32, 't'), "transcript"));
  CHECK(InvitationIdOf(secret).size() == kInvitationIdBytes);
  CHECK(InvitationIdOf(secret) != InvitationIdOf(std::string(32, 't')));
}

}  // namespace
}  // namespace syncline
