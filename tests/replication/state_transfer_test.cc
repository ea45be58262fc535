#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/replica.h"
#include "replication/state/edits.h"
#include "replication/state_header.h"
#include "replication/state_intake.h"
#include "tests/replication/state_replicas.h"
#include "tests/state/feed_fold.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/replica_rig.h"
#include "tests/testing/state_steps.h"

// A state from one replica into another, without a peer between them.

namespace syncline {
namespace {

using testing::Await;
using testing::FaultyStore;
using testing::FeedFold;
using testing::Fill;
using testing::Join;
using testing::PinOf;
using testing::ReplicaRig;
using testing::RequireSame;
using testing::Stage;
using testing::TruncateAll;

TEST_CASE("state_transfer: a new replica gets all that a truncated one has",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 20);
  TruncateAll(a);
  Join(b, a);
  RequireSame(a, b);
  CHECK(b->DeviceOf(a->identity().self) == a->identity().device_key);
  CHECK(b->wants().size() > 0);
  CHECK_FALSE(b->installing());
  CHECK(b->log().truncated() == a->log().frontier());
  CHECK(b.Names("d") == std::vector<std::string>{"e", "moved"});
  // It goes on: its own entry reaches the other as an entry.
  b.Put("own", "b");
  const auto tail = b.Missing(a->log().frontier());
  REQUIRE(a.Ingest(tail).ok());
  CHECK(a.Names("").back() == "own");
  RequireSame(a, b);
}

TEST_CASE("state_transfer: what content it names is wanted, also later",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  Fill(a, 20);
  TruncateAll(a);
  std::size_t wanted = 0;
  {
    ReplicaRig b(io, stores[1], "b");
    Join(b, a);
    wanted = b->wants().size();
    CHECK(wanted > 0);
    b.Settle();
  }
  ReplicaRig b(io, stores[1], "b");
  CHECK(b->wants().size() == wanted);
}

TEST_CASE("state_transfer: the feed leads to the view", "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 20);
  b.Put("f5", "another");
  b.Put("own", "b");
  Join(b, a);
  b.Settle();
  FeedFold fold;
  const auto reader = b->log().Read({});
  std::uint64_t joined = 0;
  for (; reader->Valid(); reader->Next()) {
    const auto changes = DecodePathChanges(reader->record().changes);
    REQUIRE(changes.ok());
    if (reader->record().joined()) {
      ++joined;
      CHECK(changes->size() <= 1);
    }
    REQUIRE(fold.Follow(*changes, b->state()) == "");
  }
  REQUIRE(reader->status().ok());
  CHECK(joined >= 20);
  CHECK(fold.Compare(b->state()) == "");
}

// The receiver dies at the `nth` write, again and again, until it is through.
void DieAtEveryWrite(std::uint64_t nth, ReplicaRig& a,
                     boost::asio::io_context& io) {
  INFO("every " << nth << " writes");
  MemoryStore memory;
  FaultyStore store(memory);
  int lives = 0;
  for (bool through = false; !through; ++lives) {
    REQUIRE(lives < 100);
    store.Heal();
    ReplicaRig b(io, store, "b");
    if (lives == 0) b.Put("own", "b");
    store.FailFrom(FaultyStore::Call::kWrite, nth,
                   absl::InternalError("killed"));
    const auto pin = PinOf(a);
    REQUIRE(pin.ok());
    absl::Status status = Stage(b, **pin, 300);
    if (status.ok()) status = Await(b);
    through = status.ok() && b->health().ok() &&
              b->log().frontier().Covers((*pin)->header().frontier);
  }
  CHECK(lives > 1);
  store.Heal();
  ReplicaRig b(io, store, "b");
  CHECK(b.Names("").back() == "own");
  a.PullFrom(b);
  RequireSame(a, b);
}

TEST_CASE("state_transfer: it goes on after being killed again and again",
          "[replication][fault]") {
  for (const std::uint64_t nth : {8, 9, 11}) {
    boost::asio::io_context io;
    MemoryStore store;
    ReplicaRig a(io, store, "a");
    Fill(a, 24);
    TruncateAll(a);
    DieAtEveryWrite(nth, a, io);
  }
}

TEST_CASE("state_transfer: killed once at each write of an installation",
          "[replication][fault]") {
  boost::asio::io_context io;
  MemoryStore store_of_a;
  ReplicaRig a(io, store_of_a, "a");
  Fill(a, 12);
  TruncateAll(a);
  for (std::uint64_t nth = 1;; ++nth) {
    INFO("killed at write " << nth);
    MemoryStore memory;
    FaultyStore store(memory);
    bool died = false;
    {
      ReplicaRig b(io, store, "b");
      store.FailFrom(FaultyStore::Call::kWrite, nth,
                     absl::InternalError("killed"));
      const auto pin = PinOf(a);
      absl::Status status = Stage(b, **pin, 700);
      if (status.ok()) status = Await(b);
      died = !b->health().ok();
    }
    store.Heal();
    ReplicaRig b(io, store, "b");
    (void)Await(b);
    Join(b, a);
    RequireSame(a, b);
    if (!died) break;
    REQUIRE(nth < 200);
  }
}

TEST_CASE("state_transfer: staging goes on where it stopped", "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  Fill(a, 20);
  const auto pin = PinOf(a);
  REQUIRE(pin.ok());
  std::string key;
  {
    ReplicaRig b(io, stores[1], "b");
    REQUIRE(Stage(b, **pin, 500, 2).ok());
    REQUIRE(b->intake().resumption());
    key = b->intake().resumption()->key;
    b.Settle();
  }
  ReplicaRig b(io, stores[1], "b");
  REQUIRE(b->intake().resumption());
  CHECK(b->intake().resumption()->id == (*pin)->header().id);
  CHECK(b->intake().resumption()->key == key);
  // The other has the pin still.
  const auto again = PinOf(a, (*pin)->header().id);
  REQUIRE(again.ok());
  CHECK(again->get() == pin->get());
  REQUIRE(Stage(b, **again, 500).ok());
  REQUIRE(Await(b).ok());
  RequireSame(a, b);
  CHECK_FALSE(b->intake().resumption());
}

TEST_CASE("state_transfer: a pin does not move and does not stay",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 10);
  const auto pin = PinOf(a);
  REQUIRE(pin.ok());
  const Hash digest = a->state().Digest();
  a.Remove("d/e/f0");
  a.Put("later", "x");
  REQUIRE(Stage(b, **pin, 700).ok());
  REQUIRE(Await(b).ok());
  CHECK(b->state().Digest() == digest);
  CHECK(b->log().frontier() == (*pin)->header().frontier);
  CHECK(b.Names("d/e").front() == "f0");
  // An hour later another takes its place.
  const std::string id = (*pin)->header().id;
  CHECK(PinOf(a, id)->get() == pin->get());
  a.time().now_ms += StatePins::kAgeMaxMs + 1;
  const auto other = PinOf(a, id);
  REQUIRE(other.ok());
  CHECK((*other)->header().id != id);
  CHECK((*other)->header().frontier == a->log().frontier());
}

