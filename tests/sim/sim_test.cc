#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "tests/sim/sim_run.h"

namespace syncline::testing {
namespace {

// SYNCLINE_SEEDS: how many; SYNCLINE_SEED: the first.
std::uint64_t Environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("sim: nodes come together whatever happens to them", "[sim][law]") {
  const std::uint64_t first = Environment("SYNCLINE_SEED", 1);
  const std::uint64_t count = Environment("SYNCLINE_SEEDS", 100);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("seed " << seed);
    REQUIRE(RunScript(SimScript::Of(seed)).fault == "");
  }
}

TEST_CASE("sim: states go over where logs were truncated", "[sim]") {
  std::uint64_t joined = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    joined += RunScript(SimScript::Of(seed)).joined;
  }
  CHECK(joined > 0);
}

TEST_CASE("sim: equal seeds give equal runs", "[sim]") {
  for (const std::uint64_t seed : {3, 4, 5}) {
    const SimScript script = SimScript::Of(seed);
    const SimOutcome first = RunScript(script);
    CHECK(first.entries > 0);
    CHECK(RunScript(script).trace == first.trace);
  }
}

// Node 0 is set back and goes on alone for a while, or together with a node
// that had nothing of what it lost.
TEST_CASE("sim: a machine that was set back gives up what others contradict",
          "[sim]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::string text = "seed " + std::to_string(seed) + " nodes 3\n";
    const auto edits = [&](int at_ms, int node) {
      for (int i = 0; i < 8; ++i) {
        text += std::to_string(at_ms + i) + " edit " + std::to_string(node) +
                " 0 " + std::to_string(1000 * seed + at_ms + i) + "\n";
      }
    };
    edits(1'000, 0);
    text += "5000 image 0 0 0\n";
    const bool followed = seed % 2 == 0;
    if (followed) text += "5200 part 0 2 15500\n5200 part 1 2 60000\n";
    edits(5'500, 0);
    text += "20000 part 0 1 30000\n";
    if (!followed) text += "20000 part 0 2 30000\n";
    text += "20001 setback 0 0 10\n";
    edits(21'000, 0);
    edits(25'000, 1);
    edits(26'000, 2);
    edits(40'000, 2);
    INFO(text);
    const auto script = SimScript::FromText(text);
    REQUIRE(script.ok());
    const SimOutcome outcome = RunScript(*script);
    CHECK(outcome.fault == "");
    CHECK(outcome.forks >= (followed ? 2 : 1));
  }
}

TEST_CASE("sim: a script is read as it was written", "[sim]") {
  const SimScript script = SimScript::Of(17);
  const auto read = SimScript::FromText(script.ToText());
  REQUIRE(read.ok());
  CHECK(read->ToText() == script.ToText());
  for (const char* bad :
       {"", "seed 1", "seed 1 nodes 1", "seed 1 nodes 3\n1 x",
        "seed 1 nodes 3\n1 fly 0 1 2", "seed 1 nodes 3\n1 edit 0 3 2"}) {
    CHECK_FALSE(SimScript::FromText(bad).ok());
  }
}

}  // namespace
}  // namespace syncline::testing
