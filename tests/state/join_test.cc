#include <catch2/catch.hpp>

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

using Field = RegisterId::Field;

TEST_CASE("join: a removal whose entry is gone still removes", "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  const auto made = a.Commit(
      *CreateEffects(a.state(), "x", ItemKind::kFile, "1", {}, 0), kNow);
  REQUIRE(b.Apply(*made, kNow).ok());
  REQUIRE(b.Commit(
      *CreateEffects(b.state(), "own", ItemKind::kFile, "2", {}, 0), kNow));
  a.Commit(*RemoveEffects(a.state(), **a.state().Read("x", false)), kNow);
  const auto joined = b.Join(*a.state().TakeSnapshot(), kNow);
  REQUIRE(joined.ok());
  REQUIRE_FALSE(b.state().Lookup("x")->has_value());
  REQUIRE(b.state().Lookup("own")->has_value());
  REQUIRE(joined->changes.size() == 1);
  REQUIRE(joined->changes[0].type == PathChange::Type::kDelete);
  REQUIRE(joined->changes[0].path == "x");
}

TEST_CASE("join: installing a state twice changes nothing more",
          "[state][law]") {
  RandomHistory::Options options;
  options.wild = true;
  RandomHistory history(4, options);
  for (int k = 0; k < 150; ++k) history.Step();
  const auto snapshot = history.replica(0).state().TakeSnapshot();
  TestReplica fresh(kA, 0);
  REQUIRE(fresh.Join(*snapshot, kNow).ok());
  REQUIRE(fresh.state().Digest() == history.replica(0).state().Digest());
  REQUIRE(fresh.state().frontier() == history.replica(0).state().frontier());
  REQUIRE(testing::CompareWithNaive(fresh.state()) == "");
  const auto again = fresh.Join(*snapshot, kNow);
  REQUIRE(again.ok());
  REQUIRE(again->changes.empty());
  REQUIRE(fresh.state().Digest() == history.replica(0).state().Digest());
}

TEST_CASE("join: a directory takes the place of one that moved there and went",
          "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  testing::FeedFold fold;
  const auto make = [&](const char* path) {
    return *a.Commit(
        *CreateEffects(a.state(), path, ItemKind::kDirectory, "", {}, 0), kNow);
  };
  for (const char* path : {"a", "a/x"}) {
    const auto applied = b.Apply(make(path), kNow);
    REQUIRE(applied.ok());
    REQUIRE(fold.Follow(applied->changes, b.state()) == "");
  }
  a.Commit(*RenameEffects(a.state(), **a.state().Read("a", false), "b", {}),
           kNow);
  a.Commit(*RemoveEffects(a.state(), **a.state().Read("b/x", false)), kNow);
  make("b/x");
  const auto joined = b.Join(*a.state().TakeSnapshot(), kNow);
  REQUIRE(joined.ok());
  CHECK(fold.Follow(joined->changes, b.state()) == "");
}

TEST_CASE("join: content without sources is its own source", "[state]") {
  TestReplica a(kA, 0);
  a.Commit(*CreateEffects(a.state(), "x", ItemKind::kFile, "1", {}, 0), kNow);
  auto snapshot = *a.state().TakeSnapshot();
  for (auto& [reg, head] : snapshot.heads) head.sources.clear();
  TestReplica b(kB, 0);
  REQUIRE(b.Join(snapshot, kNow).ok());
  REQUIRE(b.state().Digest() == a.state().Digest());
}

CausalState::Snapshot OneFile() {
  TestReplica a(kA, 0);
  a.Commit(*CreateEffects(a.state(), "x", ItemKind::kFile, "1", {}, 0), kNow);
  return *a.state().TakeSnapshot();
}

// Each takes a good snapshot and makes it one that nobody could have.
struct Damage {
  const char* why;
  void (*apply)(CausalState::Snapshot&);
};
const Damage kDamages[] = {
    {"a head that the frontier does not cover",
     [](auto& s) { s.heads[0].second.order.counter = 2; }},
    {"a head with counter 0",
     [](auto& s) { s.heads[0].second.order.counter = 0; }},
    {"a head twice", [](auto& s) { s.heads.push_back(s.heads[0]); }},
    {"a register of the root", [](auto& s) { s.heads[0].first.item = kRoot; }},
    {"an illegal name",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) {
         if (auto* at = std::get_if<Location>(&head.value)) at->name = "..";
       }
     }},
    {"a parent that is not in the chain",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) {
         if (auto* at = std::get_if<Location>(&head.value)) {
           at->parent.counter = 1;
         }
       }
     }},
    {"content without a hint",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) head.hint.reset();
     }},
    {"content of a directory",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) {
         reg.item.kind = ItemKind::kDirectory;
       }
     }},
    {"a place that is no location",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) head.value = "text";
     }},
    {"attributes out of order",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) head.attrs = {{"b", ""}, {"a", ""}};
     }},
    {"an attribute twice",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) head.attrs = {{"a", "1"}, {"a", "2"}};
     }},
    {"sources out of order",
     [](auto& s) {
       for (auto& [reg, head] : s.heads) head.sources = {{kA, 2}, {kA, 1}};
     }},
    {"an unknown generation",
     [](auto& s) { s.heads[0].second.generation = 2; }},
};

TEST_CASE("join: a state that nobody could have is refused", "[state][table]") {
  for (const Damage& damage : kDamages) {
    INFO(damage.why);
    CausalState::Snapshot snapshot = OneFile();
    REQUIRE(snapshot.heads.size() == 2);
    damage.apply(snapshot);
    TestReplica b(kB, 0);
    const Hash before = b.state().Digest();
    const auto joined = b.Join(snapshot, kNow);
    REQUIRE(absl::IsInvalidArgument(joined.status()));
    REQUIRE(b.state().Digest() == before);
    REQUIRE(b.state().frontier().empty());
  }
}

}  // namespace
}  // namespace syncline