TEST_CASE("state_transfer: pieces that are no state are refused",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 10);
  const auto pin = PinOf(a);
  REQUIRE(pin.ok());
  StateHeader header = (*pin)->header();
  const auto stage = [&](const std::string& bytes, bool end) {
    absl::Status status = absl::UnknownError("");
    bool done = false;
    b->intake().Stage(header.id, bytes, end, [&](const absl::Status& staged) {
      status = staged;
      done = true;
    });
    b.RunUntil(done);
    return status;
  };
  CHECK(absl::IsAborted(stage("", false)));  // Nothing was offered.
  CHECK(absl::IsInvalidArgument(b->intake().Offer(header, "i", "peer")));
  header.chains.pop_back();
  CHECK(absl::IsInvalidArgument(b->intake().Offer(header, "", "peer")));
  header = (*pin)->header();
  header.digest = Sha256("another");
  const std::string all = (*pin)->reader().Next("", 1u << 20)->bytes;
  REQUIRE(b->intake().Offer(header, "", "peer").ok());
  CHECK(absl::IsInvalidArgument(stage("nonsense", false)));
  CHECK(absl::IsInvalidArgument(stage(all, true)));  // Not that digest.
  CHECK(absl::IsAborted(stage(all, true)));
  CHECK(b->log().frontier().empty());
  CHECK(b->state().item_count() == 0);
  REQUIRE(Await(b).ok());
  Join(b, a);
  RequireSame(a, b);
}

