#include "replication/peer/peer_session.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "replication/peer/compare.h"
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

  explicit Alone(PeerSession::Options options = {},
                 std::uint64_t features = kFeatureLacking)
      : session(
            PeerSession::Environment{
                node, peer, world.io.get_executor(),
                world.worker.get_executor(), random, time, timers.Maker(),
                [this] { return received; },
                [] { return std::vector<std::string>{"127.0.0.1:1"}; },
                [](const PeerRecord&) {},
                [this](absl::Status why) { ended.push_back(std::move(why)); }},
            Identity(features), options) {}

  PeerIdentity Identity(std::uint64_t features) {
    Hello hello = MakeHello(other.self(), random, time);
    hello.features = features;
    return {hello, other.id()};
  }

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

// Answers what the session asks as somebody who holds the same.
void AnswerAsEqual(Alone& alone) {
  REQUIRE(alone.peer.compares.size() == 1);
  const PeerHost::Self& other = alone.other.self();
  alone.peer.compares[0].done(CompareAnswer(*PositionOf(
      *alone.node.rig(), {other.origin, other.identity.public_key()})));
  alone.world.RunAWhile();
  REQUIRE(alone.peer.pulls.size() == 1);
  alone.peer.pulls[0].done(PullAnswer(PullStarted{}));
  alone.world.RunAWhile();
}

TEST_CASE("peer_session: a peer that lacks content is not in sync", "[peer]") {
  Alone alone;
  alone.node.rig().Put("file", "x");
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  AnswerAsEqual(alone);
  CHECK(alone.session.projects().at(0).in_sync);
  CHECK(alone.peer.lacking.empty());  // All is here.
  const auto lacks = [&](const ProjectId& project, std::uint64_t pieces) {
    bool heard = false;
    alone.session.Lacking(project, pieces,
                          [&](const absl::Status&) { heard = true; });
    CHECK(heard);
    return alone.session.projects().at(0).lacking;
  };
  CHECK(lacks(PeerNode::TheProject(), 3) == 3);
  CHECK_FALSE(alone.session.projects().at(0).in_sync);
  CHECK(lacks({std::string(16, 'z')}, 0) == 3);
  CHECK(lacks(PeerNode::TheProject(), 0) == 0);
  CHECK(alone.session.projects().at(0).in_sync);
}

TEST_CASE("peer_session: content that is missing here is told", "[peer]") {
  const bool understood = GENERATE(true, false);
  Alone alone({}, understood ? kFeatureLacking : 0);
  PeerNode author(alone.world, "gamma");
  author.rig().Put("one", std::string(20'000, '1'));
  author.rig().Put("two", std::string(20'000, '2'));
  ReplicaRig& here = alone.node.rig();
  REQUIRE(here.Ingest(author.rig().Missing({})).ok());
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  std::vector<std::uint64_t> told = {2};
  const auto check = [&] {
    CHECK(alone.peer.lacking ==
          (understood ? told : std::vector<std::uint64_t>()));
  };
  check();
  here.PullFrom(author.rig());  // Told once, not for each of the two.
  told.push_back(0);
  check();
  author.rig().Put("three", std::string(20'000, '3'));
  REQUIRE(here.Ingest(author.rig().Missing(here->log().frontier())).ok());
  told.push_back(1);
  check();
}

TEST_CASE("peer_session: a full disk is tried again with growing waits",
          "[peer][fault]") {
  Alone alone;
  alone.node.authorised[alone.other.id()].insert(PeerNode::TheProject());
  alone.session.Start();
  alone.Name(PeerNode::TheProject());
  std::int64_t most = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    REQUIRE(alone.peer.compares.size() == i + 1);
    const PeerHost::Self& other = alone.other.self();
    alone.peer.compares[i].done(CompareAnswer(*PositionOf(
        *alone.node.rig(), {other.origin, other.identity.public_key()})));
    alone.world.RunAWhile();
    alone.peer.pulls.back().done(PullAnswer(PullStarted{}));
    alone.world.RunAWhile();
    // As it goes where the peer cannot send.
    alone.session.Ended(
        PeerNode::TheProject(), alone.peer.pulls.back().message.stream,
        Stop{Stop::Reason::kFull, ""}, [](const absl::Status&) {});
    const auto link = alone.session.projects().at(0);
    REQUIRE(link.retry_at_ms);
    most = std::max(most, *link.retry_at_ms - alone.time.now_ms);
    alone.session.ProjectsChanged();  // Now.
  }
  CHECK(most > 5'000);
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
