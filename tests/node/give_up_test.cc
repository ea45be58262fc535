// A node that is to give up its side of a fork while a state comes in.

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <functional>

#include "kv/memory_store.h"
#include "node/node_core.h"
#include "replication/fork.h"
#include "replication/state_intake.h"
#include "tests/node/running_node.h"
#include "tests/testing/replica_rig.h"
#include "tests/testing/state_steps.h"

namespace syncline::testing {
namespace {

// Turns of the loop until `done`.
void RunUntil(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto work = boost::asio::make_work_guard(io);
  io.restart();
  while (!done()) io.run_one();
}

// A node with one project, which the rig's device shares; in one thread.
struct NodeAndPeer {
  NodeAndPeer() {
    auto opened = NodeCore::Open(io, At(temp / "home"));
    REQUIRE(opened.ok());
    core = *std::move(opened);
    PeerRecord inviter;
    inviter.device_key = peer->identity().device_key;
    inviter.id = peer->identity().device->id();
    bool accepted = false;
    core->AcceptProjects(inviter, {{project, "tree"}},
                         [&](const absl::Status& status) {
                           CHECK(status.ok());
                           accepted = true;
                         });
    RunUntil(io, [&] { return accepted; });
    REQUIRE(core->FindReplica(project) != nullptr);
    self = core->self().origin;
  }
  ~NodeAndPeer() {
    bool closed = false;
    core->Close([&](const absl::Status&) { closed = true; });
    RunUntil(io, [&] { return closed; });
  }

  Replica& replica() { return *core->FindReplica(project); }
  void Append(const std::string& payload) {
    bool done = false;
    const EventView event{"door", payload};
    REQUIRE(replica()
                .CommitEvents({&event, 1}, Durability::kDurable,
                              [&](const absl::Status&) { done = true; })
                .ok());
    RunUntil(io, [&] { return done; });
  }
  // All of the peer's state; it is being installed then.
  void StageState() {
    const auto pin = PinOf(peer);
    REQUIRE(pin.ok());
    StateIntake& intake = replica().intake();
    REQUIRE(intake.Offer((*pin)->header(), "", "peer").ok());
    const auto piece = (*pin)->reader().Next("", 1u << 20);
    REQUIRE((piece.ok() && piece->end));
    intake.Stage((*pin)->header().id, piece->bytes, true, {});
    REQUIRE(replica().installing());
  }

  boost::asio::io_context io;
  TemporaryDirectory temp;
  MemoryStore store;
  ReplicaRig peer{io, store, "peer"};
  const ProjectId project = peer->identity().project;
  std::shared_ptr<NodeCore> core;
  Origin self;
};

// A state that is in decides that the log does not say all any more.
TEST_CASE("give_up: a state that is being installed is let in first",
          "[node]") {
  NodeAndPeer node;
  node.peer.Put("file", "of the peer");
  node.peer.Settle();
  node.Append("1");
  node.Append("2");
  node.StageState();
  node.core->GiveUp(node.project, {node.self, 1});
  // Nothing is made anew under the installation.
  REQUIRE(node.core->FindReplica(node.project) != nullptr);
  CHECK(node.replica().installing());
  CHECK(node.core->self().origin == node.self);
  RunUntil(node.io, [&] { return node.core->self().origin != node.self; });
  REQUIRE(node.core->FindReplica(node.project) != nullptr);
  CHECK_FALSE(node.replica().installing());
  const auto row = node.replica().state().Lookup("file");
  CHECK((row.ok() && row->has_value()));
  CHECK(node.replica().settled().empty());
  // Found again under the new origin, too.
  CHECK(node.replica().InDoubt(node.self));
  REQUIRE(node.core->settings().incident());
  CHECK(node.core->settings().incident()->what.find("join again") !=
        std::string::npos);
  // It takes entries as before.
  node.Append("3");
}

TEST_CASE("give_up: without a state the project is made anew at once",
          "[node]") {
  NodeAndPeer node;
  node.Append("1");
  node.Append("2");
  node.core->GiveUp(node.project, {node.self, 1});
  CHECK(node.core->FindReplica(node.project) == nullptr);
  RunUntil(node.io,
           [&] { return node.core->FindReplica(node.project) != nullptr; });
  REQUIRE(node.replica().settled().size() == 1);
  CHECK(node.replica().log().frontier().CounterOf(node.self) == 1);
  CHECK(node.replica().log().frontier().CounterOf(node.core->self().origin) ==
        1);
}

// As after people have removed a project and joined again: what is held of a
// former origin came from others, as a state.
TEST_CASE("give_up: what came from others is settled as it came", "[node]") {
  NodeAndPeer node;
  node.peer.Put("file", "of the peer");
  node.peer.Settle();
  node.Append("1");
  // About nobody here: it takes another origin, but is in no doubt.
  const Origin nobody = *Origin::FromHex("00000000000000000000000000000bad");
  node.core->GiveUp(node.project, {nobody, 0});
  RunUntil(node.io,
           [&] { return node.core->FindReplica(node.project) != nullptr; });
  const Origin now = node.core->self().origin;
  REQUIRE(now != node.self);
  REQUIRE_FALSE(node.replica().InDoubt(node.self));
  node.StageState();
  RunUntil(node.io, [&] { return !node.replica().installing(); });
  node.core->GiveUp(node.project, {node.self, Fork::kUnknown});
  REQUIRE(node.core->FindReplica(node.project) != nullptr);
  CHECK(node.core->self().origin == now);
  REQUIRE(node.replica().settled().size() == 2);
  CHECK(node.replica().settled().back() ==
        SettledFork{{node.self, 1}, std::nullopt});
  // Of others' origins only people can say.
  node.core->GiveUp(node.project, {node.peer->identity().self, Fork::kUnknown});
  CHECK(node.replica().settled().size() == 2);
}

}  // namespace
}  // namespace syncline::testing
