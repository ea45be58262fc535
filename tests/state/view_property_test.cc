#include <catch2/catch.hpp>

#include <cstdlib>

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

// Runs one seed and checks the replica that a step changed: its view is the
// one that the rules define, and its feed leads to it.
void Run(std::uint64_t seed, const RandomHistory::Options& options, int steps) {
  INFO("seed " << seed);
  RandomHistory history(seed, options);
  std::vector<FeedFold> folds(history.size());
  for (int k = 0; k < steps; ++k) {
    const std::size_t i = history.Step();
    INFO("step " << k << " at replica " << i);
    REQUIRE(history.fault() == "");
    const CausalState& state = history.replica(i).state();
    REQUIRE(CompareWithNaive(state) == "");
    REQUIRE(folds[i].Follow(history.replica(i).last_changes(), state) == "");
    REQUIRE(folds[i].Compare(state) == "");
  }
  history.Exchange();
  REQUIRE(history.fault() == "");
  for (std::size_t i = 0; i < history.size(); ++i) {
    const CausalState& state = history.replica(i).state();
    REQUIRE(state.frontier() == history.replica(0).state().frontier());
    REQUIRE(state.Digest() == history.replica(0).state().Digest());
    REQUIRE(CompareWithNaive(state) == "");
  }
}

TEST_CASE("view: users' histories show what the rules define", "[state][law]") {
  ForSeeds(1, [](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 3;
    options.check_rebuild = seed % 5 == 0;
    Run(seed, options, 90);
  });
}

TEST_CASE("view: moved directories show what the rules define",
          "[state][law]") {
  ForSeeds(1001, [](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 3;
    options.folders = true;
    options.check_rebuild = seed % 5 == 0;
    Run(seed, options, 90);
  });
}

TEST_CASE("view: strange entries show what the rules define", "[state][law]") {
  ForSeeds(2001, [](std::uint64_t seed) {
    RandomHistory::Options options;
    options.replicas = 2 + seed % 2;
    options.folders = seed % 2 == 0;
    options.wild = true;
    options.check_rebuild = seed % 5 == 0;
    Run(seed, options, 90);
  });
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
