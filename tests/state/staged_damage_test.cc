#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "replication/state/edits.h"
#include "replication/state/head_codec.h"
#include "replication/state/staged_state.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/probe_store.h"
#include "tests/state/test_replica.h"
#include "tests/testing/origins.h"

// A state on its way in: large, damaged on the disk, or made by who breaks the
// rules.
namespace syncline {
namespace {

using testing::kA;
using testing::kB;
using testing::kNow;
using testing::TestReplica;

void CreateOne(TestReplica& replica, const std::string& path, ItemKind kind) {
  REQUIRE(replica.Commit(
      *CreateEffects(replica.state(), path, kind,
                     kind == ItemKind::kDirectory ? "" : "1", {}, 0),
      kNow));
}

// `count` files in some directories, and documents.
void FillReplica(TestReplica& replica, int count) {
  for (const char* path : {"d", "d/e"}) {
    CreateOne(replica, path, ItemKind::kDirectory);
  }
  for (int i = 0; i < count; ++i) {
    CreateOne(replica, "d/e/" + std::to_string(i), ItemKind::kFile);
    if (i % 2 > 0) continue;
    REQUIRE(replica.Commit(
        *DocEffects(replica.state(), "app", "k" + std::to_string(i), "1"),
        kNow));
  }
}

void Stage(TestReplica& from, TestReplica& to) {
  from.Flush();
  to.Flush();
  const StatePiece piece =
      *StateReader(from.store(), TestReplica::kProject, nullptr)
           .Next("", 100u << 20);
  REQUIRE(piece.end);
  WriteBatch rows;
  StageProgress progress;
  REQUIRE(StagePiece(TestReplica::kProject, piece.bytes,
                     from.state().frontier(), progress, rows)
              .ok());
  REQUIRE(to.store().Write(rows, false).ok());
}

// How many times the join and the census were asked, if they came to an end.
absl::StatusOr<int> Walk(const Store& store, const VersionVector& theirs) {
  int calls = 0;
  StagedJoin join(store, TestReplica::kProject, theirs);
  for (bool end = false; !end; ++calls) {
    const auto part = join.Next(100'000);
    if (!part.ok()) return part.status();
    end = part->end;
  }
  JoinCensus census(store, TestReplica::kProject, theirs);
  for (bool end = false; !end; ++calls) {
    const auto step = census.Step();
    if (!step.ok()) return step.status();
    end = *step;
  }
  return calls;
}

TEST_CASE("staged_state: what is large is looked at a bit at a time",
          "[state]") {
  constexpr int kFiles = 10'000;
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  FillReplica(a, kFiles);
  REQUIRE(b.Join(*a.state().TakeSnapshot(), kNow).ok());
  // All of it is here already; then all of it is gone there.
  Stage(a, b);
  const auto same = Walk(b.store(), a.state().frontier());
  REQUIRE(same.ok());
  CHECK(*same > 3 * kFiles / static_cast<int>(StagedJoin::kScanRowsMax));
  TestReplica empty(kA, 0);
  WriteBatch drop;
  DropStaged(TestReplica::kProject, drop);
  REQUIRE(b.store().Write(drop, false).ok());
  const auto gone = Walk(b.store(), a.state().frontier());
  REQUIRE(gone.ok());
  CHECK(*gone > 3 * kFiles / static_cast<int>(StagedJoin::kScanRowsMax));
}

TEST_CASE("staged_state: many directories are joined a bit at a time",
          "[state]") {
  constexpr int kDirectories = 5'000;
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  for (int i = 0; i < kDirectories; ++i) {
    CreateOne(a, std::to_string(i), ItemKind::kDirectory);
  }
  Stage(a, b);
  REQUIRE(Walk(b.store(), a.state().frontier()).ok());
  REQUIRE(b.JoinInPieces(a, kNow).ok());
  CHECK(b.state().Digest() == a.state().Digest());
  CHECK(b.state().item_count() == kDirectories);
}

// Files that are new here need no look at what is here of them.
TEST_CASE("staged_state: new files are joined without reading rows of theirs",
          "[state]") {
  constexpr int kFiles = 200;
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  CreateOne(a, "d", ItemKind::kDirectory);
  for (int i = 0; i < kFiles; ++i) {
    CreateOne(a, "d/" + std::to_string(i), ItemKind::kFile);
  }
  Stage(a, b);
  testing::ProbeStore probe(b.store());
  auto state = *CausalState::Open(probe, TestReplica::kProject, kB, {}, {});
  const VersionVector theirs = a.state().frontier();
  std::size_t files = 0;
  const auto join = [&](const StatePart& part) {
    if (part.size() == 0) return;
    for (const StatePart::Item& item : part.items) {
      files += item.id.IsDirectory() ? 0 : 1;
      CHECK(item.is_new == !item.id.IsDirectory());
    }
    REQUIRE(state->JoinPart(part, theirs, 1, kNow).ok());
    const WriteBatch rows = state->TakeFlush(0);
    REQUIRE(b.store().Write(rows, false).ok());
    state->FlushWritten();
  };
  StagedJoin whole(b.store(), TestReplica::kProject, theirs);
  probe.Reset();
  for (bool end = false; !end;) {
    const StatePart part = *whole.Next(64);
    join(part);
    end = part.end;
  }
  CHECK(files == kFiles);
  CHECK(probe.reads().gets < kFiles / 2);
  state->FinishJoin(theirs);
  CHECK(state->Digest() == a.state().Digest());
  CHECK(testing::CompareWithNaive(*state) == "");
  // What is here by now is not new, were it another.
  StagedJoin again(b.store(), TestReplica::kProject, theirs);
  for (bool end = false; !end;) {
    const StatePart part = *again.Next(64);
    for (const StatePart::Item& item : part.items) CHECK_FALSE(item.is_new);
    end = part.end;
  }
}

TEST_CASE("staged_state: damaged rows are data loss", "[state][fault]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  FillReplica(a, 3);
  REQUIRE(b.Join(*a.state().TakeSnapshot(), kNow).ok());
  REQUIRE(a.Commit(*RemoveEffects(a.state(), **a.state().Read("d/e/1", false)),
                   kNow));
  CreateOne(a, "d/e/9", ItemKind::kFile);
  Stage(a, b);
  REQUIRE(Walk(b.store(), a.state().frontier()).ok());
  std::vector<std::pair<std::string, std::string>> rows;
  const auto at = b.store().NewIterator(Column::kHeads);
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    rows.emplace_back(std::string(at->key()), std::string(at->value()));
  }
  REQUIRE(rows.size() >= 12);
  int losses = 0;
  const auto walk = [&] {
    const auto walked = Walk(b.store(), a.state().frontier());
    REQUIRE((walked.ok() || absl::IsDataLoss(walked.status()) ||
             absl::IsNotFound(walked.status())));
    losses += walked.ok() ? 0 : 1;
  };
  for (const auto& [key, value] : rows) {
    for (const std::string& other :
         {std::string(), std::string("?"), value + "?"}) {
      WriteBatch damage;
      damage.Put(Column::kHeads, key, other);
      REQUIRE(b.store().Write(damage, false).ok());
      walk();
    }
    WriteBatch heal;
    heal.Put(Column::kHeads, key, value);
    REQUIRE(b.store().Write(heal, false).ok());
    for (const std::string& other :
         {key.substr(0, key.size() - 1), key + "?"}) {
      WriteBatch damage;
      damage.Put(Column::kHeads, other, value);
      REQUIRE(b.store().Write(damage, false).ok());
      walk();
      WriteBatch undo;
      undo.Delete(Column::kHeads, other);
      REQUIRE(b.store().Write(undo, false).ok());
    }
  }
  // An order of directories that names none.
  WriteBatch damage;
  damage.Put(Column::kHeads, rows.back().first.substr(0, 5) + "o", "");
  REQUIRE(b.store().Write(damage, false).ok());
  walk();
  WriteBatch undo;
  undo.Delete(Column::kHeads, rows.back().first.substr(0, 5) + "o");
  REQUIRE(b.store().Write(undo, false).ok());
  CHECK(losses > 20);
  REQUIRE(Walk(b.store(), a.state().frontier()).ok());
}

TEST_CASE("staged_state: a read that fails ends the join", "[state][fault]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  FillReplica(a, 3);
  REQUIRE(b.Join(*a.state().TakeSnapshot(), kNow).ok());
  REQUIRE(a.Commit(*RemoveEffects(a.state(), **a.state().Read("d/e/1", false)),
                   kNow));
  Stage(a, b);
  testing::ProbeStore probe(b.store());
  std::uint64_t nth = 0;
  do {
    probe.Heal();
    probe.FailRead(++nth);
    const auto walked = Walk(probe, a.state().frontier());
    REQUIRE(walked.ok() == !probe.failed());
  } while (probe.failed());
  CHECK(nth > 10);
  nth = 0;
  do {
    probe.Heal();
    probe.FailRead(++nth);
    const StateReader reader(probe, TestReplica::kProject, nullptr);
    const bool read = reader.Next("", 1u << 20).ok();
    REQUIRE(read == !probe.failed());
  } while (probe.failed());
  CHECK(nth > 2);
}

// ---- pieces

StoredHead HeadOf(std::uint64_t counter) {
  StoredHead head;
  head.order = {Hlc::Of(1, 0), kA, counter, 0};
  head.value = "v";
  head.sources = {head.order.dot()};
  head.at =
      std::make_shared<const StoredLocation>(StoredLocation{kRoot, "x", {}});
  return head;
}

ItemHeads FileOf(StoredHead content) {
  ItemHeads heads;
  StoredHead place = HeadOf(1);
  place.value.clear();
  place.sources.clear();
  heads.places.Insert(std::move(place));
  heads.contents.Insert(std::move(content));
  return heads;
}

// A piece of one item with `heads` and the ancestor chains `chains`.
absl::Status Decode(const ItemId& item, const ItemHeads& heads,
                    const std::vector<std::string>& chains = {}) {
  TestReplica a(kA, 0);
  a.Flush();
  // What it begins with.
  std::string bytes = StateReader(a.store(), TestReplica::kProject, nullptr)
                          .Next("", 1)
                          ->bytes.substr(0, 1);
  AppendVarint(bytes, chains.size());
  for (const std::string& chain : chains) AppendSized(bytes, chain);
  std::string key = "i";
  item.AppendKey(key);
  AppendSized(bytes, key);
  AppendSized(bytes, EncodeItemHeads(heads));
  VersionVector frontier;
  frontier.Raise(kA, 5);
  return DecodePiece(bytes, "", frontier).status();
}

TEST_CASE("state_piece: rows that nobody could have are refused",
          "[state][table]") {
  const ItemId file{kA, 1, 0, ItemKind::kFile};
  const ItemId directory{kA, 1, 0, ItemKind::kDirectory};
  REQUIRE(Decode(file, FileOf(HeadOf(1))).ok());
  const auto refuses = [](const ItemId& item, const ItemHeads& heads,
                          const std::vector<std::string>& chains = {}) {
    CHECK(absl::IsInvalidArgument(Decode(item, heads, chains)));
  };
  refuses(kRoot, FileOf(HeadOf(1)));
  refuses(file, ItemHeads());
  refuses(directory, FileOf(HeadOf(1)));
  refuses(file, FileOf(HeadOf(6)));
  refuses(file, FileOf(HeadOf(0)));
  StoredHead head = HeadOf(1);
  head.attrs = {{"b", "1"}, {"a", "1"}};
  refuses(file, FileOf(head));
  head = HeadOf(1);
  head.sources = {{kA, 2}, {kA, 1}};
  refuses(file, FileOf(head));
  const auto placed = [](StoredLocation at) {
    StoredHead other = HeadOf(1);
    other.at = std::make_shared<const StoredLocation>(std::move(at));
    return other;
  };
  refuses(file, FileOf(placed({kRoot, "..", {}})));
  refuses(file, FileOf(placed({directory, "x", {}})));
  refuses(file, FileOf(placed({directory, "x", {Sha256("none"), 1}})));
  refuses(file, FileOf(HeadOf(1)), {""});
  refuses(file, FileOf(HeadOf(1)), {"?"});
  ItemHeads twice = FileOf(HeadOf(2));
  twice.contents.Append(HeadOf(1));
  refuses(file, twice);
}

TEST_CASE("state_piece: a damaged store gives no piece", "[state][fault]") {
  TestReplica a(kA, 0);
  FillReplica(a, 2);
  a.Flush();
  const StateReader reader(a.store(), TestReplica::kProject, nullptr);
  // From behind a row that is gone meanwhile, and from behind the last.
  REQUIRE(reader.Next("d", 1)->rows == 1);
  const StatePiece all = *reader.Next("", 1u << 20);
  REQUIRE(reader.Next(all.last_key, 1)->rows == 0);
  for (const Column column : {Column::kHeads, Column::kChains}) {
    std::vector<std::string> keys;
    const auto at = a.store().NewIterator(column);
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      keys.emplace_back(at->key());
    }
    for (const std::string& key : keys) {
      INFO(ToHex(key));
      const std::string value = *a.store().Get(column, key);
      WriteBatch damage;
      if (column == Column::kHeads) {
        damage.Put(column, key, "?");
      } else {
        damage.Delete(column, key);
      }
      REQUIRE(a.store().Write(damage, false).ok());
      CHECK(absl::IsDataLoss(reader.Next("", 1u << 20).status()));
      WriteBatch heal;
      heal.Put(column, key, value);
      REQUIRE(a.store().Write(heal, false).ok());
    }
  }
}

TEST_CASE("staged_state: leftovers of the dead are joined and not counted",
          "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  FillReplica(a, 1);
  REQUIRE(b.Join(*a.state().TakeSnapshot(), kNow).ok());
  // A directory that is only an attribute, a file that is only a place.
  const Token directory = **b.state().Read("d", false);
  const Token file = **b.state().Read("d/e/0", false);
  REQUIRE(a.Commit({AttrEffect{directory.item, "mode", "1", {}},
                    AttrEffect{{kB, 0, 0, ItemKind::kDirectory}, "k", "v", {}},
                    PlaceEffect{file.item, {kRoot, "y", {}}, {}}},
                   kNow));
  REQUIRE(a.Commit(*RemoveEffects(a.state(), file), kNow));
  REQUIRE(b.JoinInPieces(a, kNow).ok());
  CHECK(b.state().Digest() == a.state().Digest());
  Stage(a, b);
  JoinCensus census(b.store(), TestReplica::kProject, a.state().frontier());
  REQUIRE(*census.Step());
  CHECK(census.loss().items == 2);
  CHECK(census.loss().dropped == 0);
  // And they may be dead there, too.
  TestReplica empty(kA, 0);
  WriteBatch drop;
  DropStaged(TestReplica::kProject, drop);
  REQUIRE(b.store().Write(drop, false).ok());
  REQUIRE(Walk(b.store(), a.state().frontier()).ok());
}

}  // namespace
}  // namespace syncline
