#include "replication/rebuild.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "kv/file_content.h"
#include "kv/memory_store.h"
#include "proto/entry_codec.h"
#include "replication/state_intake.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/replica_rig.h"
#include "tests/testing/state_steps.h"

namespace syncline {
namespace {

using testing::FaultyStore;
using testing::ReplicaRig;

const Origin kFresh = *Origin::FromHex("00000000000000000000000000000f0e");

// Device A twice: `a` went on, `copy` was set back to two entries and went on
// by itself. B has what `a` wrote.
struct Forked {
  explicit Forked(const Replica::Options& options = {})
      : a(io, store_a, "alpha", options),
        b(io, store_b, "beta", options),
        copy(io, faulty, "alpha", options) {
    a.Put("both", "1");
    b.PullFrom(a);
    b.Mkdir("dir");
    a.PullFrom(b);
    a.Put("dir/file", "2");
    copy.PullFrom(a);
    a.Put("both", "right");
    a.Put("new", "of a");
    b.PullFrom(a);
  }

  Fork TheFork() { return {a->identity().self, 2}; }
  Replica::Identity FreshIdentity() {
    Replica::Identity identity = copy->identity();
    identity.self = kFresh;
    return identity;
  }

  // Gives up what the copy wrote, and opens it again.
  absl::StatusOr<Reissue> RebuildCopy() {
    const Replica::Identity identity = FreshIdentity();
    absl::StatusOr<Reissue> reissue = absl::UnknownError("");
    copy.Reopen(kFresh, [&](const Replica::Environment& environment) {
      joined_before = JoinedRecords(**AppendLog::Open(
          environment.commits, identity.number, environment.random, {}));
      reissue = Rebuild(environment, identity, TheFork(), {});
      faulty.Heal();
    });
    return reissue;
  }

  std::vector<Entry> EntriesOf(const Origin& origin) {
    std::vector<Entry> entries;
    const auto reader = copy->log().Read({});
    for (; reader->Valid(); reader->Next()) {
      if (reader->record().dot.origin == origin) {
        entries.push_back(DecodeEntry(reader->record().entry)->entry);
      }
    }
    return entries;
  }

  static int JoinedRecords(const AppendLog& log) {
    int joined = 0;
    const auto reader = log.Read({});
    for (; reader->Valid(); reader->Next()) {
      joined += reader->record().joined() ? 1 : 0;
    }
    return joined;
  }

  void RequireEqual() {
    copy.PullFrom(b);
    b.PullFrom(copy);
    CHECK(copy->log().frontier() == b->log().frontier());
    CHECK(copy->state().Digest() == b->state().Digest());
  }

  static Replica::Options ByHand() {
    Replica::Options options;
    options.strategy = Strategy::kManual;
    return options;
  }

