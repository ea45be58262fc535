#include "replication/conflict_records.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "kv/memory_store.h"
#include "replication/project_settings.h"
#include "replication/replica.h"
#include "replication/state/edits.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

// Two devices that edited `x` apart; a person resolves.
struct RecordedConflict {
  RecordedConflict() {
    a.Commit(*StrategyEffects(a->state(), "", Strategy::kManual));
    a.Put("x", "base");
    b.PullFrom(a);
    of_a = a.Put("x", "from a").dot;
    of_b = b.Put("x", "from b").dot;
    b.PullFrom(a);
    a.PullFrom(b);
  }
  std::vector<ConflictRecord> Resolved(ReplicaRig& rig) const {
    return *rig->conflicts().Resolved(rig->log().horizon(), {}, 100);
  }
  void Choose(ReplicaRig& rig, std::string_view path) {
    const auto row = *rig->state().Lookup(path);
    chosen = rig.Commit(
        *ChooseEffects(rig->state(), path, row->shown_sibling().payload()));
  }
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a{io, store_a, "a"};
  ReplicaRig b{io, store_b, "b"};
  Dot of_a;
  Dot of_b;
  Replica::Committed chosen;
};

TEST_CASE("conflict_records: a conflict has its sides and its record",
          "[replication]") {
  RecordedConflict c;
  const ConflictRecord* open = c.b->conflicts().OpenAt("x");
  REQUIRE(open != nullptr);
  CHECK(open->seq == Seq{4});
  CHECK(open->path == "x");
  REQUIRE(open->sides.size() == 2);
  CHECK(open->sides[0].version == std::min(c.of_a, c.of_b));
  CHECK(open->sides[1].version == std::max(c.of_a, c.of_b));
  CHECK(open->sides[0].size == 6);
  CHECK(open->sides[0].kind == ItemKind::kFile);
  CHECK_FALSE(open->sides[0].automatic);
  CHECK_FALSE(open->resolution);
  const auto at = *c.b->conflicts().At(Seq{4}, "x");
  REQUIRE(at);
  CHECK(*at == *open);
  CHECK_FALSE(*c.b->conflicts().At(Seq{3}, "x"));
  CHECK(c.Resolved(c.b).empty());
}

TEST_CASE("conflict_records: a resolved conflict says how and by whom",
          "[replication]") {
  RecordedConflict c;
  c.Choose(c.a, "x");
  c.b.PullFrom(c.a);
  CHECK(c.b->conflicts().OpenAt("x") == nullptr);
  const std::vector<ConflictRecord> resolved = c.Resolved(c.b);
  REQUIRE(resolved.size() == 1);
  REQUIRE(resolved[0].resolution);
  CHECK(resolved[0].seq == Seq{4});
  CHECK(resolved[0].resolution->seq == Seq{5});
  CHECK(resolved[0].resolution->by == c.chosen.dot);
  CHECK(resolved[0].resolution->cause == "user");
  CHECK(resolved[0].resolution->version == c.chosen.dot);
  CHECK(*c.b->conflicts().At(Seq{5}, "x") == resolved[0]);
  CHECK(*c.b->conflicts().At(Seq{4}, "x") == resolved[0]);
}

TEST_CASE("conflict_records: they survive a restart", "[replication]") {
  RecordedConflict c;
  const ConflictRecord open = *c.b->conflicts().OpenAt("x");
  ReplicaRig again(c.io, c.store_b, "b");
  REQUIRE(again->conflicts().OpenAt("x") != nullptr);
  CHECK(*again->conflicts().OpenAt("x") == open);
  c.Choose(again, "x");
  CHECK(c.Resolved(again).size() == 1);
}

