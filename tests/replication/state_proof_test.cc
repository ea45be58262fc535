#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <cstddef>
#include <vector>

#include "kv/memory_store.h"
#include "replication/chain_signature.h"
#include "replication/fork.h"
#include "replication/replica.h"
#include "replication/state_header.h"
#include "replication/state_intake.h"
#include "tests/replication/state_replicas.h"
#include "tests/testing/origins.h"
#include "tests/testing/replica_rig.h"
#include "tests/testing/state_steps.h"

// Whose histories a state speaks for: what proves them, which do not fit to
// what is known, and which are in doubt.

namespace syncline {
namespace {

using testing::Await;
using testing::Fill;
using testing::Join;
using testing::PinOf;
using testing::ReplicaRig;
using testing::RequireSame;
using testing::TruncateAll;

// `a` wrote, `b` relays: to one who gets a state of it.
struct Relayed {
  boost::asio::io_context io;
  MemoryStore stores[4];
  ReplicaRig a{io, stores[0], "a"};
  ReplicaRig b{io, stores[1], "b"};
  ReplicaRig c{io, stores[2], "c"};
  Relayed() {
    Fill(a, 10);
    b.PullFrom(a);
    b.Put("of b", "b");
    TruncateAll(b);
  }
};

TEST_CASE("state_proof: a state proves what it passes on", "[replication]") {
  Relayed relayed;
  Join(relayed.c, relayed.b);
  const Origin a = relayed.a->identity().self;
  const auto proof = relayed.c->NewestHead(a);
  REQUIRE(proof.ok());
  CHECK(*proof == *relayed.a->NewestHead(a));
  // And so does whoever joined it, also after a restart.
  relayed.c.Reopen(relayed.c->identity().self,
                   [](const Replica::Environment&) {});
  ReplicaRig d(relayed.io, relayed.stores[3], "d");
  Join(d, relayed.c);
  RequireSame(d, relayed.b);
  // What comes behind a state is proven as ever.
  relayed.a.Put("later", "1");
  REQUIRE(d.Ingest(relayed.a.Missing(d->log().frontier())).ok());
  REQUIRE(relayed.c.Ingest(d.Missing(relayed.c->log().frontier())).ok());
  RequireSame(relayed.c, d);
  CHECK(*d->NewestHead(a) == *relayed.a->NewestHead(a));
}

TEST_CASE("state_proof: a state that proves nothing is refused",
          "[replication][fault]") {
  Relayed relayed;
  StateHeader bad = (*PinOf(relayed.b))->header();
  const Origin a = relayed.a->identity().self;
  const std::size_t at = bad.chains[0].dot.origin == a ? 0 : 1;
  ChainHead& head = bad.chains[at];
  const DeviceIdentity& thief = *relayed.b->identity().device;
  SECTION("no signature") { head.signature.clear(); }
  SECTION("another signature") { head.signature[7] ^= 1; }
  SECTION("another history") { head.hash = Sha256("another"); }
  SECTION("no device") { bad.devices.clear(); }
  SECTION("a stolen origin") {
    // Known from before as that of `a`.
    relayed.c.PullFrom(relayed.a);
    relayed.a.Put("later", "1");
    head =
        *relayed.a->SignedHead({a, relayed.a->log().frontier().CounterOf(a)});
    bad.frontier.Raise(a, head.dot.counter);
    for (auto& [origin, key] : bad.devices) {
      if (origin == a) key = thief.public_key();
    }
    head.signature = *SignChain(thief, relayed.a->identity().project, head);
  }
  CHECK(absl::IsInvalidArgument(relayed.c->intake().Offer(bad, "", "peer")));
  CHECK_FALSE(relayed.c->intake().resumption());
  CHECK(relayed.c->health().ok());
}

TEST_CASE("state_proof: a state of another history is refused",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[3];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 10);
  b.PullFrom(a);
  StateHeader fork = (*PinOf(b))->header();
  fork.chains[0].hash = Sha256("another");
  const absl::Status refused = b->intake().Offer(fork, "", "peer");
  CHECK(absl::IsAborted(refused));
  CHECK(ForkedOrigin(refused) == fork.chains[0].dot.origin);
  // More of a node's own entries than it has: it was set back.
  b.Put("own", "x");
  a.PullFrom(b);
  ReplicaRig lost(io, stores[2], "b");
  const absl::Status set_back =
      lost->intake().Offer((*PinOf(a))->header(), "", "peer");
  CHECK(absl::IsAborted(set_back));
  CHECK_FALSE(ForkedOrigin(set_back));
}

TEST_CASE("state_proof: what is in doubt there is in doubt here",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[3];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig c(io, stores[2], "c");
  Fill(a, 4);
  c.Put("of c", "x");
  a.PullFrom(c);
  const Origin doubted = c->identity().self;
  REQUIRE(a->Doubt(doubted).ok());
  CHECK(a->FoundForked(doubted));
  const auto pin = PinOf(a);
  REQUIRE(pin.ok());
  const StateHeader& header = (*pin)->header();
  CHECK(header.doubted == std::vector<Origin>{doubted});
  const auto decoded = DecodeStateHeader(EncodeStateHeader(header));
  REQUIRE(decoded.ok());
  CHECK(decoded->doubted == header.doubted);
  CHECK(decoded->devices == header.devices);
  StateHeader bad = header;
  bad.doubted = {testing::kA};
  CHECK_FALSE(bad.Check().ok());
  CHECK_FALSE(DecodeStateHeader(EncodeStateHeader(bad)).ok());
  TruncateAll(a);
  {
    ReplicaRig b(io, stores[1], "b");
    Join(b, a);
    CHECK(b->InDoubt(doubted));
    CHECK_FALSE(b->InDoubt(a->identity().self));
    b.Settle();
  }
  ReplicaRig b(io, stores[1], "b");
  CHECK(b->InDoubt(doubted));
  // Whose it is settles that as if it did not know.
  CHECK_FALSE(b->FoundForked(doubted));
}

// A device's store and a copy of it that ran on: two histories of one origin.
struct Forked {
  boost::asio::io_context io;
  MemoryStore stores[5];
  ReplicaRig left{io, stores[0], "d"};
  ReplicaRig right{io, stores[1], "d"};
  ReplicaRig a{io, stores[2], "a"};
  ReplicaRig b{io, stores[3], "b"};
  const Origin origin = left->identity().self;

