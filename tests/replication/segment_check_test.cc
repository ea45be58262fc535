#include "replication/segment_check.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/random.h"
#include "kv/memory_store.h"
#include "log/frame.h"
#include "proto/entry_codec.h"
#include "replication/chain_signature.h"
#include "replication/fork.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

// A with a history of three entries, and B without any.
struct SegmentFixture {
  SegmentFixture() : a(io, store_a, "a"), b(io, store_b, "b") {
    a.Put("one", "1");
    a.Put("two", "2");
    a.Put("one", "1b");
    segment = a.Missing({});
  }
  void CheckRefused(const ReplicaRig::Segment& bad, absl::StatusCode code) {
    const auto result = b.Ingest(bad);
    INFO(result.status().ToString());
    CHECK(result.status().code() == code);
    CHECK(b->log().head() == Seq{0});
    CHECK(b->state().frontier().empty());
    CHECK(b->health().ok());
  }
  // The frames of the segment, one by one.
  std::vector<std::string> Frames() const {
    std::vector<std::string> frames;
    for (std::string_view rest = segment.frames; !rest.empty();) {
      const std::size_t bytes = ParseFrame(rest)->bytes;
      frames.emplace_back(rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
    return frames;
  }
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a;
  ReplicaRig b;
  ReplicaRig::Segment segment;
};

TEST_CASE("segment check: a whole segment passes", "[replication]") {
  SegmentFixture fixture;
  const auto result = fixture.b.Ingest(fixture.segment);
  REQUIRE(result.ok());
  CHECK(result->applied == 3);
}

TEST_CASE("segment check: a gap changes nothing", "[replication][fault]") {
  SegmentFixture fixture;
  const std::vector<std::string> frames = fixture.Frames();
  fixture.CheckRefused({frames[0] + frames[2], fixture.segment.heads},
                       absl::StatusCode::kInvalidArgument);
  fixture.CheckRefused({frames[1], fixture.segment.heads},
                       absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: a context that is not covered changes nothing",
          "[replication][fault]") {
  SegmentFixture fixture;
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig c(io, store, "c");
  REQUIRE(c.Ingest(fixture.segment).ok());
  c.Put("three", "3");
  ReplicaRig::Segment alone = c.Missing(fixture.a->log().frontier());
  fixture.CheckRefused(alone, absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: another chain hash is a fork if it is signed",
          "[replication][fault]") {
  SegmentFixture fixture;
  ReplicaRig& b = fixture.b;
  REQUIRE(b.Ingest(fixture.segment).ok());
  fixture.a.Put("two", "2b");
  ReplicaRig::Segment forked = fixture.a.Missing(b->log().frontier());
  ChainHead& head = forked.heads[0];
  head.hash.bytes[0] ^= 1;
  CHECK(absl::IsUnavailable(b.Ingest(forked).status()));
  head.signature =
      *SignChain(*b->identity().device, b->identity().project, head);
  CHECK(absl::IsUnavailable(b.Ingest(forked).status()));
  const Replica::Identity& author = fixture.a->identity();
  head.signature = *SignChain(*author.device, author.project, head);
  const absl::Status refused = b.Ingest(forked).status();
  CHECK(absl::IsAborted(refused));
  CHECK(ForkedOrigin(refused) == author.self);
  CHECK(b->log().head() == Seq{3});
  CHECK(b->health().ok());
  // One that is as it should be proves nothing about the other.
  forked.heads.push_back(*fixture.a->SignedHead({author.self, 3}));
  forked.heads[0].signature.clear();
  CHECK(absl::IsUnavailable(b.Ingest(forked).status()));
}

TEST_CASE("segment check: a chain hash that fits nothing changes nothing",
          "[replication][fault]") {
  SegmentFixture fixture;
  ReplicaRig::Segment wrong = fixture.segment;
  wrong.heads[0].hash.bytes[0] ^= 1;
  fixture.CheckRefused(wrong, absl::StatusCode::kUnavailable);
}

TEST_CASE("segment check: an origin without a chain hash is refused",
          "[replication][fault]") {
  SegmentFixture fixture;
  fixture.CheckRefused({fixture.segment.frames, {}},
                       absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: every flipped byte is refused",
          "[replication][fault]") {
  SegmentFixture fixture;
  SeededRandom random(3);
  for (int i = 0; i < 500; ++i) {
    ReplicaRig::Segment bad = fixture.segment;
    bad.frames[random.Below(bad.frames.size())] ^=
        static_cast<char>(1u << random.Below(8));
    const auto result = fixture.b.Ingest(bad);
    REQUIRE_FALSE(result.ok());
  }
  CHECK(fixture.b->log().head() == Seq{0});
}

TEST_CASE("segment check: every cut is refused", "[replication][fault]") {
  SegmentFixture fixture;
  for (std::size_t keep = 1; keep < fixture.segment.frames.size(); ++keep) {
    ReplicaRig::Segment bad = fixture.segment;
    bad.frames.resize(keep);
    REQUIRE_FALSE(fixture.b.Ingest(bad).ok());
  }
}

TEST_CASE("segment check: without its device's signature nothing is taken in",
          "[replication][fault]") {
  SegmentFixture fixture;
  ReplicaRig::Segment bad = fixture.segment;
  ChainHead& head = bad.heads[0];
  SECTION("none") { head.signature.clear(); }
  SECTION("flipped") { head.signature[9] ^= 4; }
  SECTION("of another device") {
    head.signature = *SignChain(*fixture.b->identity().device,
                                fixture.b->identity().project, head);
  }
  SECTION("of another project") {
    head.signature =
        *SignChain(*fixture.a->identity().device, {std::string(16, 'q')}, head);
  }
  SECTION("of an earlier entry") {
    ChainHead before = head;
    --before.dot.counter;
    head.signature = *SignChain(*fixture.a->identity().device,
                                fixture.a->identity().project, before);
  }
  fixture.CheckRefused(bad, absl::StatusCode::kInvalidArgument);
}

// The entry `counter` of an origin, as `key` would have it, signed by `signer`.
ReplicaRig::Segment Forge(const Origin& origin, std::uint64_t counter,
                          const Hash& before, std::string_view key,
                          const DeviceIdentity& signer) {
  Entry entry;
  entry.dot = {origin, counter};
  entry.context.Raise(origin, counter - 1);
  entry.cause = "user";
  entry.effects = {EventEffect{"topic", "payload"}};
  const std::string bytes = *EncodeEntry(entry, key);
  ReplicaRig::Segment segment;
  AppendFrame(segment.frames, bytes);
  ChainHead head{entry.dot, Sha256(before.view(), bytes), {}};
  head.signature = *SignChain(signer, {std::string(16, 'p')}, head);
  segment.heads = {head};
  return segment;
}

TEST_CASE("segment check: nobody writes in the name of another's origin",
          "[replication][fault]") {
  SegmentFixture fixture;
  REQUIRE(fixture.b.Ingest(fixture.segment).ok());
  const Origin stolen = fixture.a->identity().self;
  const Hash before = fixture.b->log().ChainOf(stolen);
  const DeviceIdentity& thief = *fixture.b->identity().device;
  const std::string& owner = fixture.a->identity().device_key;
  const bool says_so = GENERATE(false, true);
  const auto taken = fixture.b.Ingest(
      Forge(stolen, 4, before, says_so ? thief.public_key() : "", thief));
  CHECK(absl::IsInvalidArgument(taken.status()));
  CHECK(fixture.b->log().frontier().CounterOf(stolen) == 3);
  CHECK(fixture.b->DeviceOf(stolen) == owner);
  CHECK(fixture.b->health().ok());
  // The owner himself may.
  CHECK(fixture.b
            .Ingest(Forge(stolen, 4, before, "", *fixture.a->identity().device))
            .ok());
}

TEST_CASE("segment check: a first entry says whose its origin is",
          "[replication][fault]") {
  SegmentFixture fixture;
  const Origin origin = *Origin::FromHex("00000000000000000000000000000001");
  const DeviceIdentity& device = *fixture.a->identity().device;
  const DeviceIdentity& other = *fixture.b->identity().device;
  const auto ingest = [&](std::string_view key, const DeviceIdentity& signer) {
    return fixture.b.Ingest(Forge(origin, 1, {}, key, signer)).status();
  };
  CHECK(absl::IsInvalidArgument(ingest("", device)));
  CHECK(absl::IsInvalidArgument(ingest(device.public_key(), other)));
  CHECK(fixture.b->log().head() == Seq{0});
  CHECK(ingest(device.public_key(), device).ok());
  CHECK(fixture.b->DeviceOf(origin) == device.public_key());
}

TEST_CASE("segment check: signatures go on to others", "[replication]") {
  SegmentFixture fixture;
  REQUIRE(fixture.b.Ingest(fixture.segment).ok());
  fixture.b.Put("of b", "4");
  MemoryStore store;
  ReplicaRig c(fixture.io, store, "c");
  const ReplicaRig::Segment relayed = fixture.b.Missing({});
  REQUIRE(relayed.heads.size() == 2);
  CHECK(c.Ingest(relayed).ok());
  const Origin origin = fixture.a->identity().self;
  const auto proof = fixture.b->NewestHead(origin);
  REQUIRE(proof.ok());
  REQUIRE(proof->has_value());
  CHECK(**proof == *fixture.a->SignedHead({origin, 3}));
  CHECK(*c->NewestHead(origin) == *proof);
  CHECK(
      absl::IsFailedPrecondition(fixture.b->SignedHead({origin, 3}).status()));
  CHECK_FALSE(fixture.b->NewestHead(*Origin::FromHex(std::string(32, '0')))
                  ->has_value());
}

}  // namespace
}  // namespace syncline
