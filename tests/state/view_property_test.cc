#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>

#include "tests/state/feed_fold.h"
#include "tests/state/naive_view.h"
#include "tests/state/random_history.h"

namespace syncline {
namespace {

using testing::CompareWithNaive;
using testing::FeedFold;
using testing::RandomHistory;

// Seeds of one run: SYNCLINE_SEED is added to the first, SYNCLINE_SEEDS is how
// many there are.
std::uint64_t Environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

template <typename Body>
void ForSeeds(std::uint64_t first, const Body& body) {
  first += Environment("SYNCLINE_SEED", 0);
  const std::uint64_t count = Environment("SYNCLINE_SEEDS", 20);
  for (std::uint64_t seed = first; seed < first + count; ++seed) body(seed);
}

using Counts = std::map<PathChange::Type, std::uint64_t>;

// What was not followed was not tested.
void RequireAllKinds(const Counts& counts) {
  using ChangeType = PathChange::Type;
  for (const ChangeType type :
       {ChangeType::kCreate, ChangeType::kUpdate, ChangeType::kDelete,
        ChangeType::kRename, ChangeType::kMkdir, ChangeType::kRmdir,
        ChangeType::kAttr, ChangeType::kConflict, ChangeType::kResolve,
        ChangeType::kDoc, ChangeType::kSubtree}) {
    INFO("changes of type " << static_cast<int>(type));
    REQUIRE(counts.contains(type));
  }
}

// Runs one seed and checks the replica that a step changed: its view is the
// one that the rules define, and its feed leads to it.
void RunHistory(std::uint64_t seed, const RandomHistory::Options& options,
                int steps, Counts& counts) {
  INFO("seed " << seed);
  RandomHistory history(seed, options);
  std::vector<FeedFold> folds(history.size());
  std::string fault;
  for (std::size_t i = 0; i < history.size(); ++i) {
    history.replica(i).on_part = [&, i](const auto& changes) {
      const std::string found =
          folds[i].Follow(changes, history.replica(i).state());
      if (fault.empty()) fault = found;
    };
  }
  for (int k = 0; k < steps; ++k) {
    const std::size_t i = history.Step();
    INFO("step " << k << " at replica " << i);
    REQUIRE(history.fault() == "");
    REQUIRE(fault == "");
    const CausalState& state = history.replica(i).state();
    REQUIRE(CompareWithNaive(state) == "");
    REQUIRE(folds[i].Follow(history.replica(i).last_changes(), state) == "");
    REQUIRE(folds[i].Compare(state) == "");
  }
  history.Exchange();
  std::uint64_t crashes = 0;
  std::uint64_t flushes = 0;
  REQUIRE(history.fault() == "");
  for (std::size_t i = 0; i < history.size(); ++i) {
    const CausalState& state = history.replica(i).state();
    REQUIRE(state.frontier() == history.replica(0).state().frontier());
    REQUIRE(state.Digest() == history.replica(0).state().Digest());
    REQUIRE(CompareWithNaive(state) == "");
    crashes += history.replica(i).crashes();
    flushes += history.replica(i).flushes();
    for (const auto& [type, count] : folds[i].counts()) counts[type] += count;
  }
  REQUIRE(crashes > 0);
  REQUIRE(flushes > 0);
}

TEST_CASE("view: users' histories show what the rules define", "[state][law]") {
  Counts counts;
  ForSeeds(1, [&counts](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 3;
    options.check_rebuild = seed % 5 == 0;
    RunHistory(seed, options, 90, counts);
  });
  RequireAllKinds(counts);
}

TEST_CASE("view: moved directories show what the rules define",
          "[state][law]") {
  Counts counts;
  ForSeeds(1001, [&counts](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 3;
    options.folders = true;
    options.check_rebuild = seed % 5 == 0;
    RunHistory(seed, options, 90, counts);
  });
  RequireAllKinds(counts);
}

TEST_CASE("view: strange entries show what the rules define", "[state][law]") {
  Counts counts;
  ForSeeds(2001, [&counts](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 2;
    options.folders = seed % 2 == 0;
    options.wild = true;
    options.check_rebuild = seed % 5 == 0;
    RunHistory(seed, options, 90, counts);
  });
  RequireAllKinds(counts);
}

TEST_CASE("view: equal seeds give equal histories", "[state][law]") {
  std::string digests[2];
  for (std::string& digest : digests) {
    RandomHistory::Options options;
    options.wild = true;
    RandomHistory history(7, options);
    for (int k = 0; k < 120; ++k) {
      digest += history.replica(history.Step()).state().Digest().ToHex();
    }
  }
  REQUIRE(digests[0] == digests[1]);
}

}  // namespace
}  // namespace syncline
