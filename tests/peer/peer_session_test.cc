#include "replication/peer/peer_session.h"

#include <catch2/catch.hpp>

#include "tests/peer/fake_peer.h"
#include "tests/peer/peer_rig.h"
#include "tests/testing/manual_timers.h"

namespace syncline::testing {
namespace {

struct Alone {
  PeerWorld world;
  PeerNode node{world, "alpha"};
  PeerNode other{world, "beta"};
  FakePeer peer;
  SystemRandom random;
  ManualTime time;
  ManualTimers timers;
  std::uint64_t received = 0;
  std::vector<absl::Status> ended;
  PeerSession session;

  explicit Alone(PeerSession::Options options = {})
      : session(
            PeerSession::Environment{
                node, peer, world.io.get_executor(),
                world.worker.get_executor(), random, time, timers.Maker(),
                [this] { return received; },
                [] { return std::vector<std::string>{"127.0.0.1:1"}; },
                [](const PeerRecord&) {},
                [this](absl::Status why) { ended.push_back(std::move(why)); }},
            PeerIdentity{MakeHello(other.self(), random, time), other.id()},
            options) {}

  void Name(const ProjectId& project) {
    session.Announce({{{project, "theirs"}}, {}}, [](const absl::Status&) {});
  }
  std::optional<Stop> CompareAnswerStop(const ProjectId& project) {
    std::optional<CompareAnswer> answer;
    session.Compare(project, Position{},
                    [&](auto result) { answer = *std::move(result); });
    world.RunUntil([&] { return answer.has_value(); });
    const auto* stop = std::get_if<Stop>(&*answer);
    return stop ? std::optional<Stop>(*stop) : std::nullopt;
  }
};

TEST_CASE("peer_session: a project that is not authorised is never named",
          "[peer]") {
  Alone alone;
  alone.node.authorised[alone.other.id()];
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  alone.world.RunAWhile();
  for (const Announcement& announcement : alone.peer.announcements)
    CHECK(announcement.projects.empty());
  CHECK(alone.peer.compares.empty());
  CHECK(alone.session.projects().empty());
  // It cannot be told from one that does not exist.
  const std::optional<Stop> here =
      alone.CompareAnswerStop(PeerNode::TheProject());
  const std::optional<Stop> nowhere =
      alone.CompareAnswerStop({std::string(16, 'z')});
  REQUIRE(here);
  REQUIRE(nowhere);
  CHECK(here->reason == Stop::Reason::kNotShared);
  CHECK(nowhere->reason == Stop::Reason::kNotShared);
  CHECK(here->detail == nowhere->detail);
  std::optional<ChunksAnswer> chunks;
  alone.session.Chunks(PeerNode::TheProject(), {Sha256("x")},
                       [&](auto result) { chunks = *std::move(result); });
  CHECK(std::get<Stop>(*chunks).reason == Stop::Reason::kNotShared);
}

TEST_CASE("peer_session: work starts when both sides name a project",
          "[peer]") {
  Alone alone;
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  REQUIRE(alone.peer.announcements.size() == 1);
  CHECK(alone.peer.announcements[0].projects.size() == 1);
  CHECK(alone.peer.compares.empty());
  SECTION("another one") {
    alone.Name({std::string(16, 'z')});
    CHECK(alone.peer.compares.empty());
  }
  SECTION("the same") {
    alone.Name(PeerNode::TheProject());
    REQUIRE(alone.peer.compares.size() == 1);
    CHECK_FALSE(alone.peer.compares[0].message.second.frontier);
    CHECK(alone.peer.compares[0].message.second.chains.size() == 2);
  }
}

TEST_CASE("peer_session: a project authorised later is taken up", "[peer]") {
  Alone alone;
  alone.node.authorised[alone.other.id()];
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.ProjectsChanged();
  CHECK(alone.peer.announcements.back().projects.size() == 1);
  CHECK(alone.peer.compares.size() == 1);
  // And dropped again.
  alone.node.open.clear();
  alone.session.ProjectsChanged();
  CHECK(alone.peer.announcements.back().projects.empty());
  CHECK(alone.session.projects().empty());
}

TEST_CASE("peer_session: a device that is no longer authorised is let go of",
          "[peer]") {
  Alone alone;
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  alone.session.ProjectsChanged();
  CHECK(alone.ended.empty());
  alone.node.authorised.clear();
  alone.session.ProjectsChanged();
  alone.world.RunAWhile();
  REQUIRE(alone.ended.size() == 1);
  CHECK(absl::IsPermissionDenied(alone.ended[0]));
}

TEST_CASE("peer_session: a silent peer is given up", "[peer][fault]") {
  PeerSession::Options options;
  options.ping_ms = 100;
  options.dead_ms = 1'000;
  Alone alone(options);
  alone.node.authorised[alone.other.id()];
  alone.session.Start();
  // Lets time pass until the session has looked.
  const auto pass = [&alone] {
    REQUIRE(alone.timers.waiting());
    REQUIRE(alone.timers.wait_ms() == 100);
    alone.time.now_ms += 100;
    alone.timers.Fire();
  };
  for (int i = 0; i < 9; ++i) pass();
  CHECK(alone.peer.pings == 1);
  alone.received += 10;  // Anything will do.
  for (int i = 0; i < 10; ++i) pass();
  CHECK(alone.ended.empty());
  pass();
  alone.world.RunAWhile();
  REQUIRE(alone.ended.size() == 1);
  CHECK(absl::IsDeadlineExceeded(alone.ended[0]));
  CHECK_FALSE(alone.timers.waiting());
}

TEST_CASE("peer_session: a device is believed that its history is in doubt",
          "[peer][fault]") {
  Alone alone;
  PeerNode third(alone.world, "gamma");
  third.rig().Put("third", "x");
  alone.other.rig().PullFrom(third.rig());
  alone.other.rig().Put("file", "x");
  alone.node.rig().PullFrom(alone.other.rig());
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  REQUIRE(alone.peer.compares.size() == 1);
  const Origin theirs = alone.other.rig()->identity().self;
  const Origin thirds = third.rig()->identity().self;
  const auto stop = [&](const Origin& origin) {
    alone.peer.compares[0].done(
        CompareAnswer(Stop{Stop::Reason::kFence, "", origin}));
    alone.world.RunAWhile();
  };
  SECTION("its own") {
    stop(theirs);
    CHECK(alone.node.rig()->InDoubt(theirs));
  }
  SECTION("another's") {
    stop(thirds);
    CHECK_FALSE(alone.node.rig()->InDoubt(thirds));
  }
}

TEST_CASE("peer_session: a position without frontier is the peer's fault",
          "[peer][fault]") {
  Alone alone;
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  Position position;
  position.frontier_hash = Sha256("another");
  alone.peer.compares[0].done(CompareAnswer(position));
  alone.world.RunUntil([&] { return !alone.ended.empty(); });
  CHECK(absl::IsInvalidArgument(alone.ended[0]));
}

}  // namespace
}  // namespace syncline::testing
