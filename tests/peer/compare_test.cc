#include "replication/peer/compare.h"

#include <catch2/catch.hpp>

#include "log/append_log.h"
#include "replication/chain_signature.h"
#include "replication/rebuild.h"
#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

struct Compared {
  PeerWorld world;
  PeerNode us{world, "alpha"};
  PeerNode them{world, "beta"};
  SystemRandom random;

  Compared() {
    us.rig().Put("one", "1");
    us.rig().Put("two", "2");
    them.rig().PullFrom(us.rig());
    them.rig().Put("three", "3");
    us.rig().PullFrom(them.rig());
  }
  static Counterpart Of(PeerNode& node) {
    return {node.self().origin, node.self().identity.public_key()};
  }
  // Both have what `third` wrote.
  void ShareWith(PeerNode& third) {
    third.rig().Put("four", "4");
    us.rig().PullFrom(third.rig());
    them.rig().PullFrom(third.rig());
  }
  // Of this side; gives the one that it had.
  Origin TakeAnotherOrigin() {
    const Origin old = us.self().origin;
    us.self_.origin = Origin::Random(random);
    us.rig()->TakeOrigin(us.self_.origin);
    return old;
  }
  Position Ours() { return *PositionOf(*us.rig(), Of(them)); }
  Position Theirs() { return *PositionOf(*them.rig(), Of(us)); }
  std::optional<Contradiction> Judge(const Position& ours,
                                     const Position& theirs, Asked asked) {
    return *FindContradiction(*us.rig(), Of(them), ours, theirs, asked);
  }
};

// As the device of its origin would, if that wrote it.
void Sign(const PeerNode& owner, ChainHead& head) {
  head.signature =
      *SignChain(owner.self().identity, PeerNode::TheProject(), head);
}

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
  ChainHead& head = HeadOf(theirs, compared.us.self().origin);
  head.dot.counter += 1;
  Sign(compared.us, head);
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  const auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK(found->stop.detail.find("this node was set back") != std::string::npos);
  // All that it has may be the same.
  CHECK(found->give_up == Dot{compared.us.self().origin, 3});
}

TEST_CASE("compare: a peer that has less of itself than we have is a fence",
          "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  ChainHead& head = HeadOf(theirs, compared.them.self().origin);
  head = {{head.dot.origin, 0}, {}};
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK_FALSE(found->give_up);  // It finds out by itself.
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
  if (ours) Sign(compared.us, head);
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  // The owner of the origin gives way.
  CHECK(found->give_up == (ours ? std::optional(head.dot) : std::nullopt));
}

TEST_CASE("compare: who has settled what an origin wrote gives way to nobody",
          "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  const bool ours = GENERATE(false, true);
  PeerNode& owner = ours ? compared.us : compared.them;
  const Origin old = owner.self().origin;
  owner.rig().Reopen(old, [&](const Replica::Environment& environment) {
    WriteBatch rows;
    Settle({1}, {{old, 1}, std::nullopt}, rows);
    REQUIRE(environment.store.Write(rows, true).ok());
  });
  owner.open[PeerNode::TheProject()] = &*owner.rig();
  CHECK((ours ? compared.Ours() : compared.Theirs()).settled ==
        std::vector<SettledFork>{{{old, 1}, std::nullopt}});
  theirs = compared.Theirs();
  ChainHead& head = HeadOf(theirs, old);
  head.hash.bytes[7] ^= 1;
  if (ours) Sign(owner, head);
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK(found->give_up == (ours ? std::nullopt : std::optional(head.dot)));
}

TEST_CASE("compare: who holds what its device has given up gives way",
          "[peer][fault]") {
  Compared compared;
  Position theirs = compared.Theirs();
  const Origin old = compared.them.self().origin;
  // They have nothing in its place yet: their chain head does not tell.
  const auto ours = compared.us.rig()->log().ChainAt({old, 1});
  REQUIRE(ours.ok());
  ChainHead& head = HeadOf(theirs, old);
  head = {{old, 0}, {}};
  theirs.settled = {{{old, 0}, *ours}};
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByThem);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK(found->give_up == Dot{old, 1});
  CHECK(found->equal == 0);
  // Another history of it is not theirs to complain about.
  theirs.settled = {{{old, 0}, Sha256("other")}};
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByThem));
  theirs.settled = {{{old, 7}, *ours}};
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByThem));
}

