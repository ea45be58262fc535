#include <catch2/catch.hpp>

#include <functional>
#include <string>

#include "kv/memory_store.h"
#include "replication/state/edits.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/probe_store.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::kA;
using testing::kNow;
using testing::ProbeStore;

constexpr ProjectNumber kCostProject{1};

void Commit(CausalState& state, std::vector<Effect> effects) {
  REQUIRE_FALSE(effects.empty());
  const Entry entry = state.MakeEntry(std::move(effects), "user", kNow);
  const auto applied = state.Apply(entry, entry.dot.counter, kNow);
  REQUIRE(applied.ok());
  REQUIRE(applied->outcome == ApplyOutcome::kApplied);
}

void CreateIn(CausalState& state, const std::string& path, ItemKind kind,
              const std::string& payload) {
  Commit(state, *CreateEffects(state, path, kind, payload, {}, 0));
}

void Flush(Store& store, CausalState& state) {
  const WriteBatch rows = state.TakeFlush(state.frontier().CounterOf(kA));
  REQUIRE(store.Write(rows, false).ok());
  state.FlushWritten();
}

// A project with `files` files three directories down, written back.
struct Filled {
  explicit Filled(int files) {
    auto state = *CausalState::Open(memory, kCostProject, kA, {}, {});
    for (const char* path : {"a", "a/b", "a/b/c", "other"}) {
      CreateIn(*state, path, ItemKind::kDirectory, "");
    }
    for (int done = 0; done < files;) {
      std::vector<Effect> effects;
      for (int k = 0; k < 200 && done < files; ++k, ++done) {
        auto more = CreateEffects(*state, "a/b/c/file" + std::to_string(done),
                                  ItemKind::kFile, "v", {}, effects.size());
        REQUIRE(more.ok());
        effects.insert(effects.end(), more->begin(), more->end());
      }
      Commit(*state, std::move(effects));
    }
    REQUIRE(testing::CompareWithNaive(*state) == "");
    Flush(memory, *state);
    frontier = state->frontier();
  }

  MemoryStore memory;
  VersionVector frontier;
};

Filled& Small() {
  static Filled filled(100);
  return filled;
}
Filled& Large() {
  static Filled filled(10000);
  return filled;
}

struct Cost {
  ProbeStore::Reads reads;
  std::size_t rows_written = 0;
  std::size_t changes = 0;
  friend bool operator==(const Cost&, const Cost&) = default;
};

using Edit = std::function<std::vector<Effect>(const CausalState&)>;

// Of one edit right after opening; nothing is written.
Cost CostOf(Filled& filled, const Edit& edit) {
  ProbeStore probe(filled.memory);
  auto state = *CausalState::Open(probe, kCostProject, kA, filled.frontier, {});
  probe.Reset();
  const Entry entry = state->MakeEntry(edit(*state), "user", kNow);
  const auto applied = state->Apply(entry, 1, kNow);
  REQUIRE(applied.ok());
  Cost cost;
  cost.changes = applied->changes.size();
  cost.reads = probe.reads();
  cost.rows_written = state->TakeFlush(1).size();
  return cost;
}

void RequireEqualCost(const Edit& edit, std::size_t rows_max) {
  const Cost small = CostOf(Small(), edit);
  const Cost large = CostOf(Large(), edit);
  INFO("gets " << small.reads.gets << " and " << large.reads.gets
               << ", iterators " << small.reads.iterators << " and "
               << large.reads.iterators << ", rows read " << small.reads.rows
               << " and " << large.reads.rows << ", rows written "
               << small.rows_written << " and " << large.rows_written);
  CHECK(small == large);
  REQUIRE(small.changes == 1);
  REQUIRE(large.rows_written <= rows_max);
}

TEST_CASE("cost: an edit costs the same in 100 and in 10000 files",
          "[state][cost]") {
  RequireEqualCost(
      [](const CausalState& state) {
        return *EditEffects(state, **state.Read("a/b/c/file7", false), "v2",
                            {});
      },
      4);  // Heads, the child row, the mark, and a chain.
}

TEST_CASE("cost: a new file costs the same in 100 and in 10000 files",
          "[state][cost]") {
  RequireEqualCost(
      [](const CausalState& state) {
        return *CreateEffects(state, "a/b/c/new", ItemKind::kFile, "v", {}, 0);
      },
      4);
}

TEST_CASE("cost: a removal costs the same in 100 and in 10000 files",
          "[state][cost]") {
  RequireEqualCost(
      [](const CausalState& state) {
        return *RemoveEffects(state, **state.Read("a/b/c/file7", false));
      },
      3);
}

TEST_CASE("cost: renaming a directory costs the same above 100 and 10000 files",
          "[state][cost]") {
  RequireEqualCost(
      [](const CausalState& state) {
        return *RenameEffects(state, **state.Read("a/b", false), "other/b",
                              std::nullopt);
      },
      6);
}

}  // namespace
}  // namespace syncline
