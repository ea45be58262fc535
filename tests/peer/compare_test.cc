#include "replication/peer/compare.h"

#include <catch2/catch.hpp>

#include "log/append_log.h"
#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

struct Compared {
  PeerWorld world;
  PeerNode us{world, "alpha"};
  PeerNode them{world, "beta"};

  Compared() {
    us.rig().Put("one", "1");
    us.rig().Put("two", "2");
    them.rig().PullFrom(us.rig());
    them.rig().Put("three", "3");
    us.rig().PullFrom(them.rig());
  }
  Position Ours() { return *PositionOf(*us.rig(), them.self().origin); }
  Position Theirs() { return *PositionOf(*them.rig(), us.self().origin); }
  std::optional<Stop> Judge(const Position& ours, const Position& theirs,
                            Asked asked) {
    return *FindContradiction(us.rig()->log(), us.self().origin,
                              them.self().origin, ours, theirs, asked);
  }
};

ChainHead& HeadOf(Position& position, const Origin& origin) {
  for (ChainHead& head : position.chains)
    if (head.dot.origin == origin) return head;
  FAIL("no chain of that origin");
  return position.chains.front();
}

TEST_CASE("compare: nodes in harmony do not contradict each other", "[peer]") {
  Compared compared;
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  CHECK_FALSE(compared.Judge(compared.Ours(), compared.Theirs(), asked));
  CHECK(compared.Ours().frontier_hash == compared.Theirs().frontier_hash);
  CHECK(compared.Ours().digest == compared.Theirs().digest);
  const Position before = compared.Ours();
  compared.us.rig().Put("four", "4");
  CHECK_FALSE(compared.Judge(compared.Ours(), compared.Theirs(), asked));
  CHECK_FALSE(compared.Judge(before, compared.Theirs(), asked));
}

TEST_CASE("compare: a peer that has more of us than we have is a fence",
          "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  HeadOf(theirs, compared.us.self().origin).dot.counter += 1;
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  const auto stop = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(stop);
  CHECK(stop->reason == Stop::Reason::kFence);
  CHECK(stop->detail.find("this node was set back") != std::string::npos);
}

TEST_CASE("compare: a peer that has less of itself than we have is a fence",
          "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  ChainHead& head = HeadOf(theirs, compared.them.self().origin);
  head = {{head.dot.origin, 0}, {}};
  const auto stop = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(stop);
  CHECK(stop->reason == Stop::Reason::kFence);
  // Its question may be older than what came from it by way of others.
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByThem));
}

TEST_CASE("compare: a chain hash that differs is a fence", "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  const bool ours = GENERATE(false, true);
  ChainHead& head = HeadOf(
      theirs, ours ? compared.us.self().origin : compared.them.self().origin);
  SECTION("at the head") {}
  SECTION("before it") {
    if (ours) head.dot.counter -= 1;
  }
  head.hash.bytes[7] ^= 1;
  const auto stop = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(stop);
  CHECK(stop->reason == Stop::Reason::kFence);
}

TEST_CASE("compare: an earlier chain hash that fits is harmony", "[peer]") {
  Compared compared;
  Position theirs = compared.Theirs();
  ChainHead& head = HeadOf(theirs, compared.us.self().origin);
  head.dot.counter = 1;
  head.hash = *compared.us.rig()->log().ChainAt(head.dot);
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByThem));
}

TEST_CASE("compare: digests count at equal frontiers only", "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  theirs.digest->bytes[0] ^= 1;
  const auto stop = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(stop);
  CHECK(stop->reason == Stop::Reason::kDiverged);
  theirs.frontier_hash.bytes[0] ^= 1;
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByUs));
  theirs = compared.Theirs();
  theirs.digest.reset();
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByUs));
}

TEST_CASE("compare: a position speaks for what is durable only", "[peer]") {
  Compared compared;
  bool durable = false;
  REQUIRE(compared.us.rig()
              ->Commit({EventEffect{"topic", "payload"}}, "user",
                       Durability::kDurable,
                       [&](const absl::Status&) { durable = true; })
              .ok());
  const Position position = compared.Ours();  // The loop has not run.
  REQUIRE_FALSE(durable);
  CHECK_FALSE(position.digest);
  CHECK(position.frontier->CounterOf(compared.us.self().origin) == 2);
  CHECK(HeadOf(const_cast<Position&>(position), compared.us.self().origin)
            .dot.counter == 2);
  CHECK_FALSE(compared.Judge(position, compared.Theirs(), Asked::kByUs));
  compared.world.RunUntil([&] { return durable; });
}

}  // namespace
}  // namespace syncline::testing
