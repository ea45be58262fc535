#include "replication/peer/connection_choice.h"

#include <catch2/catch.hpp>

namespace syncline {
namespace {

DeviceId IdOf(unsigned char first) {
  DeviceId id;
  id.hash.bytes[0] = first;
  return id;
}

// Which of two crossing connections one side keeps.
bool KeepsOwn(const DeviceId& self, const DeviceId& peer, bool own_first) {
  const ConnectionFacts own{true, "nonce"};
  const ConnectionFacts other{false, "nonce"};
  return own_first ? !TakesOver(own, other, self, peer)
                   : TakesOver(other, own, self, peer);
}

TEST_CASE("connection_choice: both sides keep the same of two that cross",
          "[peer][law]") {
  const bool first_sees_own = GENERATE(false, true);
  const bool second_sees_own = GENERATE(false, true);
  const DeviceId small = IdOf(1);
  const DeviceId large = IdOf(2);
  CHECK(KeepsOwn(small, large, first_sees_own));
  CHECK_FALSE(KeepsOwn(large, small, second_sees_own));
}

TEST_CASE("connection_choice: a newer one of the same direction takes over",
          "[peer]") {
  const bool dialled = GENERATE(false, true);
  for (const auto& [self, peer] :
       {std::pair(IdOf(1), IdOf(2)), std::pair(IdOf(2), IdOf(1))})
    CHECK(TakesOver({dialled, "n"}, {dialled, "n"}, self, peer));
}

TEST_CASE("connection_choice: a restart and an invitation take over",
          "[peer]") {
  const bool dialled = GENERATE(false, true);
  for (const auto& [self, peer] :
       {std::pair(IdOf(1), IdOf(2)), std::pair(IdOf(2), IdOf(1))}) {
    CHECK(TakesOver({!dialled, "old"}, {dialled, "new"}, self, peer));
    CHECK(TakesOver({!dialled, ""}, {dialled, "new"}, self, peer));
    CHECK(TakesOver({!dialled, "n"}, {dialled, "n", true}, self, peer));
  }
}

}  // namespace
}  // namespace syncline
