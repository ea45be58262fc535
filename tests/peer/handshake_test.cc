#include "replication/peer/handshake.h"

#include <catch2/catch.hpp>

#include "tests/peer/peer_rig.h"

namespace syncline::testing {
namespace {

using Reason = Refusal::Reason;

// Both sides of a handshake, without a wire.
struct Pair {
  PeerWorld world;
  PeerNode dialler{world, "dialler"};
  PeerNode listener{world, "listener"};
  SystemRandom random;
  SystemTime time;
  Hello from_dialler = MakeHello(dialler.self(), random, time);
  ListenHandshake listening{listener, MakeHello(listener.self(), random, time)};

  DialHandshake Dial(std::string secret = "") {
    return DialHandshake(dialler.self(), from_dialler, listener.id(),
                         std::move(secret));
  }
  std::variant<ListenHandshake::Proven, Refusal> Prove(const Proof& proof) {
    std::optional<std::variant<ListenHandshake::Proven, Refusal>> outcome;
    listening.OnProof(proof, [&](auto result) { outcome = result; });
    world.RunUntil([&] { return outcome.has_value(); });
    return *outcome;
  }
  // All of it, as it should be.
  std::variant<ListenHandshake::Proven, Refusal> Run(std::string secret = "") {
    auto accepted =
        std::get<ListenHandshake::Accepted>(listening.OnHello(from_dialler));
    DialHandshake dial = Dial(std::move(secret));
    return Prove(*dial.OnAccepted(accepted.hello, accepted.signature));
  }
  Reason RefusedHello(const Hello& hello) {
    return std::get<Refusal>(listening.OnHello(hello)).reason;
  }
};

TEST_CASE("handshake: both sides learn who the other is", "[peer]") {
  Pair pair;
  pair.listener.authorised[pair.dialler.id()];
  const auto accepted = std::get<ListenHandshake::Accepted>(
      pair.listening.OnHello(pair.from_dialler));
  DialHandshake dial = pair.Dial();
  const auto proof = dial.OnAccepted(accepted.hello, accepted.signature);
  REQUIRE(proof.ok());
  CHECK(dial.peer().id == pair.listener.id());
  const auto outcome = pair.Prove(*proof);
  REQUIRE(std::holds_alternative<ListenHandshake::Proven>(outcome));
  CHECK(std::get<ListenHandshake::Proven>(outcome).peer.id ==
        pair.dialler.id());
}

TEST_CASE("handshake: a stranger is refused", "[peer]") {
  Pair pair;
  const auto outcome = pair.Run();
  CHECK(std::get<Refusal>(outcome).reason == Reason::kNotAuthorised);
}

TEST_CASE("handshake: a proof by another key is refused", "[peer]") {
  Pair pair;
  pair.listener.authorised[pair.dialler.id()];
  const auto accepted = std::get<ListenHandshake::Accepted>(
      pair.listening.OnHello(pair.from_dialler));
  const auto thief = DeviceIdentity::Generate();
  const Proof proof{
      *thief->Sign(HandshakeTranscript(HandshakeRole::kDials, pair.from_dialler,
                                       accepted.hello)),
      {}};
  CHECK(std::get<Refusal>(pair.Prove(proof)).reason == Reason::kBadProof);
}

TEST_CASE("handshake: the proof of one side does not serve the other",
          "[peer]") {
  Pair pair;
  pair.listener.authorised[pair.dialler.id()];
  auto accepted = std::get<ListenHandshake::Accepted>(
      pair.listening.OnHello(pair.from_dialler));
  // What a mirror would answer: our own signature.
  DialHandshake dial = pair.Dial();
  const std::string reflected =
      *pair.dialler.self().identity.Sign(HandshakeTranscript(
          HandshakeRole::kDials, pair.from_dialler, accepted.hello));
  CHECK(absl::IsUnauthenticated(
      dial.OnAccepted(accepted.hello, reflected).status()));
}

TEST_CASE("handshake: an old proof does not fit a new challenge", "[peer]") {
  Pair first;
  first.listener.authorised[first.dialler.id()];
  const auto old = std::get<ListenHandshake::Accepted>(
      first.listening.OnHello(first.from_dialler));
  const Proof proof = *first.Dial().OnAccepted(old.hello, old.signature);
  ListenHandshake again(first.listener, MakeHello(first.listener.self(),
                                                  first.random, first.time));
  static_cast<void>(again.OnHello(first.from_dialler));
  std::optional<Refusal> refusal;
  again.OnProof(proof,
                [&](auto result) { refusal = std::get<Refusal>(result); });
  REQUIRE(refusal);
  CHECK(refusal->reason == Reason::kBadProof);
}

TEST_CASE("handshake: versions that do not meet are refused", "[peer]") {
  Pair pair;
  Hello hello = pair.from_dialler;
  SECTION("newer") {
    hello.protocol_min = kProtocolMax + 1;
    hello.protocol_max = kProtocolMax + 9;
  }
  SECTION("older") { hello.protocol_min = hello.protocol_max = 0; }
  CHECK(pair.RefusedHello(hello) == Reason::kNoCommonVersion);
}

TEST_CASE("handshake: a range that reaches this version is taken", "[peer]") {
  Pair pair;
  Hello hello = pair.from_dialler;
  hello.protocol_min = 0;
  hello.protocol_max = 40;
  CHECK(std::holds_alternative<ListenHandshake::Accepted>(
      pair.listening.OnHello(hello)));
}

TEST_CASE("handshake: the same device and copies of it are refused", "[peer]") {
  Pair pair;
  Hello hello = pair.from_dialler;
  SECTION("itself") {
    hello = MakeHello(pair.listener.self(), pair.random, pair.time);
    CHECK(pair.RefusedHello(hello) == Reason::kOwnDevice);
  }
  SECTION("a copy of the whole home") {
    hello = MakeHello(pair.listener.self(), pair.random, pair.time);
    hello.instance_nonce = pair.random.Bytes(kNonceBytes);
    CHECK(pair.RefusedHello(hello) == Reason::kClone);
  }
  SECTION("a copy of the store with a new key") {
    hello.origin = pair.listener.self().origin;
    CHECK(pair.RefusedHello(hello) == Reason::kClone);
  }
}

TEST_CASE("handshake: fields of wrong sizes are refused", "[peer]") {
  Pair pair;
  Hello hello = pair.from_dialler;
  SECTION("key") { hello.device_key.pop_back(); }
  SECTION("nonce") { hello.instance_nonce.clear(); }
  SECTION("challenge") { hello.challenge += 'x'; }
  SECTION("range") { hello.protocol_min = kProtocolMax + 1; }
  CHECK(pair.RefusedHello(hello) == Reason::kMalformed);
}

TEST_CASE("handshake: calls out of turn are refused", "[peer]") {
  Pair pair;
  SECTION("proof first") {
    CHECK(std::get<Refusal>(pair.Prove({})).reason == Reason::kMalformed);
  }
  SECTION("hello twice") {
    static_cast<void>(pair.listening.OnHello(pair.from_dialler));
    CHECK(pair.RefusedHello(pair.from_dialler) == Reason::kMalformed);
  }
  SECTION("proof twice") {
    pair.listener.authorised[pair.dialler.id()];
    static_cast<void>(pair.Run());
    CHECK(std::get<Refusal>(pair.Prove({})).reason == Reason::kMalformed);
  }
}

TEST_CASE("handshake: the dialler insists on the device it dialled", "[peer]") {
  Pair pair;
  const auto accepted = std::get<ListenHandshake::Accepted>(
      pair.listening.OnHello(pair.from_dialler));
  DialHandshake dial(pair.dialler.self(), pair.from_dialler,
                     DeviceIdentity::Generate()->id(), "");
  CHECK(absl::IsUnauthenticated(
      dial.OnAccepted(accepted.hello, accepted.signature).status()));
}

TEST_CASE("handshake: an invitation makes a stranger known once", "[peer]") {
  Pair pair;
  const Invitation invitation = pair.listener.Invite();
  const auto outcome = pair.Run(invitation.secret);
  REQUIRE(std::holds_alternative<ListenHandshake::Proven>(outcome));
  CHECK(std::get<ListenHandshake::Proven>(outcome).invited.size() == 1);
  CHECK(pair.listener.authorised.contains(pair.dialler.id()));
}

TEST_CASE("handshake: an invitation that does not hold is refused", "[peer]") {
  Pair pair;
  Invitation invitation = pair.listener.Invite();
  auto& kept = pair.listener.invitations[InvitationIdOf(invitation.secret)];
  Reason expected = Reason::kInvitationUnknown;
  SECTION("unknown") { invitation.secret = std::string(32, 'u'); }
  SECTION("used") {
    kept.used = true;
    expected = Reason::kInvitationUsed;
  }
  SECTION("expired") {
    kept.expired = true;
    expected = Reason::kInvitationExpired;
  }
  SECTION("the id without the secret") {
    kept.secret = std::string(32, 'k');
    expected = Reason::kBadProof;
  }
  CHECK(std::get<Refusal>(pair.Run(invitation.secret)).reason == expected);
  CHECK_FALSE(pair.listener.authorised.contains(pair.dialler.id()));
}

}  // namespace
}  // namespace syncline::testing
