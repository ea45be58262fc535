#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

#include "replication/state/edits.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/opened_state.h"

// Rows of a state that the disk has changed, and reads that fail: what comes
// from a disk may be anything, and ends in a status.
namespace syncline {
namespace {

using testing::kNow;
using testing::OpenedState;
using testing::PlainState;
using testing::SomeState;

struct Question {
  std::string what;
  std::function<absl::Status(const CausalState&)> ask;
};

// Everything that can be asked about the rows of `state`.
std::vector<Question> Questions(const CausalState& state) {
  std::vector<Question> all = {
      {"conflicts", [](const auto& s) { return s.Conflicts().status(); }},
      {"snapshot", [](const auto& s) { return s.TakeSnapshot().status(); }},
      {"documents",
       [](const auto& s) { return s.ListDocs("app", "").status(); }},
      {"all documents",
       [](const auto& s) { return s.ListDocsFrom("", "", true, 9).status(); }},
      {"a page of them",
       [](const auto& s) {
         return s.ListDocsFrom("a", "k", false, 1).status();
       }},
  };
  const auto add = [&all](std::string what, auto ask) {
    all.push_back({std::move(what), ask});
  };
  for (const auto& [path, row] : testing::ListAll(state)) {
    add("lookup " + path, [path = path](const CausalState& s) {
      return s.Lookup(path).status();
    });
    add("list " + path, [path = path](const CausalState& s) {
      const absl::Status listed = s.List(path, "", 100).status();
      return absl::IsFailedPrecondition(listed) ? absl::OkStatus() : listed;
    });
    add("read " + path, [path = path](const CausalState& s) {
      return s.Read(path, true).status();
    });
    add("locate " + path, [path = path](const CausalState& s) {
      return s.Locate(path + "/x").status();
    });
    for (const ItemId& item : row.items) {
      add("item " + item.ToText(),
          [item](const CausalState& s) { return s.PathOf(item).status(); });
      add("location of " + item.ToText(),
          [item](const CausalState& s) { return s.LocationOf(item).status(); });
      add("root for " + item.ToText(), [item](const CausalState& s) {
        return s.ShownAtRootFor(item).status();
      });
      add("heads of " + item.ToText(), [item](const CausalState& s) {
        return s.Heads({RegisterId::Field::kPlace, item, {}, {}}).status();
      });
    }
  }
  add("document", [](const CausalState& s) {
    const absl::Status heads =
        s.Heads({RegisterId::Field::kDoc, {}, "app", "k"}).status();
    return heads.ok() ? s.LookupDoc("app", "k").status() : heads;
  });
  return all;
}

// Fails each read of each question in turn; how many failed.
std::uint64_t FailQuestions(const CausalState::Snapshot& snapshot) {
  OpenedState opened;
  opened.Open(snapshot);
  std::uint64_t failures = 0;
  for (const Question& question : Questions(*opened.state)) {
    INFO(question.what);
    REQUIRE(opened.OpenAgain().ok());
    const absl::Status expected = question.ask(*opened.state);
    for (std::uint64_t nth = 1;; ++nth) {
      REQUIRE(opened.OpenAgain().ok());
      opened.probe.FailRead(nth);
      const absl::Status status = question.ask(*opened.state);
      const bool failed = opened.probe.failed();
      opened.probe.Heal();
      if (!failed) break;
      ++failures;
      REQUIRE(absl::IsInternal(status));
      // And what was remembered on the way is right.
      REQUIRE(question.ask(*opened.state) == expected);
    }
  }
  return failures;
}

TEST_CASE("state: a question whose read fails is answered with a status",
          "[state][fault]") {
  CHECK(FailQuestions(SomeState()) > 200);
  CHECK(FailQuestions(PlainState()) > 50);
}

// A row that the disk may have instead; nothing: none.
std::vector<std::optional<std::string>> Damaged(const std::string& value) {
  std::vector<std::optional<std::string>> all = {std::nullopt, "", "?",
                                                 value + "\xff"};
  if (!value.empty()) all.push_back(value.substr(0, value.size() - 1));
  if (value.size() > 8) {
    all.push_back(value.substr(0, value.size() / 2));
    std::string other = value;
    other[other.size() / 2] ^= '\x55';
    all.push_back(other);
    other = value;
    other[1] ^= '\x11';
    all.push_back(other);
  }
  return all;
}

struct StoredRow {
  Column column;
  std::string key;
  std::string value;
};

std::vector<StoredRow> RowsOf(const Store& store) {
  std::vector<StoredRow> rows;
  for (const Column column : {Column::kHeads, Column::kTree, Column::kChains}) {
    const auto at = store.NewIterator(column);
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      rows.push_back(
          {column, std::string(at->key()), std::string(at->value())});
    }
  }
  return rows;
}

// Asks and changes everything: each ends in some status.
void UseAll(OpenedState& opened, const std::vector<Question>& questions,
            const std::vector<Effect>& effects) {
  for (const Question& question : questions) {
    if (!opened.OpenAgain().ok()) return;
    question.ask(*opened.state).IgnoreError();
  }
  for (const Effect& effect : effects) {
    if (!opened.OpenAgain().ok()) return;
    const Entry entry = opened.state->MakeEntry({effect}, "user", kNow);
    opened.state->Apply(entry, 2, kNow).status().IgnoreError();
  }
  for (const bool joins : {false, true}) {
    if (!opened.OpenAgain().ok()) return;
    if (joins) {
      CausalState::Snapshot nothing;
      nothing.frontier = opened.state->frontier();
      opened.state->Join(nothing, 2, kNow).status().IgnoreError();
    } else {
      const Entry entry = opened.state->MakeEntry(effects, "user", kNow);
      opened.state->Apply(entry, 2, kNow).status().IgnoreError();
    }
  }
}

// Moves every third directory, removes other rows, ranks an author.
std::vector<Effect> ManyEffects(const CausalState& state) {
  std::vector<Effect> effects;
  std::size_t number = 0;
  for (const auto& [path, row] : testing::ListAll(state)) {
    if (++number % 2 == 0) continue;
    const Token token = **state.Read(path, true);
    auto more = row.IsDirectory() && number % 3 == 0
                    ? RenameEffects(state, token, "moved", std::nullopt)
                    : RemoveEffects(state, token);
    for (Effect& effect : *more) effects.push_back(std::move(effect));
    if (row.IsDirectory()) continue;
    more = EditEffects(state, token, "edited", {});
    effects.push_back(std::move(more->front()));
  }
  const std::string rank = "rank/" + state.frontier().slots()[0].origin.ToHex();
  auto ranks = DocEffects(state, "sys", rank, "5");
  effects.push_back(std::move(ranks->front()));
  return effects;
}

void Put(MemoryStore& store, const StoredRow& row,
         const std::optional<std::string>& value) {
  WriteBatch batch;
  if (value) {
    batch.Put(row.column, row.key, *value);
  } else {
    batch.Delete(row.column, row.key);
  }
  REQUIRE(store.Write(batch, false).ok());
}

// Damages rows one by one: each in `nth` of the ways.
void DamageRows(const CausalState::Snapshot& snapshot, std::uint64_t nth) {
  OpenedState opened;
  opened.Open(snapshot);
  const std::vector<Question> questions = Questions(*opened.state);
  const std::vector<Effect> effects = ManyEffects(*opened.state);
  const std::string digest = opened.state->Digest().ToHex();
  const std::vector<StoredRow> rows = RowsOf(opened.memory);
  REQUIRE(rows.size() > 15);
  std::uint64_t number = 0;
  for (const StoredRow& row : rows) {
    for (const auto& value : Damaged(row.value)) {
      // All kinds of damage over all kinds of rows, if not each with each.
      if (++number % nth != 0) continue;
      Put(opened.memory, row, value);
      UseAll(opened, questions, effects);
      Put(opened.memory, row, row.value);
    }
  }
  REQUIRE(opened.OpenAgain().ok());
  REQUIRE(opened.state->Digest().ToHex() == digest);
  REQUIRE(testing::CompareWithNaive(*opened.state) == "");
}

TEST_CASE("state: any row may be damaged or missing", "[state][fault]") {
  DamageRows(SomeState(), 3);
  DamageRows(PlainState(), 1);
}

// Puts rows beside those that are there.
void DamageKeys(const CausalState::Snapshot& snapshot) {
  OpenedState opened;
  opened.Open(snapshot);
  const std::vector<Question> questions = Questions(*opened.state);
  const std::vector<Effect> effects = ManyEffects(*opened.state);
  for (const StoredRow& row : RowsOf(opened.memory)) {
    if (row.key.size() < 8) continue;
    const StoredRow shorter{row.column, row.key.substr(0, row.key.size() - 2),
                            row.value};
    const StoredRow longer{row.column, row.key + "\x01\x02", row.value};
    for (const StoredRow& other : {shorter, longer}) {
      Put(opened.memory, other, other.value);
      UseAll(opened, questions, effects);
      Put(opened.memory, other, std::nullopt);
    }
  }
  REQUIRE(opened.OpenAgain().ok());
  REQUIRE(testing::CompareWithNaive(*opened.state) == "");
}

TEST_CASE("state: keys may be damaged", "[state][fault]") {
  DamageKeys(SomeState());
  DamageKeys(PlainState());
}

}  // namespace
}  // namespace syncline