  Forked() {
    left.Put("left", "1");
    right.Put("right", "1");
    Fill(a, 4);
  }
  // `b` begins to take in what `a` has, and meets the other side meanwhile.
  absl::Status JoinAndMeetRight() {
    const auto pin = PinOf(a);
    REQUIRE(pin.ok());
    REQUIRE(b->intake().Offer((*pin)->header(), "", "peer").ok());
    b.PullFrom(right);
    const auto piece = (*pin)->reader().Next("", 1 << 20);
    REQUIRE(piece.ok());
    REQUIRE(piece->end);
    b->intake().Stage((*pin)->header().id, piece->bytes, true,
                      [](const absl::Status&) {});
    return Await(b);
  }
};

TEST_CASE("state_proof: who met another history meanwhile takes no state in",
          "[replication][fault]") {
  Forked forked;
  forked.a.PullFrom(forked.left);
  SECTION("as it says") {}
  SECTION("as its sender doubts it") {
    // More of it, so that what `b` has cannot be compared.
    forked.left.Put("left", "2");
    forked.a.PullFrom(forked.left);
    REQUIRE(forked.a->Doubt(forked.origin).ok());
  }
  SECTION("as it is in doubt here") {
    forked.left.Put("left", "2");
    forked.a.PullFrom(forked.left);
    REQUIRE(forked.b->Doubt(forked.origin).ok());
  }
  const absl::Status joined = forked.JoinAndMeetRight();
  CHECK(absl::IsAborted(joined));
  CHECK(ForkedOrigin(joined) == forked.origin);
  CHECK(forked.b.Show("right") == "1");
  CHECK(forked.b.Show("left") == "(none)");
  // Nothing of it is left, and the replica goes on.
  CHECK_FALSE(forked.b->intake().resumption());
  CHECK_FALSE(forked.b->installing());
  CHECK(forked.b->health().ok());
  forked.b.Put("mine", "1");
  forked.b.Reopen(forked.b->identity().self, [](const auto&) {});
  CHECK(forked.b.Show("mine") == "1");
  CHECK(forked.b.Show("left") == "(none)");
}

TEST_CASE("state_proof: what was compared may come as a state",
          "[replication]") {
  Forked forked;
  forked.b.PullFrom(forked.left);
  forked.left.Put("left", "2");
  forked.a.PullFrom(forked.left);
  REQUIRE(forked.a->Doubt(forked.origin).ok());
  const auto pin = PinOf(forked.a);
  const StateHeader& header = (*pin)->header();
  const VersionVector compared = forked.b->log().frontier();
  StateIntake& intake = forked.b->intake();
  CHECK(absl::IsAborted(intake.Offer(header, "", "peer")));
  CHECK(intake.Offer(header, "", "peer", compared).ok());
}

TEST_CASE("replica: entries of who may hold another history are refused",
          "[replication][fault]") {
  Forked forked;
  const Hash first = forked.left->log().ChainOf(forked.origin);
  forked.a.PullFrom(forked.left);
  forked.a.Put("of a", "1");
  forked.left.Put("left", "2");
  forked.b.PullFrom(forked.left);
  ReplicaRig::Segment segment = forked.a.Missing(forked.b->log().frontier());
  segment.heads.push_back({{forked.origin, 1}, first, {}});
  const auto ingest = [&] { return forked.b.Ingest(segment).status(); };
  SECTION("the same") { CHECK(ingest().ok()); }
  SECTION("another") {
    segment.heads.back().hash = forked.right->log().ChainOf(forked.origin);
    // Without a signature it may be a lie, for which nobody is fenced.
    CHECK(absl::IsUnavailable(ingest()));
    segment.heads.back() = *forked.right->SignedHead({forked.origin, 1});
    const absl::Status refused = ingest();
    CHECK(absl::IsAborted(refused));
    CHECK(ForkedOrigin(refused) == forked.origin);
  }
  SECTION("truncated here") {
    TruncateAll(forked.b);
    SECTION("and in doubt") {
      REQUIRE(forked.b->Doubt(forked.origin).ok());
      CHECK(absl::IsUnavailable(ingest()));
      CHECK(forked.b.Show("of a") == "(none)");
    }
    SECTION("and nobody doubts it") { CHECK(ingest().ok()); }
  }
}

}  // namespace
}  // namespace syncline
