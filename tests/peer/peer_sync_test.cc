#include <catch2/catch.hpp>
#include <string>

#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

struct Two {
  PeerWorld world;
  PeerNode a{world, "alpha"};
  PeerNode b{world, "beta"};

  void Connect() {
    a.Listen();
    a.Trust(b);
    b.Trust(a);
  }
  void RunUntilEqual() {
    world.RunUntil([&] { return a.InSyncWith(b); });
    RequireEqual(a, b);
  }
};

TEST_CASE("peer_sync: what was there before meets in both directions",
          "[peer][sync]") {
  Two two;
  two.a.rig().Put("from-a", "alpha's words");
  two.a.rig().Mkdir("dir");
  two.b.rig().Put("from-b", "beta's words");
  two.Connect();
  two.RunUntilEqual();
  CHECK(two.b.rig().Show("from-a") == "alpha's words");
  CHECK(two.a.rig().Show("from-b") == "beta's words");
}

TEST_CASE("peer_sync: changes follow live in both directions",
          "[peer][sync]") {
  Two two;
  two.Connect();
  two.world.RunUntil([&] { return two.b.LinkTo(two.a).in_sync; });
  for (int i = 0; i < 20; ++i) {
    two.a.rig().Put("a" + std::to_string(i), std::string(100, 'a'));
    two.b.rig().Put("b" + std::to_string(i), std::string(100, 'b'));
  }
  two.a.rig().Rename("a3", "moved");
  two.RunUntilEqual();
  two.b.rig().Remove("moved");
  two.RunUntilEqual();
  CHECK(two.a.rig().Show("moved") == "(none)");
  CHECK(two.a.rig().Names("").size() == 39);
}

}  // namespace
}  // namespace syncline::testing