TEST_CASE("state_transfer: while it is installed nothing else is taken",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  Fill(a, 10);
  const auto pin = PinOf(a);
  REQUIRE(Stage(b, **pin, 1u << 20).ok());
  REQUIRE(b->installing());
  const auto refused =
      b->Commit({EventEffect{"t", "p"}}, "user", Durability::kDurable, nullptr);
  CHECK(absl::IsUnavailable(refused.status()));
  CHECK(absl::IsUnavailable(PinOf(b).status()));
  absl::Status ingested;
  SegmentEntries none;
  b->Ingest(none, {}, [&](const absl::StatusOr<Replica::Ingested>& result) {
    ingested = result.status();
  });
  CHECK(absl::IsUnavailable(ingested));
  bool ready = false;
  b->WhenReady([&] { ready = true; });
  CHECK_FALSE(ready);
  b.RunUntil(ready);
  CHECK_FALSE(b->installing());
  RequireSame(a, b);
  CHECK(b.Put("own", "b").dot.counter == 1);
}

// Many files, as payloads without content.
void PutMany(ReplicaRig& rig, int count) {
  for (int i = 0; i < count; ++i) {
    const auto made =
        rig->Commit(*CreateEffects(rig->state(), std::to_string(i),
                                   ItemKind::kSymlink, "t", {}, 0),
                    "user", Durability::kBuffered, nullptr);
    REQUIRE(made.ok());
  }
  rig.Settle();
}

struct Guarded {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a{io, stores[0], "a"};
  std::unique_ptr<ReplicaRig> b = Open();

  std::unique_ptr<ReplicaRig> Open() {
    return std::make_unique<ReplicaRig>(io, stores[1], "b");
  }
  // `a` had `count` files, all known to `b`, and has removed `removed`.
  Guarded(int count, int removed) {
    PutMany(a, count);
    Join(*b, a);
    for (int i = 0; i < removed; ++i) a.Remove(std::to_string(i));
  }
};

TEST_CASE("state_transfer: no other takes the place of one that is whole",
          "[replication][fault]") {
  boost::asio::io_context io;
  MemoryStore stores[2];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  a.Put("f", "1");
  a.Settle();
  TruncateAll(a);
  const auto pin = PinOf(a);
  REQUIRE(pin.ok());
  a.Put("g", "2");
  a.Settle();
  const auto newer = PinOf(a);
  REQUIRE(newer.ok());
  REQUIRE((*newer)->header().id != (*pin)->header().id);
  const StateHeader& header = (*pin)->header();
  REQUIRE(b->intake().Offer(header, "", "peer").ok());
  const auto piece = (*pin)->reader().Next("", 1'000'000);
  REQUIRE(piece.ok());
  REQUIRE(piece->end);
  b->intake().Stage(header.id, piece->bytes, true, [](const absl::Status&) {});
  // It is still to be looked at.
  CHECK(absl::IsAlreadyExists(
      b->intake().Offer((*newer)->header(), "", "another peer")));
  REQUIRE(Await(b).ok());
  CHECK(b->state().Digest() == header.digest);
  CHECK(b->log().frontier() == header.frontier);
}

