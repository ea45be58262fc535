#include "replication/peer/peer_manager.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "replication/peer/endpoint.h"
#include "tests/peer/cutting_proxy.h"
#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

using boost::asio::ip::tcp;
using State = PeerStatus::State;

struct Stranger {
  Stranger(PeerWorld& world, const std::string& address) : socket(world.io) {
    socket.connect(*ParseLoopbackEndpoint(address));
    socket.non_blocking(true);
  }
  void Send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket, boost::asio::buffer(bytes.data(), bytes.size()),
                       ignored);
  }
  // The other side has closed; what it sent before is dropped.
  bool Closed() {
    char buffer[4096];
    boost::system::error_code error;
    socket.read_some(boost::asio::buffer(buffer), error);
    return error && error != boost::asio::error::would_block;
  }
  tcp::socket socket;
};

TEST_CASE("peer_manager: only loopback addresses are listened on or dialled",
          "[peer]") {
  PeerWorld world;
  PeerNode node(world, "alpha");
  struct Row {
    const char* endpoint;
    absl::StatusCode code;
  };
  const Row row = GENERATE(
      values<Row>({{"0.0.0.0:0", absl::StatusCode::kFailedPrecondition},
                   {"192.168.1.4:22067", absl::StatusCode::kFailedPrecondition},
                   {"[::]:0", absl::StatusCode::kFailedPrecondition},
                   {"example.org:22067", absl::StatusCode::kInvalidArgument},
                   {"127.0.0.1", absl::StatusCode::kInvalidArgument},
                   {"127.0.0.1:70000", absl::StatusCode::kInvalidArgument},
                   {"127.0.0.1:", absl::StatusCode::kInvalidArgument}}));
  CAPTURE(row.endpoint);
  const absl::Status listened = node.manager().Listen(row.endpoint).status();
  CHECK(listened.code() == row.code);
  PeerRecord peer;
  peer.id = DeviceIdentity::Generate()->id();
  peer.addresses = {row.endpoint};
  node.manager().AddPeer(peer);
  world.RunUntil(
      [&] { return !node.manager().Status().front().last_error.ok(); });
  const PeerStatus status = node.manager().Status().front();
  CHECK(status.last_error.code() == row.code);
  CHECK(status.state == State::kRefused);
}

