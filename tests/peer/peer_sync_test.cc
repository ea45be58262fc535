#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "replication/inflow.h"
#include "tests/peer/peer_rig.h"
#include "tests/testing/manual_timers.h"

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

TEST_CASE("peer_sync: changes follow live in both directions", "[peer][sync]") {
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

TEST_CASE("peer_sync: a closed inflow takes nothing in but serves",
          "[peer][sync]") {
  Two two;
  ManualTimers timers;
  two.a.rig().Put("from-a", "alpha's words");
  two.b.rig().Put("from-b", "beta's words");
  Inflow::Hold hold = two.b.rig()->inflow().Close(timers.Maker()(), 60'000);
  two.Connect();
  two.world.RunUntil(
      [&] { return two.a.rig().Show("from-b") == "beta's words"; });
  two.world.RunAWhile();
  CHECK(two.b.rig().Show("from-a") == "(none)");
  CHECK_FALSE(two.b.LinkTo(two.a).in_sync);
  CHECK_FALSE(two.a.LinkTo(two.b).in_sync);
  SECTION("until it is let go of") { hold.reset(); }
  SECTION("for a time") { timers.Fire(); }
  two.RunUntilEqual();
  CHECK(two.b.rig().Show("from-a") == "alpha's words");
}

TEST_CASE("peer_sync: content of every size comes across", "[peer][sync]") {
  Two two;
  SeededRandom random(5);
  two.a.rig().Put("empty", "");
  two.a.rig().Put("small", random.Bytes(16'384));
  two.a.rig().Put("middle", random.Bytes(16'385));
  two.a.rig().Put("large", random.Bytes(3'000'000));
  two.a.rig().Put("listed", random.Bytes(9'000'000));  // Chunks of chunks.
  two.Connect();
  two.RunUntilEqual();
}

TEST_CASE("peer_sync: who lacks content is not in step", "[peer][sync]") {
  Two two;
  SeededRandom random(9);
  two.a.rig().Put("before", random.Bytes(2'000'000));
  two.Connect();
  const auto in_step = [&] {
    two.world.RunUntil([&] { return two.a.LinkTo(two.b).in_sync; });
    CHECK(two.b.rig()->wants().size() == 0);
    RequireEqual(two.a, two.b);
  };
  in_step();
  for (int i = 0; i < 3; ++i) {
    two.a.rig().Put("live" + std::to_string(i), random.Bytes(1'000'000));
    in_step();
  }
}

TEST_CASE("peer_sync: a conflict is resolved alike on both nodes",
          "[peer][sync]") {
  Two two;
  two.a.rig().Put("file", "by alpha");
  two.b.rig().Put("file", "by beta");
  two.Connect();
  two.world.RunUntil([&] { return two.a.InSyncWith(two.b); });
  two.world.RunAWhile();  // Strategies run a turn later.
  two.RunUntilEqual();
}

TEST_CASE("peer_sync: a node in the middle relays", "[peer][sync]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  PeerNode c(world, "gamma");
  b.Listen();
  SeededRandom random(6);
  a.rig().Put("early", random.Bytes(1'000'000));
  for (PeerNode* end : {&a, &c}) {
    end->Trust(b);
    b.Trust(*end);
  }
  c.rig().Put("from-c", "gamma's");
  world.RunUntil([&] { return a.InSyncWith(c) && a.InSyncWith(b); });
  RequireEqual(a, c);
  a.rig().Put("late", random.Bytes(700'000));
  world.RunUntil([&] { return a.InSyncWith(c) && a.InSyncWith(b); });
  RequireEqual(a, c);
  world.RunUntil([&] { return b.LinkTo(a).in_sync && b.LinkTo(c).in_sync; });
}

TEST_CASE("peer_sync: three nodes that all know each other settle",
          "[peer][sync]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  PeerNode c(world, "gamma");
  for (PeerNode* node : {&a, &b, &c}) node->Listen();
  for (PeerNode* node : {&a, &b, &c})
    for (PeerNode* other : {&a, &b, &c})
      if (node != other) node->Trust(*other);
  SeededRandom random(8);
  for (int i = 0; i < 10; ++i) {
    a.rig().Put("a" + std::to_string(i), random.Bytes(20'000));
    b.rig().Put("b" + std::to_string(i), random.Bytes(20'000));
    c.rig().Put("c" + std::to_string(i), random.Bytes(20'000));
  }
  world.RunUntil([&] {
    return a.InSyncWith(b) && b.InSyncWith(c) && a.LinkTo(b).in_sync &&
           b.LinkTo(c).in_sync && c.LinkTo(a).in_sync;
  });
  RequireEqual(a, b);
  RequireEqual(b, c);
}

TEST_CASE("peer_sync: a project authorised while connected is taken up",
          "[peer][sync]") {
  Two two;
  two.a.rig().Put("file", "bytes");
  two.a.authorised[two.b.id()];
  two.b.authorised[two.a.id()];
  two.b.manager().AddPeer([&] {
    two.a.Listen();
    return two.a.Record();
  }());
  two.world.RunUntil([&] {
    return two.b.StatusOf(two.a).state == PeerStatus::State::kConnected;
  });
  two.world.RunAWhile();
  CHECK(two.b.rig().Names("").empty());
  CHECK(two.b.StatusOf(two.a).projects.empty());
  two.a.authorised[two.b.id()].insert(PeerNode::TheProject());
  two.a.manager().ProjectsChanged();
  two.world.RunAWhile();
  CHECK(two.b.rig().Names("").empty());
  two.b.authorised[two.a.id()].insert(PeerNode::TheProject());
  two.b.manager().ProjectsChanged();
  two.RunUntilEqual();
}

// ---- histories that contradict each other

// Nodes `fork` and `real` are one device; `b` has what `real` wrote.
struct Forked {
  PeerWorld world;
  PeerNode real{world, "alpha"};
  PeerNode fork{world, "alpha"};
  PeerNode b{world, "beta"};

  void ConnectFork() {
    b.Listen();
    b.Trust(fork);
    fork.Trust(b);
  }
  void RequireFenced(PeerNode& node, PeerNode& other, absl::StatusCode code) {
    world.RunUntil([&] { return !node.LinkTo(other).error.ok(); });
    const ProjectLink::Status link = node.LinkTo(other);
    INFO(link.error.ToString());
    CHECK(link.state == ProjectLink::State::kResting);
    CHECK(link.error.code() == code);
    CHECK_FALSE(link.retry_at_ms.has_value());
    CHECK_FALSE(link.in_sync);
    CHECK_FALSE(node.StatusOf(other).last_error.ok());
  }
};

TEST_CASE("peer_sync: the same dot with other bytes fences both sides",
          "[peer][fault]") {
  Forked forked;
  forked.fork.gives_up = false;
  forked.real.rig().Put("file", "real");
  forked.fork.rig().Put("file", "fork");
  if (GENERATE(false, true)) forked.fork.rig().Put("more", "fork");
  forked.b.rig().PullFrom(forked.real.rig());
  const VersionVector before = forked.b.rig()->log().frontier();
  forked.ConnectFork();
  forked.RequireFenced(forked.b, forked.fork, absl::StatusCode::kAborted);
  forked.RequireFenced(forked.fork, forked.b, absl::StatusCode::kAborted);
  forked.world.RunUntil([&] { return !forked.fork.forks.empty(); });
  CHECK(forked.fork.forks.front() == Fork{forked.fork.self().origin, 0});
  CHECK(forked.b.forks.empty());
  // Nothing moves any more, in either direction.
  forked.fork.rig().Put("later", "x");
  forked.b.rig().Put("mine", "y");
  forked.world.RunAWhile();
  CHECK(forked.b.rig()->log().frontier().CounterOf(forked.fork.self().origin) ==
        1);
  CHECK(forked.fork.rig()->log().frontier().CounterOf(forked.b.self().origin) ==
        0);
  CHECK(before.size() == 1);
  CHECK(forked.b.rig().Show("file") == "real");
}

TEST_CASE("peer_sync: a node that was set back and went on issues that anew",
          "[peer][fault]") {
  Forked forked;
  const int shared = GENERATE(0, 1, 150);
  for (int i = 0; i < shared; ++i)
    forked.real.rig().Put("shared", std::to_string(i));
  forked.fork.rig().PullFrom(forked.real.rig());
  forked.real.rig().Put("one", "1");
  forked.real.rig().Put("two", "2");
  forked.b.rig().PullFrom(forked.real.rig());
  forked.fork.rig().Put("other", "history");
  const Origin origin = forked.fork.self().origin;
  forked.ConnectFork();
  forked.world.RunUntil([&] { return !forked.fork.forks.empty(); });
  forked.world.RunUntil([&] {
    return forked.b.rig().Show("other") == "history" &&
           forked.b.InSyncWith(forked.fork);
  });
  CHECK(forked.fork.forks.front() ==
        Fork{origin, static_cast<std::uint64_t>(shared)});
  CHECK(forked.fork.self().origin != origin);
  CHECK(forked.fork.rig().Show("two") == "2");
  RequireEqual(forked.b, forked.fork);
  // Both say so no longer.
  forked.world.RunUntil([&] {
    return forked.fork.LinkTo(forked.b).in_sync &&
           forked.b.LinkTo(forked.fork).in_sync;
  });
}

TEST_CASE("peer_sync: a node that lost its newest entries gets them back",
          "[peer][fault]") {
  Forked forked;
  forked.real.rig().Put("one", "1");
  forked.fork.rig().PullFrom(forked.real.rig());
  forked.real.rig().Put("two", "2");
  forked.b.rig().PullFrom(forked.real.rig());
  const Origin origin = forked.fork.self().origin;
  forked.ConnectFork();
  forked.world.RunUntil([&] {
    return forked.fork.rig().Show("two") == "2" &&
           forked.b.InSyncWith(forked.fork);
  });
  CHECK(forked.fork.forks.front() == Fork{origin, 1});
  // What it writes now is told apart from what it wrote.
  forked.fork.rig().Put("three", "3");
  forked.world.RunUntil([&] {
    return forked.b.rig().Show("three") == "3" &&
           forked.b.InSyncWith(forked.fork);
  });
  RequireEqual(forked.b, forked.fork);
  CHECK(forked.b.rig()->log().frontier().CounterOf(origin) == 2);
}

TEST_CASE(
    "peer_sync: who follows the wrong side of a fork is told by its owner",
    "[peer][fault]") {
  Forked forked;
  PeerNode c(forked.world, "gamma");
  forked.real.rig().Put("file", "real");
  forked.fork.rig().Put("mine", "fork");
  forked.b.rig().PullFrom(forked.real.rig());
  c.rig().PullFrom(forked.fork.rig());
  c.rig().Put("mine", "edited by c");
  c.rig().Mkdir("of c");
  const Origin origin = forked.fork.self().origin;
  forked.ConnectFork();
  forked.world.RunUntil([&] { return forked.b.InSyncWith(forked.fork); });
  forked.fork.Trust(c);
  forked.fork.Listen();
  c.Trust(forked.fork);
  forked.world.RunUntil([&] {
    return !c.forks.empty() && c.InSyncWith(forked.fork) &&
           forked.b.InSyncWith(c);
  });
  CHECK(c.forks.front() == Fork{origin, 0});
  CHECK(forked.fork.forks.size() == 1);
  CHECK(forked.b.forks.empty());
  RequireEqual(forked.b, c);
  RequireEqual(forked.b, forked.fork);
  const std::vector<std::string> names = c.rig().Names("");
  CHECK(std::count(names.begin(), names.end(), "of c") == 1);
  // What c made of the file is there, whoever's is shown.
  bool edited = false;
  for (const std::string& name : names)
    edited |= c.rig().Show(name) == "edited by c";
  CHECK(edited);
}

TEST_CASE("peer_sync: a fork of a third origin stops both that hold a side",
          "[peer][fault]") {
  Forked forked;
  PeerNode c(forked.world, "gamma");
  forked.real.rig().Put("file", "real");
  forked.fork.rig().Put("file", "fork");
  forked.fork.rig().Put("more", "fork");
  forked.b.rig().PullFrom(forked.real.rig());
  c.rig().PullFrom(forked.fork.rig());
  const VersionVector before = forked.b.rig()->log().frontier();
  forked.b.Listen();
  forked.b.Trust(c);
  c.Trust(forked.b);
  forked.RequireFenced(forked.b, c, absl::StatusCode::kAborted);
  forked.RequireFenced(c, forked.b, absl::StatusCode::kAborted);
  CHECK(forked.b.rig()->log().frontier() == before);
  // Also the one with less, who cannot see it.
  const Origin origin = forked.real.self().origin;
  for (PeerNode* const node : {&forked.b, &c}) {
    forked.world.RunUntil([&] { return node->rig()->InDoubt(origin); });
  }
}

TEST_CASE("peer_sync: equal frontiers of unequal histories are an alarm",
          "[peer][fault]") {
  Forked forked;
  PeerNode c(forked.world, "gamma");
  forked.real.rig().Put("file", "real");
  forked.fork.rig().Put("file", "fork");
  forked.b.rig().PullFrom(forked.real.rig());
  c.rig().PullFrom(forked.fork.rig());
  forked.b.Listen();
  forked.b.Trust(c);
  c.Trust(forked.b);
  forked.RequireFenced(forked.b, c, absl::StatusCode::kAborted);
  forked.RequireFenced(c, forked.b, absl::StatusCode::kAborted);
}

// ---- what cannot go on

void TruncateAll(PeerNode& node) {
  node.rig().Settle();
  bool done = false;
  node.rig()->Truncate(node.rig()->log().durable(),
                       [&](const absl::Status& status) {
                         CHECK(status.ok());
                         done = true;
                       });
  node.rig().RunUntil(done);
}

TEST_CASE("peer_sync: who was set back is told also by one that truncated",
          "[peer][fault]") {
  Forked forked;
  forked.real.rig().Put("one", "1");
  forked.fork.rig().PullFrom(forked.real.rig());
  forked.real.rig().Put("two", "2");
  forked.b.rig().PullFrom(forked.real.rig());
  TruncateAll(forked.b);
  forked.ConnectFork();
  forked.world.RunUntil([&] { return !forked.fork.forks.empty(); });
  // Nobody can say whether "one" is the same on both: nothing is given up.
  CHECK(forked.fork.forks.front() ==
        Fork{forked.fork.self().origin, Fork::kUnknown});
  forked.RequireFenced(forked.fork, forked.b, absl::StatusCode::kAborted);
  const std::string error = forked.fork.LinkTo(forked.b).error.ToString();
  CHECK(error.find("truncated beyond") != std::string::npos);
  CHECK(error.find("join again") != std::string::npos);
  CHECK(forked.fork.rig().Show("one") == "1");
  CHECK(forked.b.rig().Show("two") == "2");
}

TEST_CASE("peer_sync: a follower that truncated its log is told what to do",
          "[peer][fault]") {
  Forked forked;
  PeerNode c(forked.world, "gamma");
  c.gives_up = false;
  c.rig().Put("of c", "c");
  forked.real.rig().Put("file", "real");
  forked.fork.rig().Put("mine", "fork");
  forked.b.rig().PullFrom(forked.real.rig());
  // Where the histories part is known, but not what the rest is made of; or
  // not even that.
  const bool all = GENERATE(false, true);
  if (!all) TruncateAll(c);
  c.rig().PullFrom(forked.fork.rig());
  if (all) TruncateAll(c);
  const Hash digest = c.rig()->state().Digest();
  forked.ConnectFork();
  forked.world.RunUntil([&] { return forked.b.InSyncWith(forked.fork); });
  forked.fork.Trust(c);
  forked.fork.Listen();
  c.Trust(forked.fork);
  for (PeerNode* const node : {&c, &forked.fork}) {
    PeerNode& other = node == &c ? forked.fork : c;
    forked.world.RunUntil([&] {
      return node->LinkTo(other).error.ToString().find("join again") !=
             std::string::npos;
    });
  }
  CHECK(c.rig()->state().Digest() == digest);
}

TEST_CASE("peer_sync: who truncated gives its state and gets the entries",
          "[peer][sync]") {
  Two two;
  two.a.rig().Mkdir("dir");
  for (int i = 0; i < 20; ++i)
    two.a.rig().Put("dir/" + std::to_string(i), std::to_string(i));
  two.a.rig().Remove("dir/7");
  TruncateAll(two.a);
  two.b.rig().Put("mine", "3");
  two.Connect();
  two.RunUntilEqual();
  CHECK(two.b.rig().Show("dir/8") == "8");
  CHECK(two.b.rig().Show("dir/7") == "(none)");
  CHECK(two.a.rig().Show("mine") == "3");
  CHECK(two.b.LinkTo(two.a).error.ok());
  CHECK(two.a.LinkTo(two.b).error.ok());
  // The log of `b` says so record by record, and goes on live.
  CHECK(two.b.rig()->log().head().value >= 21);
  two.a.rig().Put("later", "4");
  two.RunUntilEqual();
  CHECK(two.b.rig().Show("later") == "4");
}

TEST_CASE("peer_sync: both truncated and both had been away", "[peer][sync]") {
  Two two;
  two.a.rig().Put("shared", "1");
  two.b.rig().PullFrom(two.a.rig());
  for (int i = 0; i < 5; ++i) {
    two.a.rig().Put("a" + std::to_string(i), "a");
    two.b.rig().Put("b" + std::to_string(i), "b");
  }
  two.a.rig().Remove("shared");
  TruncateAll(two.a);
  TruncateAll(two.b);
  two.Connect();
  two.RunUntilEqual();
  CHECK(two.b.rig().Show("shared") == "(none)");
  CHECK(two.a.rig().Names("").size() == 10);
}

TEST_CASE("peer_sync: a state that came is passed on", "[peer][sync]") {
  Two two;
  PeerNode c(two.world, "gamma");
  two.b.Listen();
  two.b.Trust(c);
  c.Trust(two.b);
  two.b.rig().Put("before", "0");
  two.world.RunUntil([&] { return two.b.InSyncWith(c); });
  for (int i = 0; i < 10; ++i)
    two.a.rig().Put(std::to_string(i), std::to_string(i));
  TruncateAll(two.a);
  two.a.Listen();
  two.a.Trust(two.b);
  two.b.Trust(two.a);
  two.world.RunUntil([&] { return two.a.InSyncWith(two.b); });
  two.a.rig().Put("after", "1");
  two.world.RunUntil(
      [&] { return two.a.InSyncWith(two.b) && two.b.InSyncWith(c); });
  RequireEqual(two.a, two.b);
  RequireEqual(two.b, c);
  CHECK(c.rig().Show("after") == "1");
}

TEST_CASE("peer_sync: what a peer holds is remembered when they part",
          "[peer][sync]") {
  Two two;
  two.a.rig().Put("one", "1");
  two.Connect();
  two.RunUntilEqual();
  two.a.rig().Put("two", "2");
  two.b.rig().Put("three", "3");
  two.RunUntilEqual();
  const VersionVector held = two.b.rig()->log().durable_frontier();
  two.world.RunUntil([&] { return two.a.LinkTo(two.b).theirs == held; });
  two.a.Stop();
  CHECK(two.a.frontiers[two.b.id()] == held);
  // A device that never came is not known to hold anything.
  CHECK(two.a.frontiers.size() == 1);
}

TEST_CASE("peer_sync: a peer that has all that was truncated is served",
          "[peer][sync]") {
  Two two;
  two.a.rig().Put("one", "1");
  two.b.rig().PullFrom(two.a.rig());
  two.a.rig().Put("two", "2");
  REQUIRE(two.a.rig()->log().TruncateThrough(Seq{1}).ok());
  two.Connect();
  two.RunUntilEqual();
}

TEST_CASE("peer_sync: a full disk is shown and tried again", "[peer][fault]") {
  Two two;
  two.a.rig().Put("large", SeededRandom(2).Bytes(200'000));
  two.b.store().FailFrom(FaultyStore::Call::kWrite, 1,
                         absl::ResourceExhaustedError("no space left"));
  two.Connect();
  two.world.RunUntil([&] { return !two.b.LinkTo(two.a).error.ok(); });
  CHECK(absl::IsResourceExhausted(two.b.LinkTo(two.a).error));
  two.world.RunUntil(
      [&] { return two.b.LinkTo(two.a).retry_at_ms.has_value(); });
  // The session lives; the other side is not blamed.
  CHECK(two.b.StatusOf(two.a).state == PeerStatus::State::kConnected);
  CHECK(two.a.StatusOf(two.b).state == PeerStatus::State::kConnected);
}

}  // namespace
}  // namespace syncline::testing
