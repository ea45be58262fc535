#include <catch2/catch.hpp>

#include <functional>

#include "replication/state/edits.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/opened_state.h"

namespace syncline {
namespace {

using testing::CompareWithNaive;
using testing::kNow;
using testing::ListAll;
using testing::OpenedState;
using testing::PlainState;
using testing::SomeState;

std::string Everything(const CausalState& state) {
  std::string text = state.Digest().ToHex() + state.frontier().Encode() +
                     std::to_string(state.item_count()) + " " +
                     std::to_string(state.conflict_count());
  for (const auto& [path, row] : ListAll(state)) {
    text += "\n" + path + " " + testing::Describe(row);
  }
  return text;
}

using Action = std::function<absl::Status(CausalState&)>;

// Fails every read of an action in turn: nothing may have changed then, and
// the action must succeed afterwards.
void RequireAllOrNothing(const CausalState::Snapshot& snapshot,
                         const Action& action) {
  std::string expected;
  {
    OpenedState undisturbed;
    undisturbed.Open(snapshot);
    REQUIRE(action(*undisturbed.state).ok());
    expected = Everything(*undisturbed.state);
  }
  bool failed = true;
  for (std::uint64_t nth = 1; failed; ++nth) {
    INFO("read " << nth);
    OpenedState opened;
    opened.Open(snapshot);
    const std::string before = Everything(*opened.state);
    REQUIRE(opened.OpenAgain().ok());
    opened.probe.FailRead(nth);
    const absl::Status status = action(*opened.state);
    failed = opened.probe.failed();
    opened.probe.Heal();
    REQUIRE(status.ok() == !failed);
    if (failed) {
      REQUIRE(Everything(*opened.state) == before);
      REQUIRE(action(*opened.state).ok());
    }
    REQUIRE(Everything(*opened.state) == expected);
    REQUIRE(CompareWithNaive(*opened.state) == "");
  }
}

TEST_CASE("state: a change that cannot read a row changes nothing",
          "[state][fault]") {
  const CausalState::Snapshot snapshot = SomeState();
  OpenedState opened;
  opened.Open(snapshot);
  // An entry of another author that touches every third row.
  const auto rows = ListAll(*opened.state);
  std::vector<Effect> effects;
  int number = 0;
  for (const auto& [path, row] : rows) {
    if (++number % 3 != 0) continue;
    const Token token = **opened.state->Read(path, true);
    auto more = row.IsDirectory() && number % 2 == 0
                    ? RenameEffects(*opened.state, token, "moved", std::nullopt)
                    : RemoveEffects(*opened.state, token);
    REQUIRE(more.ok());
    for (Effect& effect : *more) effects.push_back(std::move(effect));
  }
  REQUIRE(effects.size() >= 3);
  Entry entry = opened.state->MakeEntry(std::move(effects), "user", kNow);
  REQUIRE(CausalState::Violation(entry) == std::nullopt);
  RequireAllOrNothing(snapshot, [&entry](CausalState& state) {
    const auto applied = state.Apply(entry, 2, kNow);
    if (applied.ok()) REQUIRE(applied->outcome == ApplyOutcome::kApplied);
    return applied.status();
  });
}

TEST_CASE("state: a join that cannot read a row changes nothing",
          "[state][fault]") {
  CausalState::Snapshot theirs;
  theirs.frontier = SomeState().frontier;  // They have removed everything.
  RequireAllOrNothing(SomeState(), [&theirs](CausalState& state) {
    return state.Join(theirs, 2, kNow).status();
  });
}

TEST_CASE("state: a usual entry that cannot read a row changes nothing",
          "[state][fault]") {
  const CausalState::Snapshot snapshot = PlainState();
  OpenedState opened;
  opened.Open(snapshot);
  CausalState& s = *opened.state;
  const std::vector<std::vector<Effect>> usual = {
      *EditEffects(s, **s.Read("d/e/c", false), "2", {}),
      *CreateEffects(s, "d/new", ItemKind::kFile, "2", {}, 0),
      *CreateEffects(s, "new", ItemKind::kFile, "2", {}, 0),
      *DocEffects(s, "app", "k", "2"),
      *DocEffects(s, "app", "new", "2"),
      *RemoveEffects(s, **s.Read("d/b", false)),
      *RenameEffects(s, **s.Read("d/b", false), "d/e/b", std::nullopt)};
  for (const std::vector<Effect>& effects : usual) {
    const Entry entry = s.MakeEntry(effects, "user", kNow);
    RequireAllOrNothing(snapshot, [&entry](CausalState& state) {
      return state.Apply(entry, 2, kNow).status();
    });
  }
}

TEST_CASE("state: rows that are damaged are reported as data loss",
          "[state][fault]") {
  OpenedState opened;
  opened.Open(SomeState());
  WriteBatch damage;
  for (const Column column : {Column::kHeads, Column::kTree}) {
    auto at = opened.memory.NewIterator(column);
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      damage.Put(column, std::string(at->key()), "?");
    }
  }
  REQUIRE(opened.memory.Write(damage, false).ok());
  const auto again = CausalState::Open(opened.memory, OpenedState::kProject,
                                       opened.state->self(), {}, {});
  REQUIRE(absl::IsDataLoss(again.status()));
  REQUIRE(absl::IsDataLoss(opened.state->TakeSnapshot().status()));
  REQUIRE(absl::IsDataLoss(opened.state->List("", "", 10).status()));
}

}  // namespace
}  // namespace syncline