// What the peer would say if it was asked could be damaged on the way.
TEST_CASE("compare: where to begin is known from whoever has given it up",
          "[peer][fault]") {
  Compared compared;
  compared.them.rig().Put("four", "4");
  compared.us.rig().PullFrom(compared.them.rig());
  Position theirs = compared.Theirs();
  const Origin old = compared.them.self().origin;
  theirs.settled = {{{old, 1}, *compared.us.rig()->log().ChainAt({old, 2})}};
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByThem);
  REQUIRE(found);
  CHECK(found->give_up == Dot{old, 2});
  CHECK(found->equal == 1);
}

TEST_CASE("compare: who still holds what was given up here is a fence",
          "[peer][fault]") {
  Compared compared;
  const Origin old = compared.us.self().origin;
  const Origin fresh = *Origin::FromHex("00000000000000000000000000000f0e");
  Replica::Identity identity = compared.us.rig()->identity();
  identity.self = fresh;
  compared.us.rig().Reopen(fresh, [&](const Replica::Environment& environment) {
    REQUIRE(Rebuild(environment, identity, {old, 1}, {}).ok());
  });
  compared.us.self_.origin = fresh;
  // So it is found also where it cannot look back that far.
  Position theirs = compared.Theirs();
  HeadOf(theirs, old);
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  const auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK(found->stop.detail.find("join again") != std::string::npos);
  CHECK_FALSE(found->give_up);
  // One with the same number of other entries may be right.
  HeadOf(theirs, old).hash.bytes[7] ^= 1;
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
}

TEST_CASE("compare: what a device wrote under former origins counts too",
          "[peer][fault]") {
  Compared compared;
  const Origin old = compared.TakeAnotherOrigin();
  Position theirs = compared.Theirs();
  CHECK(theirs.chains.size() == 3);
  HeadOf(theirs, old).hash.bytes[7] ^= 1;
  Sign(compared.us, HeadOf(theirs, old));
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(found);
  CHECK(found->give_up == Dot{old, 2});
  // To have fewer of them is no sign of anything.
  theirs = compared.Theirs();
  HeadOf(theirs, old).dot.counter = 3;
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByUs));
}

TEST_CASE("compare: a former origin in doubt stays a fence until it is settled",
          "[peer][fault]") {
  Compared compared;
  const Origin old = compared.us.self().origin;
  REQUIRE(compared.us.rig()->Doubt(old).ok());
  compared.TakeAnotherOrigin();
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  Position theirs = compared.Theirs();
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
  HeadOf(theirs, old).dot.counter = 3;
  Sign(compared.us, HeadOf(theirs, old));
  auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->give_up == Dot{old, 3});
  // Others follow then; whoever cannot show that he has is kept away.
  REQUIRE(compared.us.rig()->SettleAsIs({old, Fork::kUnknown}).ok());
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
  theirs.truncated.Raise(old, 3);
  found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK_FALSE(found->give_up);
}

TEST_CASE(
    "compare: whose origin it is gives way to a fork that only others see",
    "[peer][fault]") {
  Compared compared;
  const Origin old = compared.TakeAnotherOrigin();
  Position theirs = compared.Theirs();
  HeadOf(theirs, old).dot.counter = 3;
  Sign(compared.us, HeadOf(theirs, old));
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByUs));
  // If it is what the peer means.
  const Counterpart them = Compared::Of(compared.them);
  const Origin another = Origin::Random(compared.random);
  for (const Origin& fence : {another, old}) {
    const auto found =
        FindContradiction(*compared.us.rig(), them, compared.Ours(), theirs,
                          Asked::kAgain, fence);
    REQUIRE(found.ok());
    REQUIRE(found->has_value() == (fence == old));
    if (*found) CHECK((*found)->give_up == Dot{old, 3});
  }
}

