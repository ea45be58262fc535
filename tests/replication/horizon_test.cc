#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "kv/memory_store.h"
#include "log/subscription.h"
#include "replication/replica.h"
#include "replication/state/edits.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

void Truncate(ReplicaRig& rig, std::uint64_t through) {
  bool done = false;
  absl::Status status;
  rig->Truncate({through}, [&](const absl::Status& outcome) {
    status = outcome;
    done = true;
  });
  rig.RunUntil(done);
  INFO(status.ToString());
  REQUIRE(status.ok());
}

TEST_CASE("horizon: a view that lags is written back before its records go",
          "[replication][fault]") {
  boost::asio::io_context io;
  MemoryStore store;
  const std::uint64_t through = GENERATE(1, 12, 20);
  Hash digest;
  {
    ReplicaRig rig(io, store, "a");
    for (int i = 0; i < 20; ++i) rig.Put(std::to_string(i), "x");
    Truncate(rig, through);
    CHECK(rig->log().horizon() == Seq{through});
    digest = rig->state().Digest();
  }  // Nothing else is written: as after a crash.
  ReplicaRig rig(io, store, "a");
  CHECK(rig->state().Digest() == digest);
  CHECK(rig.Names("").size() == 20);
  CHECK(rig.Put("more", "x").seq == Seq{21});
}

TEST_CASE("horizon: a flush under way that is too old is not enough",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  Hash digest;
  {
    ReplicaRig rig(io, store, "a");
    rig.Put("1", "x");
    rig->Flush({});  // Covers seq 1, and is not written yet.
    bool committed = false;
    const auto second = rig->Commit(
        *CreateEffects(rig->state(), "2", ItemKind::kSymlink, "t", {}, 0),
        "user", Durability::kDurable,
        [&](const absl::Status&) { committed = true; });
    REQUIRE(second.ok());
    std::vector<std::uint64_t> horizons;
    bool done = false;
    rig->Flush([&](const absl::Status&) {});
    rig.RunUntil(committed);
    rig->Flush({});
    for (const std::uint64_t through : {1, 2}) {
      rig->Truncate({through}, [&, through](const absl::Status& status) {
        CHECK(status.ok());
        horizons.push_back(rig->log().horizon().value);
        done = through == 2;
      });
    }
    rig.RunUntil(done);
    CHECK(horizons == std::vector<std::uint64_t>{1, 2});
    digest = rig->state().Digest();
  }
  ReplicaRig rig(io, store, "a");
  CHECK(rig->state().Digest() == digest);
}

TEST_CASE("horizon: what is not durable cannot be truncated", "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  rig.Put("1", "x");
  absl::Status status;
  rig->Truncate({2}, [&](const absl::Status& outcome) { status = outcome; });
  rig.Settle();
  CHECK(absl::IsInvalidArgument(status));
  CHECK(rig->log().horizon() == Seq{0});
}

// A consumer that folds the changes of a log into its own copy of the tree.
class Follower {
 public:
  Follower(Replica& replica, Seq since)
      : subscription_(replica.log().Subscribe(since, Visibility::kDurable,
                                              [this] { ++woken; })) {}

  // The view as it is now, which is that of the log's head.
  void ReadView(const CausalState& state, const std::string& dir = "") {
    const auto rows = state.List(dir, "", 100'000);
    REQUIRE(rows.ok());
    for (const auto& [name, row] : *rows) {
      const std::string path = dir.empty() ? name : dir + "/" + name;
      if (row.IsDirectory()) {
        tree["/" + path] = "(dir)";
        ReadView(state, path);
      } else {
        tree["/" + path] = row.shown_sibling().payload();
      }
    }
  }

  // Everything there is; whether the position could be read from.
  absl::Status Read() {
    for (;;) {
      const auto span = subscription_->Next(1u << 20);
      if (!span.ok()) return span.status();
      if (span->empty()) return absl::OkStatus();
      RecordWalk walk(span->first, span->bytes);
      for (; walk.Valid(); walk.Next()) {
        ++records;
        const auto changes = DecodePathChanges(walk.record().changes);
        REQUIRE(changes.ok());
        for (const PathChange& change : *changes) Apply(change);
      }
      REQUIRE(walk.status().ok());
    }
  }

  std::map<std::string, std::string> tree;
  std::uint64_t records = 0;
  int woken = 0;

 private:
  void Apply(const PathChange& change) {
    using Type = PathChange::Type;
    const std::string path = "/" + change.path;
    switch (change.type) {
      case Type::kCreate:
      case Type::kUpdate:
        tree[path] = change.payload;
        break;
      case Type::kMkdir:
        tree[path] = "(dir)";
        break;
      case Type::kDelete:
      case Type::kRmdir:
        REQUIRE(tree.erase(path) == 1);
        break;
      case Type::kRename:
        Move("/" + change.from, path);
        break;
      default:
        FAIL("a change that this workload does not make");
    }
  }

  void Move(const std::string& from, const std::string& to) {
    std::map<std::string, std::string> moved;
    std::erase_if(tree, [&](const auto& entry) {
      if (entry.first != from && !entry.first.starts_with(from + "/")) {
        return false;
      }
      moved[to + entry.first.substr(from.size())] = entry.second;
      return true;
    });
    REQUIRE(!moved.empty());
    tree.merge(moved);
  }

  std::unique_ptr<Subscription> subscription_;
};

// Creates, edits, renames (files and whole directories) and removes, in turn,
// on `a`, and has `twin` take all of it in.
class Workload {
 public:
  Workload(ReplicaRig& a, ReplicaRig& twin) : a_(a), twin_(twin) {}

