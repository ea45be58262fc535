#include "replication/state/staged_state.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "replication/state/edits.h"
#include "tests/state/feed_fold.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/random_history.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::kA;
using testing::kB;
using testing::kNow;
using testing::RandomHistory;
using testing::TestReplica;

void CreateNamed(TestReplica& replica, const std::string& path, ItemKind kind) {
  REQUIRE(replica.Commit(
      *CreateEffects(replica.state(), path, kind,
                     kind == ItemKind::kDirectory ? "" : "content of " + path,
                     {}, 0),
      kNow));
}

void Remove(TestReplica& replica, const std::string& path) {
  REQUIRE(replica.Commit(
      *RemoveEffects(replica.state(), **replica.state().Read(path, false)),
      kNow));
}

TEST_CASE("staged_state: joined part by part it is the state of the other",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    RandomHistory::Options options;
    options.wild = seed % 2 == 0;
    RandomHistory history(seed, options);
    for (int k = 0; k < 120; ++k) history.Step();
    TestReplica& theirs = history.replica(0);
    TestReplica fresh(kA, seed);
    REQUIRE(fresh.JoinInPieces(theirs, kNow).ok());
    REQUIRE(fresh.fault() == "");
    REQUIRE(fresh.state().Digest() == theirs.state().Digest());
    REQUIRE(fresh.state().frontier() == theirs.state().frontier());
    REQUIRE(testing::CompareWithNaive(fresh.state()) == "");
    fresh.ForgetChanges();
    REQUIRE(fresh.JoinInPieces(theirs, kNow).ok());
    CHECK(fresh.last_changes().empty());  // Once is enough.
  }
}

TEST_CASE("staged_state: two that join each other are equal", "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    RandomHistory history(seed, {});
    for (int k = 0; k < 120; ++k) history.Step();
    TestReplica& one = history.replica(0);
    TestReplica& two = history.replica(1);
    REQUIRE(one.JoinInPieces(two, kNow).ok());
    REQUIRE(two.JoinInPieces(one, kNow).ok());
    CHECK(one.state().Digest() == two.state().Digest());
    CHECK(one.state().frontier() == two.state().frontier());
    CHECK(testing::CompareWithNaive(two.state()) == "");
  }
}

TEST_CASE("staged_state: what they have seen die goes and the tail stays",
          "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  for (const char* path : {"d", "d/e"})
    CreateNamed(a, path, ItemKind::kDirectory);
  for (const char* path : {"d/e/x", "d/y", "z"}) {
    CreateNamed(a, path, ItemKind::kFile);
  }
  REQUIRE(b.JoinInPieces(a, kNow).ok());
  CHECK(b.last_changes().size() == 5);
  CreateNamed(b, "d/own", ItemKind::kFile);
  for (const char* path : {"d/e/x", "d/e", "d/y", "z"}) Remove(a, path);
  REQUIRE(b.JoinInPieces(a, kNow).ok());
  CHECK_FALSE(b.state().Lookup("d/e")->has_value());
  CHECK_FALSE(b.state().Lookup("z")->has_value());
  CHECK(b.state().Lookup("d/own")->has_value());
  // Files first, then what held them; each with what it was.
  const auto& changes = b.last_changes();
  REQUIRE(changes.size() == 4);
  for (int i = 0; i < 3; ++i) {
    CHECK(changes[i].type == PathChange::Type::kDelete);
    CHECK(changes[i].payload == "content of " + changes[i].path);
    CHECK(changes[i].version.has_value());
  }
  CHECK(changes[3].type == PathChange::Type::kRmdir);
}

TEST_CASE("staged_state: the census tells what a join would drop", "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  CreateNamed(a, "d", ItemKind::kDirectory);
  for (const char* path : {"d/x", "d/y", "z"})
    CreateNamed(a, path, ItemKind::kFile);
  REQUIRE(b.JoinInPieces(a, kNow).ok());
  CreateNamed(b, "own", ItemKind::kFile);
  Remove(a, "d/x");
  Remove(a, "z");
  a.Flush();
  b.Flush();
  const StatePiece piece =
      *StateReader(a.store(), TestReplica::kProject, nullptr)
           .Next("", 1u << 20);
  WriteBatch rows;
  StageProgress progress;
  REQUIRE(StagePiece(TestReplica::kProject, piece.bytes, a.state().frontier(),
                     progress, rows)
              .ok());
  REQUIRE(b.store().Write(rows, false).ok());
  JoinCensus census(b.store(), TestReplica::kProject, a.state().frontier());
  REQUIRE(*census.Step());
  CHECK(census.loss().items == 5);
  CHECK(census.loss().dropped == 2);
}

// One file below a directory, as a piece.
struct OnePiece {
  TestReplica a{kA, 0};
  VersionVector frontier;
  std::string bytes;

  OnePiece() {
    CreateNamed(a, "d", ItemKind::kDirectory);
    CreateNamed(a, "d/x", ItemKind::kFile);
    a.Flush();
    frontier = a.state().frontier();
    bytes = StateReader(a.store(), TestReplica::kProject, nullptr)
                .Next("", 1u << 20)
                ->bytes;
  }
};

TEST_CASE("state_piece: every change of a byte is refused or harmless",
          "[state][fuzz]") {
  const OnePiece good;
  REQUIRE(DecodePiece(good.bytes, "", good.frontier).ok());
  for (std::size_t at = 0; at < good.bytes.size(); ++at) {
    for (const int flip : {1, 0x40, 0x80}) {
      std::string bytes = good.bytes;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      const auto piece = DecodePiece(bytes, "", good.frontier);
      if (!piece.ok()) CHECK(absl::IsInvalidArgument(piece.status()));
    }
    const auto cut = DecodePiece(good.bytes.substr(0, at), "", good.frontier);
    if (!cut.ok()) CHECK(absl::IsInvalidArgument(cut.status()));
  }
}

TEST_CASE("state_piece: a piece from another place is refused", "[state]") {
  OnePiece good;
  const auto piece = DecodePiece(good.bytes, "", good.frontier);
  REQUIRE(piece.ok());
  REQUIRE(piece->rows.size() == 2);
  const std::string first = piece->rows[0].key;
  CHECK(absl::IsInvalidArgument(
      DecodePiece(good.bytes, first, good.frontier).status()));
  CHECK(absl::IsInvalidArgument(
      DecodePiece(good.bytes, "", VersionVector()).status()));
  // Behind the first row the second is one of its own.
  const auto rest = StateReader(good.a.store(), TestReplica::kProject, nullptr)
                        .Next(first, 1);
  REQUIRE(rest.ok());
  CHECK(rest->rows == 1);
  CHECK(rest->end);
  CHECK(DecodePiece(rest->bytes, first, good.frontier).ok());
}

}  // namespace
}  // namespace syncline