  boost::asio::io_context io;
  MemoryStore store_a, store_b, store_copy;
  FaultyStore faulty{store_copy};
  ReplicaRig a;
  ReplicaRig b;
  ReplicaRig copy;
  int joined_before = 0;  // Records of a state in what was rebuilt.
};

TEST_CASE("rebuild: what others contradict is issued anew, and all end equal",
          "[replication]") {
  Forked forked;
  forked.copy.Put("mine", "of the copy");
  forked.copy.Put("both", "other");
  forked.copy.Put("mine", "again");
  forked.copy.Mkdir("folder");
  forked.copy.Put("folder/inside", "deep");
  const LogId before = forked.copy->log().id();
  const auto reissue = forked.RebuildCopy();
  INFO(reissue.status().ToString());
  REQUIRE(reissue.ok());
  CHECK(reissue->renamed().size() == 5);
  CHECK(forked.copy->log().id().bytes != before.bytes);
  const Origin a = forked.a->identity().self;
  CHECK(forked.copy->log().frontier().CounterOf(a) == 2);
  CHECK(forked.copy->log().frontier().CounterOf(kFresh) == 5);
  for (const Entry& entry : forked.EntriesOf(kFresh)) {
    CHECK(entry.cause == "reissue");
    CHECK(entry.generation() == 0);
    CHECK_FALSE(CausalState::Violation(entry));
  }
  CHECK(forked.copy.Show("mine") == "again");
  CHECK(forked.copy.Show("folder/inside") == "deep");
  forked.RequireEqual();
  CHECK(forked.b.Show("mine") == "again");
  CHECK(forked.b.Show("folder/inside") == "deep");
  CHECK(forked.b.Show("new") == "of a");
  // Two edits of one file made apart: a conflict like any other.
  CHECK(forked.b.Names("").size() == 6);
  CHECK(forked.copy->DeviceOf(kFresh) == forked.a->identity().device_key);
  REQUIRE(forked.copy->settled().size() == 1);
  CHECK(forked.copy->settled()[0].fork == forked.TheFork());
}

TEST_CASE("rebuild: an edit of an own new file replaces its renamed version",
          "[replication]") {
  Forked forked;
  forked.copy.Put("mine", "first");
  forked.copy.Rename("mine", "moved");
  forked.copy.Put("moved", "second");
  forked.copy.Remove("dir/file");
  REQUIRE(forked.RebuildCopy().ok());
  CHECK(forked.copy.Show("moved") == "second");
  CHECK(forked.copy.Show("mine") == "(none)");
  CHECK(forked.copy.Show("dir/file") == "(none)");
  CHECK(forked.copy->state().conflict_count() == 0);
  forked.RequireEqual();
}

TEST_CASE("rebuild: others' entries stay, but not those built on the fork",
          "[replication]") {
  Forked forked;
  MemoryStore store_d;
  ReplicaRig d(forked.io, store_d, "delta");
  d.Put("from d", "early");
  forked.copy.PullFrom(d);  // Proven apart from what comes later.
  forked.copy.Put("mine", "of the copy");
  d.PullFrom(forked.copy);
  d.Put("mine", "edited by d");
  d.Mkdir("of d");
  forked.copy.PullFrom(d);
  forked.copy.Put("of d/file", "in a directory of d");
  forked.copy.Put("mine", "edited by both");
  REQUIRE(forked.RebuildCopy().ok());
  CHECK(forked.copy->log().frontier().CounterOf(d->identity().self) == 1);
  CHECK(forked.copy.Show("from d") == "early");
  CHECK(forked.copy.Show("mine") == "edited by both");
  CHECK(forked.copy.Show("of d/file") == "in a directory of d");
  CHECK(forked.copy->state().conflict_count() == 0);
  forked.RequireEqual();
}

// Only the copy has what D wrote: it is all that there will ever be.
TEST_CASE("rebuild: what others wrote is kept though nobody else has it",
          "[replication]") {
  Forked forked;
  forked.copy.Put("mine", "of the copy");
  {
    MemoryStore store_d;
    ReplicaRig d(forked.io, store_d, "delta");
    d.Put("from d", "early");  // Proven by what stands behind the others only.
    d.PullFrom(forked.copy);
    d.Put("mine", "edited by d");
    d.Put("dir/more", "of d");
    d.Mkdir("of d");
    d.Put("of d/file", "of d");
    d.Rename("from d", "renamed");
    d.Remove("dir/file");
    d.Commit({EventEffect{"door", "opened"}});
    d.Commit({DocEffect{"app", "key", "value", {}, {}}});
    forked.copy.PullFrom(d);
  }
  const auto reissue = forked.RebuildCopy();
  REQUIRE(reissue.ok());
  CHECK(reissue->left_out().empty());
  CHECK(reissue->renamed().size() == 10);
  CHECK(forked.EntriesOf(kFresh).size() == 10);
  forked.RequireEqual();
  for (ReplicaRig* rig : {&forked.copy, &forked.b}) {
    CHECK(rig->Show("mine") == "edited by d");
    CHECK(rig->Show("of d/file") == "of d");
    CHECK(rig->Show("dir/more") == "of d");
    CHECK(rig->Show("renamed") == "early");
    CHECK(rig->Show("from d") == "(none)");
    CHECK(rig->Show("dir/file") == "(none)");
  }
  const auto document = forked.b->state().LookupDoc("app", "key");
  REQUIRE((document.ok() && document->has_value()));
}

// What the copy has issued anew for D comes from D as well: as it was, and
// issued anew by D when its turn comes.
TEST_CASE("rebuild: what its author brings later is the same, not more",
          "[replication]") {
  Forked forked(Forked::ByHand());
  MemoryStore store_d;
  ReplicaRig d(forked.io, store_d, "delta", Forked::ByHand());
  d.Put("from d", "early");
  d.PullFrom(forked.copy);
  forked.copy.Put("mine", "of the copy");
  d.PullFrom(forked.copy);
  d.Put("mine", "edited by d");
  d.Mkdir("of d");
  d.Put("of d/file", "of d");
  d.Rename("from d", "renamed");
  forked.copy.PullFrom(d);
  REQUIRE(forked.RebuildCopy().ok());
  // What only D saw, on top of it.
  d.Put("of d/file", "of d, later");
  const Origin fresh_d = *Origin::FromHex("00000000000000000000000000000f0d");
  Replica::Identity identity = d->identity();
  identity.self = fresh_d;
  d.Reopen(fresh_d, [&](const Replica::Environment& environment) {
    REQUIRE(Rebuild(environment, identity, forked.TheFork(), {}).ok());
  });
  CHECK(d.Show("from d") == "(none)");
  CHECK(d.Show("renamed") == "early");
  for (ReplicaRig* to : {&forked.copy, &d}) {
    to->PullFrom(forked.b);
    forked.b.PullFrom(*to);
  }
  forked.RequireEqual();
  d.PullFrom(forked.b);
  CHECK(d->state().Digest() == forked.b->state().Digest());
  // Nothing twice, but where D went on: there both are kept.
  const std::vector<std::string> names = {"both", "dir",  "mine",
                                          "new",  "of d", "renamed"};
  CHECK(forked.b.Names("") == names);
  CHECK(forked.b.Show("mine") == "edited by d");
  CHECK(forked.b->state().conflict_count() == 1);
  const auto file = forked.b->state().Lookup("of d/file");
  REQUIRE((file.ok() && file->has_value()));
  CHECK((*file)->siblings.size() == 2);
}

TEST_CASE("rebuild: what cannot be proven any more comes from others again",
          "[replication]") {
  Forked forked;
  MemoryStore store_d;
  ReplicaRig d(forked.io, store_d, "delta");
  d.Put("from d", "early");
  forked.b.PullFrom(d);
  forked.copy.Put("mine", "of the copy");
  d.PullFrom(forked.copy);
  d.Mkdir("of d");
  // They come together: one signature, behind what has to go, proves both.
  forked.copy.PullFrom(d);
  REQUIRE(forked.RebuildCopy().ok());
  const Origin origin = d->identity().self;
  CHECK(forked.copy->log().frontier().CounterOf(origin) == 0);
  CHECK_FALSE(forked.copy->NewestHead(origin)->has_value());
  CHECK(forked.copy.Show("from d") == "early");
  forked.RequireEqual();
  CHECK(forked.copy.Show("from d") == "early");
  CHECK(forked.copy->state().conflict_count() == 0);
  CHECK(*forked.copy->NewestHead(origin) == *forked.b->NewestHead(origin));
  // All that was kept can be passed on.
  MemoryStore store_e;
  ReplicaRig e(forked.io, store_e, "epsilon");
  e.PullFrom(forked.copy);
  CHECK(e->state().Digest() == forked.copy->state().Digest());
}

TEST_CASE("rebuild: what was given up does not come in again",
          "[replication][fault]") {
  Forked forked;
  MemoryStore store_c;
  ReplicaRig c(forked.io, store_c, "gamma");
  forked.copy.Put("mine", "of the copy");
  c.PullFrom(forked.copy);
  REQUIRE(forked.RebuildCopy().ok());
  // One who followed the copy still has it.
  const auto wrong = c.Missing(forked.copy->log().frontier());
  const absl::Status refused = forked.copy.Ingest(wrong).status();
  CHECK(absl::IsAborted(refused));
  CHECK(ForkedOrigin(refused) == forked.TheFork().origin);
  CHECK(forked.copy->health().ok());
  CHECK(forked.copy->log().frontier().CounterOf(forked.TheFork().origin) == 2);
  forked.RequireEqual();
}

// Who followed the copy and truncated its log cannot tell that it did.
TEST_CASE("rebuild: a state does not bring back what was given up",
          "[replication][fault]") {
  Forked forked;
  MemoryStore stores[2];
  ReplicaRig behind(forked.io, stores[0], "gamma");
  ReplicaRig follower(forked.io, stores[1], "delta");
  forked.copy.Put("mine", "of the copy");
  behind.PullFrom(forked.copy);
  forked.copy.Put("mine", "again");
  follower.PullFrom(forked.copy);
  REQUIRE(forked.RebuildCopy().ok());
  const Hash digest = forked.copy->state().Digest();
  for (ReplicaRig* wrong : {&behind, &follower}) {
    wrong->Put("more", "of theirs");
    testing::TruncateAll(*wrong);
    const StateHeader header = (*testing::PinOf(*wrong))->header();
    CHECK(absl::IsAborted(forked.copy->intake().Offer(header, "", "peer")));
  }
  CHECK(forked.copy->state().Digest() == digest);
  // Another rebuild does not forget it.
  const Origin next = *Origin::FromHex("00000000000000000000000000000f0f");
  Replica::Identity identity = forked.copy->identity();
  identity.self = next;
  forked.copy.Reopen(next, [&](const Replica::Environment& environment) {
    REQUIRE(Rebuild(environment, identity, {kFresh, 0}, {}).ok());
  });
  const StateHeader header = (*testing::PinOf(follower))->header();
  CHECK(absl::IsAborted(forked.copy->intake().Offer(header, "", "peer")));
  // What the others hold of the same origin is right.
  testing::TruncateAll(forked.b);
  testing::Join(forked.copy, forked.b);
  CHECK(forked.copy.Names("").size() > 3);
  CHECK(forked.copy->log().frontier().Covers({forked.TheFork().origin, 4}));
  CHECK(forked.copy.Show("mine") == "again");
}

TEST_CASE("rebuild: moves and removals of what others made there stay",
          "[replication]") {
  Forked forked;
  MemoryStore store_d;
  ReplicaRig d(forked.io, store_d, "delta");
  d.PullFrom(forked.copy);
  d.Put("of d", "built on the fork");
  // The copy follows d here: d's entry goes because its author had seen that.
  forked.copy.Put("seen", "by d");
  d.PullFrom(forked.copy);
  d.Put("theirs", "d");
  d.Put("theirs too", "d");
  forked.copy.PullFrom(d);
  forked.copy.Remove("theirs");
  forked.copy.Rename("theirs too", "moved");
  const auto reissue = forked.RebuildCopy();
  REQUIRE(reissue.ok());
  CHECK(reissue->left_out().empty());
  CHECK(forked.copy.Show("seen") == "by d");
  CHECK(forked.copy.Show("theirs") == "(none)");
  CHECK(forked.copy.Show("moved") == "d");
  forked.RequireEqual();
}

// As no Syncline makes them: an item that a void entry was to create.
TEST_CASE("rebuild: what names things that never were is made whole or left",
          "[replication]") {
  Forked forked;
  const Origin a = forked.copy->identity().self;
  Reissue reissue;
  reissue.TakeOut(a, 3);
  const ItemId gone{a, 3, 0, ItemKind::kFile};
  Entry entry;
  entry.dot = {a, 4};
  entry.effects = {RemoveEffect{gone, {}, {}, {}}};
  CHECK(reissue.Rewrite(entry, {kFresh, 1}).empty());
  Location location;
  location.name = "name";
  entry.effects = {ContentEffect{gone, "payload", location, {}, {{a, 3}}, {}}};
  const std::vector<Effect> effects = reissue.Rewrite(entry, {kFresh, 1});
  REQUIRE(effects.size() == 3);
  const auto* create = std::get_if<CreateEffect>(&effects.front());
  const auto* content = std::get_if<ContentEffect>(&effects.back());
  REQUIRE((create && content));
  CHECK(create->item == ItemId{kFresh, 1, 0, ItemKind::kFile});
  CHECK(content->item == create->item);
  CHECK(content->supersedes.empty());
}

TEST_CASE("rebuild: whose a fork was is known where nothing of it is left",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig lost(io, store, "alpha");
  lost.Put("all", "of the copy");
  const Origin origin = lost->identity().self;
  Replica::Identity identity = lost->identity();
  identity.self = kFresh;
  lost.Reopen(kFresh, [&](const Replica::Environment& environment) {
    REQUIRE(Rebuild(environment, identity, {origin, 0}, {}).ok());
  });
  CHECK(lost->log().frontier().CounterOf(origin) == 0);
  CHECK(lost->DeviceOf(origin) == identity.device_key);
  CHECK(lost.Show("all") == "of the copy");
}

TEST_CASE("rebuild: nothing to take out changes nothing but the log's id",
          "[replication]") {
  Forked forked;
  const LogId before = forked.copy->log().id();
  const Hash digest = forked.copy->state().Digest();
  REQUIRE(forked.RebuildCopy().ok());
  CHECK(forked.copy->state().Digest() == digest);
  CHECK(forked.copy->log().id().bytes != before.bytes);
  CHECK(forked.copy->settled().size() == 1);
  forked.RequireEqual();
}

TEST_CASE("rebuild: a doubt outlives a restart, and ends with the fork",
          "[replication][fault]") {
  Forked forked;
  const Origin old = forked.copy->identity().self;
  const Origin other = *Origin::FromHex("00000000000000000000000000000bad");
  CHECK_FALSE(forked.copy->InDoubt(old));
  REQUIRE(forked.copy->Doubt(old).ok());
  REQUIRE(forked.copy->Doubt(other).ok());
  forked.copy.Reopen(old, [](const auto&) {});
  CHECK(forked.copy->InDoubt(old));
  forked.copy.Put("mine", "m");
  REQUIRE(forked.RebuildCopy().ok());
  CHECK_FALSE(forked.copy->InDoubt(old));
  CHECK(forked.copy->InDoubt(other));
  // Where there was nothing to give up, too.
  REQUIRE(forked.b->Doubt(other).ok());
  const Replica::Identity identity = forked.b->identity();
  forked.b.Reopen(identity.self, [&](const auto& environment) {
    REQUIRE(Rebuild(environment, identity, {other, 0}, {}).ok());
  });
  CHECK_FALSE(forked.b->InDoubt(other));
}

TEST_CASE("rebuild: a fork can be settled in favour of what is here",
          "[replication]") {
  Forked forked;
  const Origin old = forked.copy->identity().self;
  const Hash digest = forked.copy->state().Digest();
  REQUIRE(forked.copy->SettleAsIs({old, Fork::kUnknown}).ok());
  for (const bool again : {false, true}) {
    if (again) forked.copy.Reopen(kFresh, [](const auto&) {});
    REQUIRE(forked.copy->settled().size() == 1);
    CHECK(forked.copy->settled().front() ==
          SettledFork{{old, 2}, std::nullopt});
    CHECK(forked.copy->InDoubt(old));
  }
  CHECK(forked.copy->state().Digest() == digest);
}

TEST_CASE("rebuild: a truncated log is refused and nothing changes",
          "[replication][fault]") {
  Forked forked;
  forked.copy.Put("mine", "of the copy");
  testing::TruncateAll(forked.copy);
  const Hash digest = forked.copy->state().Digest();
  CHECK(absl::IsFailedPrecondition(forked.RebuildCopy().status()));
  CHECK(forked.copy->state().Digest() == digest);
  CHECK(forked.copy.Show("mine") == "of the copy");
}

// The state of a device that knows nothing of the fork.
TEST_CASE("rebuild: half of a state is dropped, a whole one is not",
          "[replication][fault]") {
  bool cut_short = false;
  for (std::uint64_t nth = 1;; ++nth) {
    INFO("the state stops at write " << nth);
    Forked forked;
    MemoryStore store_c;
    ReplicaRig c(forked.io, store_c, "gamma");
    for (int i = 0; i < 5; ++i) c.Put("of c" + std::to_string(i), "c");
    forked.copy.Put("mine", "of the copy");
    forked.copy.Settle();
    const auto pin = testing::PinOf(c);
    REQUIRE(pin.ok());
    forked.faulty.FailFrom(FaultyStore::Call::kWrite, nth,
                           absl::UnavailableError("stopped"));
    absl::Status in = testing::Stage(forked.copy, **pin, 200);
    if (in.ok()) in = testing::Await(forked.copy);
    forked.faulty.Heal();
    const bool whole = in.ok() && forked.copy->health().ok();
    const absl::Status rebuilt = forked.RebuildCopy().status();
    cut_short |= forked.joined_before > 0 && !whole;
    CHECK(forked.copy.Show("mine") == "of the copy");
    if (whole) {
      CHECK(absl::IsFailedPrecondition(rebuilt));
      CHECK(forked.copy.Show("of c0") != "(none)");
      break;
    }
    INFO(rebuilt.ToString());
    REQUIRE(rebuilt.ok());
    CHECK(forked.copy.Show("of c0") == "(none)");
    CHECK(Forked::JoinedRecords(forked.copy->log()) == 0);
    // It comes in again.
    testing::Join(forked.copy, c);
    forked.b.PullFrom(c);
    forked.RequireEqual();
    REQUIRE(nth < 100);
  }
  CHECK(cut_short);
}

TEST_CASE("rebuild: stopped at any write it is not begun, or completed",
          "[replication][crash]") {
  bool old_seen = false;
  bool new_seen = false;
  for (std::uint64_t nth = 1;; ++nth) {
    Forked forked;
    forked.copy.Put("mine", "of the copy");
    forked.copy.Put("both", "other");
    forked.faulty.FailFrom(FaultyStore::Call::kWrite, nth + 1,
                           absl::UnavailableError("stopped"));
    const bool rebuilt = forked.RebuildCopy().ok();
    CHECK(forked.copy.Show("mine") == "of the copy");
    const VersionVector& frontier = forked.copy->log().frontier();
    const bool done = frontier.CounterOf(kFresh) == 2;
    CHECK(frontier.CounterOf(forked.TheFork().origin) == (done ? 2 : 4));
    (done ? new_seen : old_seen) = true;
    if (rebuilt) break;
    // What is left of it does not disturb the next one.
    if (!done) REQUIRE(forked.RebuildCopy().ok());
    forked.RequireEqual();
  }
  CHECK(old_seen);
  CHECK(new_seen);
}

}  // namespace
}  // namespace syncline
