#include "replication/segment_check.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/random.h"
#include "kv/memory_store.h"
#include "log/frame.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

// A with a history of three entries, and B without any.
struct Fixture {
  Fixture() : a(io, store_a, "a"), b(io, store_b, "b") {
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
  Fixture fixture;
  const auto result = fixture.b.Ingest(fixture.segment);
  REQUIRE(result.ok());
  CHECK(result->applied == 3);
}

TEST_CASE("segment check: a gap changes nothing", "[replication][fault]") {
  Fixture fixture;
  const std::vector<std::string> frames = fixture.Frames();
  fixture.CheckRefused({frames[0] + frames[2], fixture.segment.heads},
                       absl::StatusCode::kInvalidArgument);
  fixture.CheckRefused({frames[1], fixture.segment.heads},
                       absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: a context that is not covered changes nothing",
          "[replication][fault]") {
  Fixture fixture;
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig c(io, store, "c");
  REQUIRE(c.Ingest(fixture.segment).ok());
  c.Put("three", "3");
  ReplicaRig::Segment alone = c.Missing(fixture.a->log().frontier());
  fixture.CheckRefused(alone, absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: another chain hash is a fork",
          "[replication][fault]") {
  Fixture fixture;
  ReplicaRig::Segment forked = fixture.segment;
  forked.heads[0].hash.bytes[0] ^= 1;
  fixture.CheckRefused(forked, absl::StatusCode::kAborted);
}

TEST_CASE("segment check: an origin without a chain hash is refused",
          "[replication][fault]") {
  Fixture fixture;
  fixture.CheckRefused({fixture.segment.frames, {}},
                       absl::StatusCode::kInvalidArgument);
}

TEST_CASE("segment check: every flipped byte is refused",
          "[replication][fault]") {
  Fixture fixture;
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
  Fixture fixture;
  for (std::size_t keep = 1; keep < fixture.segment.frames.size(); ++keep) {
    ReplicaRig::Segment bad = fixture.segment;
    bad.frames.resize(keep);
    REQUIRE_FALSE(fixture.b.Ingest(bad).ok());
  }
}

}  // namespace
}  // namespace syncline
