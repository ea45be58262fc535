#include <sys/resource.h>

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

std::string Edits(int at_ms, int node, std::uint64_t seed) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += std::to_string(at_ms + i) + " edit " + std::to_string(node) +
            " 0 " + std::to_string(1000 * seed + at_ms + i) + "\n";
  }
  return text;
}

// Node 0 is set back and goes on alone for a while, or together with a node
// that had nothing of what it lost.
TEST_CASE("sim: a machine that was set back gives up what others contradict",
          "[sim]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::string text = "seed " + std::to_string(seed) + " nodes 3\n";
    text += Edits(1'000, 0, seed);
    text += "5000 image 0 0 0\n";
    const bool followed = seed % 2 == 0;
    if (followed) text += "5200 part 0 2 15500\n5200 part 1 2 60000\n";
    text += Edits(5'500, 0, seed);
    text += "20000 part 0 1 30000\n";
    if (!followed) text += "20000 part 0 2 30000\n";
    text += "20001 setback 0 0 10\n";
    text += Edits(21'000, 0, seed);
    text += Edits(25'000, 1, seed);
    text += Edits(26'000, 2, seed);
    text += Edits(40'000, 2, seed);
    INFO(text);
    const auto script = SimScript::FromText(text);
    REQUIRE(script.ok());
    const SimOutcome outcome = RunScript(*script);
    CHECK(outcome.fault == "");
    CHECK(outcome.forks >= (followed ? 2 : 1));
  }
}

// Where logs were truncated: people remove the project on a device and join
// again. Each of these has found a mistake, mostly that what one device meant
// by a number was taken for what another did.
TEST_CASE("sim: a fork behind truncated logs ends, with people's help",
          "[sim][law]") {
  std::uint64_t helped = 0;
  for (const std::uint64_t seed :
       {35, 49, 69, 71, 134, 168, 173, 211, 388, 479, 589, 810, 1695}) {
    INFO("seed " << seed);
    const SimOutcome outcome = RunScript(SimScript::Of(seed));
    CHECK(outcome.fault == "");
    helped += outcome.helped;
  }
  CHECK(helped > 5);
}

// Node 1 stands between the others, and lies to both.
TEST_CASE("sim: what a device says that lies is refused", "[sim][law]") {
  std::uint64_t refused = 0;
  struct rusage before;
  struct rusage after;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::string text = "seed " + std::to_string(seed) + " nodes 3\n";
    text += "900 part 0 2 100000\n" + Edits(1'000, 0, seed);
    if (seed % 3 == 0) text += "4000 truncate 0 0 1000\n";
    text += "5000 lie 1 " + std::to_string(seed % 3 == 1 ? 1 : 0) + " 50000\n";
    for (int at_ms = 6'000; at_ms < 50'000; at_ms += 4'000) {
      text += Edits(at_ms, at_ms / 4'000 % 3, seed);
    }
    INFO(text);
    const auto script = SimScript::FromText(text);
    REQUIRE(script.ok());
    const SimOutcome outcome = RunScript(*script);
    CHECK(outcome.fault == "");
    refused += outcome.refused;
    REQUIRE(getrusage(RUSAGE_SELF, seed == 1 ? &before : &after) == 0);
  }
  CHECK(refused > 20);
  // Whatever sizes it names, nobody makes room for them.
  CHECK(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
}

// By all others or by node 0, for ever, for a while, or to come back anew.
TEST_CASE("sim: devices are removed, and come back", "[sim][law]") {
  for (const int by : {2, 0}) {
    for (const int ms : {0, 9'000, 9'001}) {
      const std::string text = "seed 1 nodes 3\n" + Edits(1'000, 2, 1) +
                               "6000 part 0 2 9000\n" + Edits(6'001, 2, 2) +
                               Edits(8'000, 0, 3) + "9000 remove 2 " +
                               std::to_string(by) + " " + std::to_string(ms) +
                               "\n" + Edits(10'000, 2, 4) +
                               Edits(11'000, 1, 5) + "12000 truncate 0 0 900\n";
      INFO(text);
      const auto script = SimScript::FromText(text);
      REQUIRE(script.ok());
      CHECK(RunScript(*script).fault == "");
    }
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