TEST_CASE("conflict_records: a rename takes its conflict along",
          "[replication]") {
  RecordedConflict c;
  c.b.Rename("x", "y");
  REQUIRE(c.b->conflicts().OpenAt("y") != nullptr);
  CHECK(c.b->conflicts().OpenAt("x") == nullptr);
  c.b.Mkdir("d");
  c.b.Rename("y", "d/y");
  c.b.Rename("d", "e");
  const bool reopen = GENERATE(false, true);
  std::optional<ReplicaRig> again;
  if (reopen) again.emplace(c.io, c.store_b, "b");
  ReplicaRig& rig = reopen ? *again : c.b;
  REQUIRE(rig->conflicts().OpenAt("e/y") != nullptr);
  CHECK(rig->conflicts().OpenAt("e/y")->path == "x");
  c.Choose(rig, "e/y");
  REQUIRE(c.Resolved(rig).size() == 1);
  CHECK(c.Resolved(rig)[0].seq == Seq{4});
  CHECK(*rig->conflicts().At(c.chosen.seq, "e/y") == c.Resolved(rig)[0]);
}

TEST_CASE("conflict_records: a third side joins the others", "[replication]") {
  RecordedConflict c;
  MemoryStore store;
  ReplicaRig third(c.io, store, "third");
  // It knows the base alone.
  ReplicaRig::Segment base = c.a.Missing({});
  third.PullFrom(c.a);
  c.Choose(third, "x");
  const Dot edit = third.Put("x", "third").dot;
  c.a.Put("x", "more from a");
  c.a.PullFrom(third);
  const ConflictRecord* open = c.a->conflicts().OpenAt("x");
  REQUIRE(open != nullptr);
  CHECK(std::any_of(open->sides.begin(), open->sides.end(),
                    [&](const auto& side) { return side.version == edit; }));
}

TEST_CASE("conflict_records: what an automatic entry ended is listed",
          "[replication]") {
  RecordedConflict c;
  c.b.Commit(*StrategyEffects(c.b->state(), "", Strategy::kNewestWins));
  c.b.Settle();
  const std::vector<ConflictRecord> resolved = c.Resolved(c.b);
  REQUIRE(resolved.size() == 1);
  CHECK(resolved[0].resolution->cause == "auto:newest-wins");
}

TEST_CASE("conflict_records: a removed document ends its conflict",
          "[replication]") {
  RecordedConflict c;
  const auto put = [](ReplicaRig& rig, const char* value) {
    rig.Commit(*DocEffects(rig->state(), "n", "k", value));
  };
  put(c.a, "1");
  put(c.b, "2");
  c.b.PullFrom(c.a);
  const ConflictRecord* open = c.b->conflicts().OpenAt("doc:n/k");
  REQUIRE(open != nullptr);
  CHECK(open->reg.field == RegisterId::Field::kDoc);
  CHECK_FALSE(open->sides[0].kind);
  CHECK(open->sides[0].hash ==
        Sha256(open->sides[0].version.origin == c.a->identity().self ? "1"
                                                                     : "2"));
  // The shown value goes; the other one is left.
  c.b.Commit(*DocEffects(c.b->state(), "n", "k", std::nullopt));
  CHECK(c.b->conflicts().OpenAt("doc:n/k") == nullptr);
  CHECK(c.Resolved(c.b).size() == 1);
}

TEST_CASE("conflict_records: they go with the records of the log",
          "[replication]") {
  RecordedConflict c;
  c.Choose(c.b, "x");
  const std::uint64_t last = c.b->log().head().value;
  const auto truncate = [&](std::uint64_t through) {
    bool done = false;
    c.b->Truncate(Seq{through}, [&](const absl::Status& status) {
      REQUIRE(status.ok());
      done = true;
    });
    c.b.RunUntil(done);
    c.b.Settle();
  };
  truncate(last - 1);
  CHECK(c.Resolved(c.b).size() == 1);
  truncate(last);
  CHECK(c.Resolved(c.b).empty());
  CHECK_FALSE(*c.b->conflicts().At(Seq{last}, "x"));
  CHECK_FALSE(*c.b->conflicts().At(Seq{4}, "x"));
}

}  // namespace
}  // namespace syncline
