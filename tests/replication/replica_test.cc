#include "replication/replica.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "kv/file_content.h"
#include "kv/memory_store.h"
#include "log/frame.h"
#include "proto/entry_codec.h"
#include "replication/state/edits.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

struct TwoReplicas {
  explicit TwoReplicas(Replica::Options options = {})
      : a(io, store_a, "a", options), b(io, store_b, "b", options) {}
  void Exchange() {
    for (int round = 0; round < 4; ++round) {
      b.PullFrom(a);
      a.PullFrom(b);
    }
    CHECK(a->log().frontier() == b->log().frontier());
    CHECK(a->state().Digest() == b->state().Digest());
  }
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a;
  ReplicaRig b;
};

TEST_CASE("replica: a commit is one record with its path changes",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  const Replica::Committed made = rig.Put("x.txt", "hello");
  CHECK(made.seq == Seq{1});
  REQUIRE(made.changes.size() == 1);
  CHECK(made.changes[0].type == PathChange::Type::kCreate);
  CHECK(made.changes[0].path == "x.txt");
  CHECK(rig.Show("x.txt") == "hello");
  CHECK(rig->log().durable() == Seq{1});
  CHECK(rig.Put("x.txt", "again").seq == Seq{2});
  CHECK(rig.Show("x.txt") == "again");
}

TEST_CASE("replica: entries travel and both sides end equal", "[replication]") {
  TwoReplicas two;
  two.a.Mkdir("dir");
  two.a.Put("dir/one", std::string(300000, 'x'));
  two.a.Put("dir/two", "2");
  two.Exchange();
  CHECK(two.b.Show("dir/one") == std::string(300000, 'x'));
  two.b.Rename("dir", "moved");
  two.b.Remove("moved/two");
  two.Exchange();
  CHECK(two.a.Names("moved") == std::vector<std::string>{"one"});
  CHECK(two.a->wants().size() == 0);
  CHECK(two.b->wants().size() == 0);
}

TEST_CASE("replica: known entries are skipped", "[replication]") {
  TwoReplicas two;
  two.a.Put("x", "1");
  two.Exchange();
  const auto again = two.b.Ingest(two.a.Missing({}));
  REQUIRE(again.ok());
  CHECK(again->applied == 0);
  CHECK(again->duplicates == 1);
  CHECK(two.b->log().head() == Seq{1});
}

TEST_CASE("replica: keep-both answers a conflict the same way on both sides",
          "[replication]") {
  TwoReplicas two;
  two.a.Put("note.txt", "first");
  two.Exchange();
  two.a.Put("note.txt", "from a");
  two.b.Put("note.txt", "from b");
  two.Exchange();
  const std::vector<std::string> names = two.a.Names("");
  CHECK(names.size() == 2);
  CHECK(names == two.b.Names(""));
  std::set<std::string> contents;
  for (const std::string& name : names) {
    CHECK(two.a.Show(name) == two.b.Show(name));
    contents.insert(two.a.Show(name));
  }
  CHECK(contents == std::set<std::string>{"from a", "from b"});
  CHECK(two.a->state().Conflicts()->empty());
}

TEST_CASE("replica: a manual conflict waits for a person", "[replication]") {
  TwoReplicas two({.strategy = Strategy::kManual});
  two.a.Put("note", "first");
  two.Exchange();
  two.a.Put("note", "from a");
  two.b.Put("note", "from b");
  two.Exchange();
  REQUIRE(*two.a->state().Conflicts() == std::vector<std::string>{"note"});
  CHECK(*two.b->state().Conflicts() == std::vector<std::string>{"note"});
  const std::size_t records = two.a->log().head().value;
  // A strategy chosen later takes up what is open.
  two.a->SetStrategy(Strategy::kNewestWins);
  two.a.Settle();
  CHECK(two.a->log().head().value == records + 1);
  two.Exchange();
  CHECK(two.b->state().Conflicts()->empty());
  CHECK(two.b.Names("") == std::vector<std::string>{"note"});
}

TEST_CASE("replica: opens as it was closed with or without a flush",
          "[replication][fault]") {
  boost::asio::io_context io;
  MemoryStore store;
  const bool flush = GENERATE(false, true);
  Hash digest;
  {
    ReplicaRig rig(io, store, "a");
    rig.Mkdir("d");
    for (int i = 0; i < 50; ++i) {
      rig.Put("d/" + std::to_string(i), std::to_string(i));
      if (i == 20 && flush) {
        bool done = false;
        rig->Flush([&](const absl::Status& status) {
          CHECK(status.ok());
          done = true;
        });
        rig.RunUntil(done);
      }
    }
    rig.Remove("d/7");
    digest = rig->state().Digest();
  }
  ReplicaRig rig(io, store, "a");
  CHECK(rig->state().Digest() == digest);
  CHECK(rig.Names("d").size() == 49);
  CHECK(rig.Put("d/8", "more").seq == Seq{53});
}

TEST_CASE("replica: an entry that would be void is refused", "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  const auto refused = [&](std::vector<Effect> effects) {
    return rig->Commit(std::move(effects), "user", Durability::kDurable, {})
        .status()
        .code();
  };
  CHECK(refused({}) == absl::StatusCode::kInvalidArgument);
  CHECK(refused({CreateEffect{kRoot}}) == absl::StatusCode::kInvalidArgument);
  CHECK(rig->log().head() == Seq{0});
  CHECK(rig.Put("x", "1").seq == Seq{1});
}

TEST_CASE("replica: rows of a commit are in its batch", "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  bool done = false;
  const auto committed = rig->Commit(
      {EventEffect{"topic", "payload"}}, "user", Durability::kDurable,
      [&](const absl::Status&) { done = true; },
      [&](const Replica::Committed& made, WriteBatch& rows) {
        rows.Put(Column::kMirror, "row", made.dot.ToText());
      });
  REQUIRE(committed.ok());
  rig.RunUntil(done);
  CHECK(*store.Get(Column::kMirror, "row") == committed->dot.ToText());
}

TEST_CASE("replica: the device of an origin is known after its first entry",
          "[replication]") {
  TwoReplicas two;
  two.a.Put("x", "1");
  two.Exchange();
  const Origin origin = two.a->identity().self;
  CHECK(two.b->DeviceOf(origin) == two.a->identity().device_key);
  CHECK(two.b->DeviceOf(two.b->identity().self).empty());
}

TEST_CASE("replica: a void entry of a peer is counted and has no effect",
          "[replication][fault]") {
  TwoReplicas two;
  two.a.Put("x", "1");
  two.Exchange();
  // B writes what its own check would refuse: a name that leaves the root.
  Entry bad = two.b->state().MakeEntry({}, "user", 1'750'000'000'000);
  const ItemId item{bad.dot.origin, bad.dot.counter, 0, ItemKind::kFile};
  bad.effects = {CreateEffect{item},
                 PlaceEffect{item, Location{kRoot, "../x", {}}, {}}};
  const std::string bytes = *EncodeEntry(bad, two.b->identity().device_key);
  ReplicaRig::Segment segment;
  AppendFrame(segment.frames, bytes);
  ChainHead head{bad.dot, Sha256(Hash{}.view(), bytes), {}};
  head.signature =
      *SignChain(*two.b->identity().device, two.b->identity().project, head);
  segment.heads = {head};
  const auto taken = two.a.Ingest(segment);
  REQUIRE(taken.ok());
  CHECK(two.a->log().frontier().CounterOf(bad.dot.origin) == 1);
  CHECK(two.a.Names("") == std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace syncline
