#include "replication/peer/state_sender.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "replication/peer/state_receiver.h"
#include "replication/state_intake.h"
#include "tests/peer/fake_peer.h"
#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

// A timer that the test sets off.
class HandTimer final : public Timer {
 public:
  explicit HandTimer(std::function<void()>& due) : due_(due) {}
  ~HandTimer() override { due_ = nullptr; }
  void Start(std::int64_t, std::function<void()> done) override {
    due_ = std::move(done);
  }
  void Cancel() override { due_ = nullptr; }

 private:
  std::function<void()>& due_;
};

struct StateSending {
  PeerWorld world;
  PeerNode node{world, "alpha"};
  FakePeer peer;
  std::function<void()> due;
  std::shared_ptr<const PinnedState> pin;
  std::vector<std::pair<Stop, bool>> ended;
  std::unique_ptr<StateSender> sender;

  explicit StateSending(int files) {
    for (int i = 0; i < files; ++i) {
      node.rig().Commit({DocEffect{
          "app", std::to_string(1000 + i), std::string(20'000, 'x'), {}, {}}});
    }
    bool done = false;
    node.rig()->PinState("", [&](auto pinned) {
      REQUIRE(pinned.ok());
      pin = *pinned;
      done = true;
    });
    node.rig().RunUntil(done);
  }

  void Start(std::uint32_t window, const std::string& from = "") {
    PullRequest request;
    request.project = PeerNode::TheProject();
    request.stream = 7;
    request.window_bytes = window;
    StateSender::Hooks hooks;
    hooks.push = [this](StatePush piece, PeerCalls::Done<PushAnswer> done) {
      peer.PushState(std::move(piece), std::move(done));
    };
    hooks.ended = [this](const Stop& stop, bool by_peer) {
      ended.push_back({stop, by_peer});
    };
    sender = std::make_unique<StateSender>(
        pin, world.io.get_executor(), world.worker.get_executor(),
        std::make_unique<HandTimer>(due), request, from, hooks);
    sender->Start();
    Settle();
  }
  void Settle() {
    for (int i = 0; i < 3; ++i) world.RunAWhile();
  }
  void Answer(std::size_t index, std::uint32_t window) {
    peer.pieces[index].done(PushAnswer(PushDurable{{}, window}));
    Settle();
  }
  std::size_t Pushed(std::size_t from = 0) const {
    std::size_t bytes = 0;
    for (std::size_t i = from; i < peer.pieces.size(); ++i) {
      bytes += peer.pieces[i].message.rows.size();
    }
    return bytes;
  }
};

TEST_CASE("state_sender: no more is on the way than the window allows",
          "[peer]") {
  StateSending sending(100);  // 2 MB.
  const std::uint32_t window = 600'000;
  sending.Start(window);
  sending.world.RunUntil([&] { return sending.peer.pieces.size() == 2; });
  sending.Settle();
  REQUIRE(sending.peer.pieces.size() == 2);
  CHECK(sending.Pushed() <= window);
  for (const auto& piece : sending.peer.pieces) {
    CHECK(piece.message.rows.size() <= kSegmentBytes + 1'000);
    CHECK(piece.message.stream == 7);
    CHECK(piece.message.id == sending.pin->header().id);
    CHECK_FALSE(piece.message.end);
  }
  sending.Answer(0, window);
  sending.world.RunUntil([&] { return sending.peer.pieces.size() == 3; });
}

TEST_CASE("state_sender: one piece goes whatever the window", "[peer]") {
  StateSending sending(40);
  sending.Start(1);
  sending.world.RunUntil([&] { return !sending.peer.pieces.empty(); });
  for (std::size_t i = 0; !sending.peer.pieces[i].message.end; ++i) {
    sending.Settle();
    REQUIRE(sending.peer.pieces.size() == i + 1);
    sending.Answer(i, 1);
    sending.world.RunUntil([&] { return sending.peer.pieces.size() == i + 2; });
  }
  sending.Answer(sending.peer.pieces.size() - 1, 1);
  CHECK(sending.ended.empty());
  CHECK_FALSE(sending.due);  // Nothing is waited for any more.
}

TEST_CASE("state_sender: a peer that takes nothing is given up", "[peer]") {
  StateSending sending(5);
  sending.Start(1u << 20);
  REQUIRE(sending.due);
  sending.due();
  sending.Settle();
  REQUIRE(sending.ended.size() == 1);
  CHECK_FALSE(sending.ended[0].second);
  // The test holds it, and the replica.
  sending.world.RunUntil([&] { return sending.pin.use_count() == 2; });
}

TEST_CASE("state_sender: it goes on behind a key", "[peer]") {
  StateSending sending(40);
  sending.Start(8u << 20);
  sending.world.RunUntil(
      [&] { return sending.peer.pieces.back().message.end; });
  const std::size_t all = sending.Pushed();
  const auto first = sending.pin->reader().Next("", kSegmentBytes);
  REQUIRE(first.ok());
  const std::size_t before = sending.peer.pieces.size();
  sending.Start(8u << 20, first->last_key);
  sending.world.RunUntil([&] {
    return sending.peer.pieces.size() > before &&
           sending.peer.pieces.back().message.end;
  });
  CHECK(sending.Pushed(before) == all - first->bytes.size());
}

struct StateReceiving {
  PeerWorld world;
  PeerNode node{world, "beta"};
  std::vector<absl::Status> broken;
  std::vector<Stop> stopped;
  int whole = 0;
  std::vector<PushAnswer> answers;
  std::unique_ptr<StateReceiver> receiver;

  void Offer(const StateHeader& header) {
    REQUIRE(node.rig()->intake().Offer(header, "", "alpha").ok());
    receiver = std::make_unique<StateReceiver>(
        *node.rig(), world.io.get_executor(), 7, header.id,
        StateReceiver::Hooks{
            [this](const absl::Status& why) { broken.push_back(why); },
            [this](const Stop& stop) { stopped.push_back(stop); },
            [this] { ++whole; }});
  }
  void Push(StatePush piece) {
    receiver->OnPush(piece, [this](const absl::StatusOr<PushAnswer>& answer) {
      answers.push_back(*answer);
    });
    world.RunAWhile();
  }
};

TEST_CASE("state_receiver: pieces are answered when they are staged",
          "[peer]") {
  StateSending sending(20);
  StateReceiving receiving;
  receiving.Offer(sending.pin->header());
  const auto piece = sending.pin->reader().Next("", 8u << 20);
  receiving.Push({PeerNode::TheProject(), 7, sending.pin->header().id,
                  piece->bytes, piece->end});
  receiving.world.RunUntil([&] { return receiving.whole == 1; });
  REQUIRE(receiving.answers.size() == 1);
  CHECK(std::holds_alternative<PushDurable>(receiving.answers[0]));
  receiving.world.RunUntil([&] {
    return receiving.node.rig()->state().Digest() ==
           sending.pin->header().digest;
  });
}

TEST_CASE("state_receiver: a peer that breaks the rules is broken",
          "[peer][fault]") {
  StateSending sending(20);
  StateReceiving receiving;
  receiving.Offer(sending.pin->header());
  const std::string id = sending.pin->header().id;
  SECTION("nonsense") {
    receiving.Push({PeerNode::TheProject(), 7, id, "nonsense", false});
  }
  SECTION("a piece of another state") {
    receiving.Push(
        {PeerNode::TheProject(), 7, std::string(16, 'x'), "", false});
  }
  SECTION("an end before its time") {
    const auto piece = sending.pin->reader().Next("", 1'000);
    receiving.Push({PeerNode::TheProject(), 7, id, piece->bytes, true});
  }
  receiving.world.RunUntil([&] { return !receiving.broken.empty(); });
  CHECK(receiving.broken.size() == 1);
  CHECK(receiving.stopped.empty());
  CHECK(receiving.whole == 0);
  REQUIRE(receiving.answers.size() == 1);
  CHECK(std::holds_alternative<Stop>(receiving.answers[0]));
}

TEST_CASE("state_receiver: an own failure blames nobody", "[peer][fault]") {
  StateSending sending(20);
  StateReceiving receiving;
  receiving.Offer(sending.pin->header());
  receiving.node.store().FailFrom(FaultyStore::Call::kWrite, 1,
                                  absl::ResourceExhaustedError("no space"));
  const auto piece = sending.pin->reader().Next("", 1'000);
  receiving.Push({PeerNode::TheProject(), 7, sending.pin->header().id,
                  piece->bytes, piece->end});
  receiving.world.RunUntil([&] { return !receiving.stopped.empty(); });
  CHECK(receiving.stopped[0].reason == Stop::Reason::kFull);
  CHECK(receiving.broken.empty());
}

}  // namespace
}  // namespace syncline::testing
