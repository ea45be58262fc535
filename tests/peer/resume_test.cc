#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "log/append_log.h"
#include "tests/peer/cutting_proxy.h"
#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

// Every entry is in the log once, and nothing else is.
void RequireEachOnce(PeerNode& node) {
  AppendLog& log = node.rig()->log();
  std::uint64_t expected = 0;
  for (const VersionVector::Slot& slot : log.frontier().slots())
    expected += slot.counter;
  std::set<Dot> dots;
  std::uint64_t records = 0;
  for (auto reader = log.Read({}); reader->Valid(); reader->Next()) {
    dots.insert(reader->record().dot);
    ++records;
  }
  REQUIRE(records == expected);
  REQUIRE(dots.size() == expected);
}

TEST_CASE("peer_resume: cut at any byte the nodes become equal",
          "[peer][fault]") {
  const int seed = GENERATE(range(1, 13));
  CAPTURE(seed);
  SeededRandom random(static_cast<std::uint64_t>(seed));
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  // Grows, so that it ends: the first cuts are within the handshake.
  std::uint64_t most = 3000;
  CuttingProxy proxy(world.io, a.address(), [&] {
    most += most / 2;
    return 1 + random.Below(most);
  });
  for (int i = 0; i < 30; ++i) {
    a.rig().Put("a" + std::to_string(i), random.Bytes(random.Below(9'000)));
    b.rig().Put("b" + std::to_string(i), random.Bytes(random.Below(9'000)));
  }
  a.rig().Put("big", random.Bytes(300'000));
  PeerRecord through_proxy = a.Record();
  through_proxy.addresses = {proxy.address()};
  a.authorised[b.id()].insert(PeerNode::TheProject());
  b.authorised[a.id()].insert(PeerNode::TheProject());
  b.manager().AddPeer(through_proxy);
  world.RunUntil([&] { return a.InSyncWith(b); });
  RequireEqual(a, b);
  RequireEachOnce(a);
  RequireEachOnce(b);
  CHECK(proxy.cuts() > 1);  // It kept to the way that it knew.
}

TEST_CASE("peer_resume: a restarted peer is found again", "[peer][fault]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  a.Trust(b);
  b.Trust(a);
  a.rig().Put("one", "1");
  world.RunUntil([&] { return a.InSyncWith(b); });
  a.Stop();
  b.rig().Put("two", "2");
  world.RunUntil([&] { return !b.StatusOf(a).last_error.ok(); });
  CHECK(b.StatusOf(a).state != PeerStatus::State::kConnected);
  a.Restart();
  a.Listen();
  b.manager().RetryNow();
  world.RunUntil([&] { return a.InSyncWith(b); });
  RequireEqual(a, b);
}

TEST_CASE("peer_resume: a stopped node says so to its peers", "[peer][fault]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  a.Trust(b);
  b.Trust(a);
  world.RunUntil([&] { return b.LinkTo(a).in_sync; });
  bool closed = false;
  a.manager().Close([&] { closed = true; });
  world.RunUntil([&] {
    return closed && b.StatusOf(a).state != PeerStatus::State::kConnected;
  });
  CHECK(a.StatusOf(b).state != PeerStatus::State::kConnected);
}

TEST_CASE("peer_resume: nodes go at any moment while the loop runs on",
          "[peer][fault]") {
  const int turns = GENERATE(range(0, 24));
  CAPTURE(turns);
  PeerWorld world;
  PeerNode a(world, "alpha");
  a.Listen();
  a.rig().Put("file", std::string(100'000, 'x'));
  {
    PeerNode b(world, "beta");
    a.Trust(b);
    b.Trust(a);
    world.io.restart();
    for (int i = 0; i < turns * 4; ++i)
      world.io.run_one_for(std::chrono::milliseconds(1));
  }
  world.RunAWhile();
  CHECK(a.manager().Status().front().state != PeerStatus::State::kConnected);
}

}  // namespace
}  // namespace syncline::testing