  void GrowTo(std::uint64_t head) {
    constexpr std::uint64_t kPart = 2000;
    while (a_->log().head().value < head) {
      const std::uint64_t part = std::min(head, a_->log().head().value + kPart);
      while (a_->log().head().value < part) Step();
      a_.Settle();
      Mirror();
    }
  }

 private:
  void Step() {
    const std::uint64_t n = a_->log().head().value;
    const std::string dir = Dir(n % 10);
    if (n < 10) {
      return Commit(
          CreateEffects(a_->state(), dir, ItemKind::kDirectory, "", {}, 0));
    }
    if (n % 997 == 0) {
      const std::string to = dir + "x";
      const auto seen = a_->state().Read(dir, false);
      dirs_[n % 10] = to;
      return Commit(RenameEffects(a_->state(), **seen, to, std::nullopt));
    }
    const std::string path = dir + "/f" + std::to_string(n / 10 % 70);
    const auto seen = a_->state().Read(path, false);
    REQUIRE(seen.ok());
    if (!*seen) {
      return Commit(CreateEffects(a_->state(), path, ItemKind::kSymlink,
                                  std::to_string(n), {}, 0));
    }
    if (n % 3 == 0) return Commit(RemoveEffects(a_->state(), **seen));
    if (n % 7 == 0 && !*a_->state().Lookup(path + "y")) {
      return Commit(
          RenameEffects(a_->state(), **seen, path + "y", std::nullopt));
    }
    Commit(EditEffects(a_->state(), **seen, std::to_string(n), {}));
  }

  std::string Dir(std::uint64_t number) {
    return dirs_.try_emplace(number, "d" + std::to_string(number))
        .first->second;
  }

  void Commit(absl::StatusOr<std::vector<Effect>> effects) {
    INFO(effects.status().ToString());
    REQUIRE(effects.ok());
    const auto made =
        a_->Commit(*std::move(effects), "user", Durability::kBuffered, {});
    INFO(made.status().ToString());
    REQUIRE(made.ok());
  }

  void Mirror() {
    ReplicaRig::Segment segment;
    const auto reader = a_->log().Read({.since = twin_->log().head()});
    Dot last;
    for (; reader->Valid(); reader->Next()) {
      segment.frames += reader->record().frame;
      last = reader->record().dot;
    }
    REQUIRE(reader->status().ok());
    segment.heads.push_back(**a_->NewestHead(last.origin));
    REQUIRE(segment.heads.back().dot == last);
    const auto ingested = twin_.Ingest(segment);
    INFO(ingested.status().ToString());
    REQUIRE(ingested.ok());
  }

  ReplicaRig& a_;
  ReplicaRig& twin_;
  std::map<std::uint64_t, std::string> dirs_;
};

// Scenario S4.
TEST_CASE("horizon: a snapshot and a subscription give what a twin has",
          "[replication][scenario]") {
  boost::asio::io_context io;
  MemoryStore store;
  MemoryStore twin_store;
  ReplicaRig a(io, store, "a");
  ReplicaRig twin(io, twin_store, "twin");
  Workload work(a, twin);
  work.GrowTo(45'000);
  Truncate(a, 40'000);

  Follower late(*a, a->log().durable());
  late.ReadView(a->state());
  REQUIRE(late.tree.size() > 200);
  work.GrowTo(50'000);
  REQUIRE(late.Read().ok());
  CHECK(late.records == 5'000);

  Follower whole(*twin, {0});
  REQUIRE(whole.Read().ok());
  CHECK(whole.records == 50'000);
  CHECK(late.tree == whole.tree);
  Follower now(*twin, twin->log().durable());
  now.ReadView(twin->state());
  CHECK(whole.tree == now.tree);
  CHECK(a->state().Digest() == twin->state().Digest());

  // Where one may begin. The scenario counts from the first record wanted,
  // a cursor from the last one had: its 50,001 is the cursor 50,000.
  const AppendLog& log = a->log();
  const LogId id = log.id();
  CHECK(log.Check(id, {39'999}) == CursorState::kBehindHorizon);
  CHECK(log.horizon() == Seq{40'000});
  CHECK(log.durable() == Seq{50'000});
  CHECK(absl::IsNotFound(Follower(*a, {39'999}).Read()));
  CHECK(log.Check(id, {40'000}) == CursorState::kValid);
  const auto first = log.Read({.since = {40'000}});
  REQUIRE(first->Valid());
  CHECK(first->record().seq == Seq{40'001});
  CHECK(log.Check(id, {50'000}) == CursorState::kValid);
  Follower waiting(*a, {50'000});
  REQUIRE(waiting.Read().ok());
  CHECK(waiting.records == 0);
  CHECK(log.Check(id, {50'001}) == CursorState::kInvalid);
  CHECK(log.Check(id, {60'000}) == CursorState::kInvalid);
  work.GrowTo(50'001);
  CHECK(waiting.woken == 1);
  REQUIRE(waiting.Read().ok());
  CHECK(waiting.records == 1);
}

}  // namespace
}  // namespace syncline