TEST_CASE("state_transfer: a state that drops much is held back",
          "[replication]") {
  Guarded guarded(1'200, 1'050);
  ReplicaRig& a = guarded.a;
  const auto pin = PinOf(a);
  REQUIRE(Stage(*guarded.b, **pin, 1u << 18).ok());
  CHECK(absl::IsFailedPrecondition(Await(*guarded.b)));
  const auto& held = (*guarded.b)->intake().held();
  REQUIRE(held);
  CHECK(held->loss.items == 1'200);
  CHECK(held->loss.dropped == 1'050);
  CHECK(held->device == "peer");
  CHECK_FALSE((*guarded.b)->installing());
  CHECK((*guarded.b)->state().item_count() == 1'200);
  // The same device again changes nothing, nor does a restart.
  CHECK(absl::IsFailedPrecondition(Stage(*guarded.b, **pin, 1u << 18)));
  guarded.b->Settle();
  guarded.b.reset();
  guarded.b = guarded.Open();
  CHECK(absl::IsFailedPrecondition(Await(*guarded.b)));

  SECTION("until another device offers the same") {
    CHECK(absl::IsAlreadyExists(
        (*guarded.b)->intake().Offer((*pin)->header(), "", "another peer")));
  }
  SECTION("until the user accepts it") {
    REQUIRE((*guarded.b)->intake().Accept().ok());
    CHECK(absl::IsFailedPrecondition((*guarded.b)->intake().Accept()));
  }
  REQUIRE(Await(*guarded.b).ok());
  RequireSame(a, *guarded.b);
  // What it dropped can be found: its records say what was there.
  const auto reader =
      (*guarded.b)->log().Read({.since = (*guarded.b)->log().horizon()});
  std::size_t deletions = 0;
  for (; reader->Valid(); reader->Next()) {
    const auto changes = DecodePathChanges(reader->record().changes);
    REQUIRE(changes.ok());
    for (const PathChange& change : *changes) {
      if (change.type != PathChange::Type::kDelete) continue;
      ++deletions;
      CHECK_FALSE(change.payload.empty());
      CHECK(change.version.has_value());
    }
  }
  CHECK(deletions == 1'050);
}

TEST_CASE("state_transfer: what drops few or a small part is not held back",
          "[replication]") {
  const int removed = GENERATE(1'000, 100);
  Guarded guarded(1'100, removed);
  Join(*guarded.b, guarded.a);
  RequireSame(guarded.a, *guarded.b);
}

// A device that was away while all logs were truncated.
TEST_CASE("state_transfer: nothing deleted comes back and real edits do",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore stores[3];
  ReplicaRig a(io, stores[0], "a");
  ReplicaRig b(io, stores[1], "b");
  ReplicaRig twin(io, stores[2], "twin");  // Truncates nothing.
  a.Mkdir("d");
  for (int i = 0; i < 10; ++i) a.Put("d/f" + std::to_string(i), "1");
  b.PullFrom(a);
  // Away: edits one file that is deleted meanwhile, and one that is renamed.
  b.Put("d/f0", "edited");
  b.Put("d/f5", "edited");
  for (int i = 0; i < 5; ++i) a.Remove("d/f" + std::to_string(i));
  for (int i = 5; i < 10; ++i) {
    a.Rename("d/f" + std::to_string(i), "r" + std::to_string(i));
  }
  twin.PullFrom(a);
  TruncateAll(a);
  CHECK_FALSE(b->log().frontier().Covers(a->log().truncated()));
  Join(b, a);
  CHECK(b.Names("d") == std::vector<std::string>{"f0"});
  CHECK(b.Show("d/f0") == "edited");
  CHECK(b.Show("r5") == "edited");
  // Its own tail is in its log still, and goes over as entries.
  CHECK(a->log().frontier().Covers(b->log().truncated()));
  a.PullFrom(b);
  twin.PullFrom(b);
  RequireSame(a, b);
  RequireSame(a, twin);
  CHECK(a.Names("d") == std::vector<std::string>{"f0"});
  CHECK(a.Show("r5") == "edited");
}

// Random users, truncations and states; a twin that never truncates.
TEST_CASE("state_transfer: random histories end like the twin's",
          "[replication][sim]") {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    INFO("seed " << seed);
    SeededRandom random(seed);
    boost::asio::io_context io;
    MemoryStore stores[4];
    std::unique_ptr<ReplicaRig> rigs[4];
    const char* const names[] = {"a", "bb", "ccc", "twin"};
    for (int i = 0; i < 4; ++i) {
      rigs[i] = std::make_unique<ReplicaRig>(io, stores[i], names[i]);
    }
    const auto pull = [&](std::size_t to, std::size_t from) {
      if (to == from) return;
      ReplicaRig& source = *rigs[from];
      source.Settle();
      if (!(*rigs[to])->log().frontier().Covers(source->log().truncated())) {
        Join(*rigs[to], source);
      }
      rigs[to]->PullFrom(source);
    };
    for (int step = 0; step < 60; ++step) {
      const std::size_t i = random.Below(3);
      ReplicaRig& rig = *rigs[i];
      const std::string path = "f" + std::to_string(random.Below(8));
      switch (random.Below(8)) {
        case 0:
        case 1:
        case 2:
          rig.Put(path, std::to_string(step));
          break;
        case 3:
          if (rig.Show(path) != "(none)") rig.Remove(path);
          break;
        case 4:
          if (rig.Show(path) != "(none)") rig.Rename(path, "g" + path);
          break;
        case 5:
          // What the twin has seen may go everywhere else.
          if (rig->log().frontier() == (*rigs[3])->log().frontier()) {
            TruncateAll(rig);
          } else {
            pull(3, i);
          }
          break;
        default:
          pull(i, random.Below(3));
      }
      rig.Settle();
    }
    for (int round = 0; round < 6; ++round) {
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) pull(i, j);
      }
    }
    for (int i = 0; i < 3; ++i) RequireSame(*rigs[i], *rigs[3]);
  }
}

}  // namespace
}  // namespace syncline