// Entries name what their authors knew by numbers only.
TEST_CASE("compare: a history of a third origin that differs is a fence",
          "[peer][fault]") {
  Compared compared;
  PeerNode third(compared.world, "gamma");
  compared.ShareWith(third);
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  Position theirs = compared.Theirs();
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
  ChainHead& head = HeadOf(theirs, third.self().origin);
  CHECK_FALSE(head.signature.empty());  // It is passed on.
  head.hash = Sha256("another");
  Sign(third, head);
  const auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK_FALSE(found->give_up);  // It is of neither.
  CHECK(found->disputed == third.self().origin);
}

// A peer that lies, or what it holds is not durable there yet.
TEST_CASE("compare: what no device has signed is neither believed nor used",
          "[peer][fault]") {
  Compared compared;
  PeerNode third(compared.world, "gamma");
  compared.ShareWith(third);
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  const bool ours = GENERATE(true, false);
  Position theirs = compared.Theirs();
  ChainHead& head = HeadOf(theirs, (ours ? compared.us : third).self().origin);
  SECTION("another hash") { head.hash = Sha256("another"); }
  SECTION("more of this node's") {
    if (!ours) return;
    head.dot.counter = 3;
  }
  SECTION("more of what is in doubt, truncated there") {
    if (!ours) return;
    REQUIRE(compared.us.rig()->Doubt(head.dot.origin).ok());
    theirs.truncated.Raise(head.dot.origin, 3);
    head.dot.counter = 3;
  }
  SECTION("signed by the peer") {
    head.hash = Sha256("another");
    Sign(compared.them, head);
  }
  const auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFailed);  // Tried again.
  CHECK_FALSE(found->give_up);
  CHECK_FALSE(found->disputed);
}

TEST_CASE("compare: a peer gives up nothing in others' names",
          "[peer][fault]") {
  Compared compared;
  PeerNode third(compared.world, "gamma");
  compared.ShareWith(third);
  Position theirs = compared.Theirs();
  for (const PeerNode* const node : {&compared.us, &third}) {
    const Origin origin = node->self().origin;
    theirs.settled = {
        {{origin, 0}, *compared.us.rig()->log().ChainAt({origin, 1})}};
    CHECK_FALSE(compared.Judge(compared.Ours(), theirs, Asked::kByUs));
  }
}

TEST_CASE("compare: a disputed history that nobody can compare is a fence",
          "[peer][fault]") {
  Compared compared;
  PeerNode third(compared.world, "gamma");
  third.rig().Put("five", "5");
  compared.ShareWith(third);
  const Origin origin = third.self().origin;
  const Asked asked = GENERATE(Asked::kByUs, Asked::kByThem);
  const bool more = GENERATE(true, false);
  Position theirs = compared.Theirs();
  HeadOf(theirs, origin).dot.counter = more ? 3 : 1;
  if (more) {
    theirs.truncated.Raise(origin, 3);
  } else {
    HeadOf(theirs, origin).hash =
        compared.us.rig()->log().ChainAt({origin, 1}).value();
    bool done = false;
    compared.us.rig()->Truncate(compared.us.rig()->log().durable(),
                                [&](const absl::Status&) { done = true; });
    compared.us.rig().RunUntil(done);
  }
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
  REQUIRE(compared.us.rig()->Doubt(origin).ok());
  auto found = compared.Judge(compared.Ours(), theirs, asked);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kFence);
  CHECK_FALSE(found->give_up);
  // The peer can, if it has not truncated that: it would say so.
  if (!more) return;
  theirs.truncated = {};
  CHECK_FALSE(compared.Judge(compared.Ours(), theirs, asked));
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
  const auto found = compared.Judge(compared.Ours(), theirs, Asked::kByUs);
  REQUIRE(found);
  CHECK(found->stop.reason == Stop::Reason::kDiverged);
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