TEST_CASE("peer_manager: garbage on the port closes the connection only",
          "[peer][fault]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  SeededRandom random(3);
  std::vector<std::string> garbage = {
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", std::string(100'000, '\0'),
      std::string("\0\0\0\0\xff\xff\xff\xff", 8),
      // A well-formed message of nonsense.
      std::string("\0\0\0\0\x02\0\0\0", 8) + std::string(16, '\x41')};
  for (int i = 0; i < 20; ++i)
    garbage.push_back(random.Bytes(1 + random.Below(5'000)));
  for (const std::string& bytes : garbage) {
    Stranger stranger(world, a.address());
    stranger.Send(bytes);
    if (bytes.size() < 16) stranger.Send(std::string(70'000, 'z'));
    boost::system::error_code ignored;
    stranger.socket.shutdown(tcp::socket::shutdown_send, ignored);
    world.RunUntil([&] { return stranger.Closed(); });
  }
  CHECK(a.manager().counters().accepted == garbage.size());
  CHECK(a.manager().counters().garbage >= 3);
  // It serves as before.
  a.Trust(b);
  b.Trust(a);
  a.rig().Put("file", "bytes");
  world.RunUntil([&] { return a.InSyncWith(b); });
}

TEST_CASE("peer_manager: who says nothing is closed after a while",
          "[peer][fault]") {
  PeerWorld world;
  PeerManager::Options options = PeerNode::FastOptions();
  options.connection.handshake_ms = 20;
  PeerNode a(world, "alpha", options);
  a.Listen();
  Stranger stranger(world, a.address());
  world.RunUntil([&] { return stranger.Closed(); });
  CHECK(a.manager().counters().accepted == 1);
}

TEST_CASE("peer_manager: half-open connections are limited", "[peer][fault]") {
  PeerWorld world;
  PeerManager::Options options = PeerNode::FastOptions();
  options.half_open_max = 3;
  PeerNode a(world, "alpha", options);
  a.Listen();
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (int i = 0; i < 5; ++i)
    strangers.push_back(std::make_unique<Stranger>(world, a.address()));
  world.RunUntil([&] { return a.manager().counters().accepted == 5; });
  CHECK(a.manager().counters().turned_away == 2);
  CHECK(strangers.back()->Closed());
  // A place becomes free.
  strangers.erase(strangers.begin());
  world.RunUntil([&] {
    strangers.push_back(std::make_unique<Stranger>(world, a.address()));
    world.RunAWhile();
    return !strangers.back()->Closed();
  });
}

TEST_CASE("peer_manager: nodes that dial each other keep one connection",
          "[peer]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  b.Listen();
  a.Trust(b);
  b.Trust(a);
  a.rig().Put("file", "bytes");
  world.RunUntil([&] {
    return a.InSyncWith(b) && a.LinkTo(b).in_sync && b.LinkTo(a).in_sync;
  });
  world.RunAWhile();
  const PeerStatus at_a = a.StatusOf(b);
  const PeerStatus at_b = b.StatusOf(a);
  CHECK(at_a.state == State::kConnected);
  CHECK(at_b.state == State::kConnected);
  CHECK(at_a.last_error.ok());
  CHECK(at_b.last_error.ok());
  // Whichever dialled, both tell where the other listens.
  CHECK(at_a.address == b.address());
  CHECK(at_b.address == a.address());
}

TEST_CASE("peer_manager: a stranger is refused and told so", "[peer]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  b.Trust(a);
  world.RunUntil([&] { return b.StatusOf(a).state == State::kRefused; });
  CHECK(absl::IsPermissionDenied(b.StatusOf(a).last_error));
  CHECK(b.StatusOf(a).retry_at_ms.has_value());
  CHECK(a.manager().Status().empty());
  CHECK(a.manager().counters().refused > 0);
  // Paired on the other side as well, it gets in by itself.
  a.Trust(b);
  world.RunUntil([&] { return b.StatusOf(a).state == State::kConnected; });
}

TEST_CASE("peer_manager: a copy of the same home is refused", "[peer]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode copy(world, "alpha");
  PeerNode other(world, "other");
  a.Listen();
  a.Trust(other);
  copy.authorised[a.id()];
  PeerRecord record = a.Record();
  copy.manager().AddPeer(record);
  world.RunUntil([&] { return !copy.StatusOf(a).last_error.ok(); });
  CHECK(absl::IsFailedPrecondition(copy.StatusOf(a).last_error));
  CHECK(copy.StatusOf(a).state == State::kRefused);
}

TEST_CASE("peer_manager: two copies that a third node meets take new origins",
          "[peer][fault]") {
  PeerWorld world;
  PeerNode one(world, "alpha");
  PeerNode two(world, "alpha");
  PeerNode b(world, "beta");
  one.rig().Put("both", "before they parted");
  two.rig().PullFrom(one.rig());
  one.rig().Put("one", "1");
  two.rig().Put("two", "2");
  const Origin origin = one.self().origin;
  REQUIRE(two.self().origin == origin);
  b.Listen();
  b.Trust(one);
  for (PeerNode* copy : {&one, &two}) copy->Trust(b);
  world.RunUntil([&] {
    return one.self().origin != origin && two.self().origin != origin;
  });
  CHECK(one.self().origin != two.self().origin);
  // Equal frontiers say nothing while their histories differ.
  for (PeerNode* node : {&one, &two, &b}) {
    world.RunUntil([&] {
      return node->rig().Show("one") == "1" && node->rig().Show("two") == "2";
    });
  }
  world.RunUntil([&] { return b.InSyncWith(one) && b.InSyncWith(two); });
  for (PeerNode* node : {&one, &two, &b}) {
    CHECK(node->rig().Show("both") == "before they parted");
  }
  RequireEqual(one, two);
  // They go on side by side.
  one.rig().Put("later", "of one");
  two.rig().Put("later", "of two");
  world.RunUntil([&] { return b.InSyncWith(one) && b.InSyncWith(two); });
  RequireEqual(one, two);
}

TEST_CASE("peer_manager: a device that was started again is no copy",
          "[peer]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  b.Listen();
  b.Trust(a);
  a.Trust(b);
  for (int i = 0; i < 3; ++i) {
    a.rig().Put("file", std::to_string(i));
    world.RunUntil([&] { return b.InSyncWith(a); });
    a.Restart();
  }
  world.RunUntil([&] { return a.LinkTo(b).in_sync; });
  CHECK(a.copies_found == 0);
  CHECK(b.StatusOf(a).last_error.ok());
}

TEST_CASE("peer_manager: a removed device is let go of", "[peer]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  a.Trust(b);
  b.Trust(a);
  world.RunUntil([&] { return a.LinkTo(b).in_sync; });
  a.authorised.erase(b.id());
  SECTION("removed") { a.manager().RemovePeer(b.id()); }
  SECTION("no longer authorised") { a.manager().ProjectsChanged(); }
  world.RunUntil([&] { return b.StatusOf(a).state == State::kRefused; });
  CHECK(absl::IsPermissionDenied(b.StatusOf(a).last_error));
}

struct JoinResult {
  absl::StatusOr<PeerManager::Joined> value = absl::UnknownError("not yet");
  bool done = false;
};

JoinResult Join(PeerWorld& world, PeerNode& node,
                const Invitation& invitation) {
  JoinResult result;
  node.manager().Join(invitation,
                      [&](absl::StatusOr<PeerManager::Joined> joined) {
                        result.value = std::move(joined);
                        result.done = true;
                      });
  world.RunUntil([&] { return result.done; });
  return result;
}

TEST_CASE("peer_manager: an invitation pairs both sides and syncs",
          "[peer][join]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  a.rig().Put("file", "bytes");
  CuttingProxy through(world.io, a.address(), [] { return ~0ull; });
  Invitation invitation = a.Invite();
  invitation.addresses = {through.address()};
  // The first address is dead.
  invitation.addresses.insert(invitation.addresses.begin(), "127.0.0.1:1");
  const auto read = Invitation::Decode(*invitation.Encode());
  REQUIRE(read.ok());
  const JoinResult joined = Join(world, b, *read);
  INFO(joined.value.status().ToString());
  REQUIRE(joined.value.ok());
  REQUIRE(joined.value->projects.size() == 1);
  CHECK(joined.value->projects.front().name == "the project");
  CHECK(joined.value->inviter.id == a.id());
  CHECK(a.remembered.at(b.id()).device_key == b.self().identity.public_key());
  CHECK(a.remembered.at(b.id()).name == "beta");
  // Where it was reached comes before what it says of itself.
  CHECK(b.remembered.at(a.id()).addresses ==
        std::vector<std::string>{through.address(), a.address()});
  world.RunUntil([&] { return a.InSyncWith(b) && b.LinkTo(a).in_sync; });
  RequireEqual(a, b);
  // For good: without the invitation, after a restart.
  b.Restart();
  b.rig().Put("more", "bytes");
  world.RunUntil([&] { return a.InSyncWith(b); });
}

TEST_CASE("peer_manager: an invitation that does not hold pairs nobody",
          "[peer][join]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  Invitation invitation = a.Invite();
  auto& kept = a.invitations[InvitationIdOf(invitation.secret)];
  absl::StatusCode expected = absl::StatusCode::kNotFound;
  SECTION("unknown") { a.invitations.clear(); }
  SECTION("used") {
    kept.used = true;
    expected = absl::StatusCode::kFailedPrecondition;
  }
  SECTION("expired") {
    kept.expired = true;
    expected = absl::StatusCode::kDeadlineExceeded;
  }
  SECTION("nobody there") {
    invitation.addresses = {"127.0.0.1:1"};
    expected = absl::StatusCode::kUnavailable;
  }
  SECTION("another device there") {
    invitation.device = b.id();
    invitation.device.hash.bytes[0] ^= 1;
    expected = absl::StatusCode::kUnauthenticated;
  }
  SECTION("its own") {
    invitation.device = b.id();
    expected = absl::StatusCode::kFailedPrecondition;
  }
  const JoinResult joined = Join(world, b, invitation);
  CHECK(joined.value.status().code() == expected);
  CHECK_FALSE(a.authorised.contains(b.id()));
  CHECK(b.accepted.empty());
}

TEST_CASE("peer_manager: an invitation is taken once", "[peer][join]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  PeerNode c(world, "gamma");
  a.Listen();
  const Invitation invitation = a.Invite();
  CHECK(Join(world, b, invitation).value.ok());
  CHECK(absl::IsFailedPrecondition(Join(world, c, invitation).value.status()));
}

TEST_CASE("peer_manager: a paired device may join again for more",
          "[peer][join]") {
  PeerWorld world;
  PeerNode a(world, "alpha");
  PeerNode b(world, "beta");
  a.Listen();
  b.Listen();
  CHECK(Join(world, b, a.Invite()).value.ok());
  world.RunUntil([&] { return b.LinkTo(a).in_sync; });
  const JoinResult again = Join(world, b, a.Invite());
  INFO(again.value.status().ToString());
  CHECK(again.value.ok());
  const JoinResult back = Join(world, a, b.Invite());
  INFO(back.value.status().ToString());
  CHECK(back.value.ok());
  a.rig().Put("file", "bytes");
  world.RunUntil([&] { return a.InSyncWith(b); });
}

}  // namespace
}  // namespace syncline::testing
