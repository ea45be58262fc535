// Runs seeds of the simulator; see README.md.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "tests/sim/sim_run.h"

namespace syncline::testing {
namespace {

struct Flags {
  std::uint64_t seed = 1;
  std::uint64_t count = 1;
  bool script = false;
  bool shrink = false;
  std::string file;
};

Flags Parse(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool more = i + 1 < argc;
    if (flag == "--script") {
      flags.script = true;
    } else if (flag == "--shrink") {
      flags.shrink = true;
    } else if (flag == "--seed" && more) {
      flags.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--count" && more) {
      flags.count = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--file" && more) {
      flags.file = argv[++i];
    } else {
      std::fprintf(stderr,
                   "sim [--seed N] [--count N] [--script] [--shrink] "
                   "[--file SCRIPT]\n");
      std::exit(2);
    }
  }
  return flags;
}

void Fail(const SimScript& script, const std::string& fault, bool shrink) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(script.seed),
              fault.c_str());
  if (!shrink) return;
  const SimScript shortest = Shrink(script);
  std::printf("%s%s\n", shortest.ToText().c_str(),
              RunScript(shortest).fault.c_str());
}

// Whether all held.
bool RunOne(const SimScript& script, const Flags& flags, SimOutcome& total) {
  const SimOutcome outcome = RunScript(script);
  total.entries += outcome.entries;
  total.simulated_ms += outcome.simulated_ms;
  total.joined += outcome.joined;
  total.forks += outcome.forks;
  total.helped += outcome.helped;
  total.refused += outcome.refused;
  if (!outcome.fault.empty()) {
    Fail(script, outcome.fault, flags.shrink);
    return false;
  }
  if (script.seed % 10 == 0 && RunScript(script).trace != outcome.trace) {
    std::printf("seed %llu: two runs differ\n",
                static_cast<unsigned long long>(script.seed));
    return false;
  }
  return true;
}

int RunFile(const Flags& flags) {
  std::ifstream in(flags.file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const absl::StatusOr<SimScript> script = SimScript::FromText(text);
  if (!script.ok()) {
    std::fprintf(stderr, "%s\n", script.status().ToString().c_str());
    return 2;
  }
  SimOutcome total;
  return RunOne(*script, flags, total) ? 0 : 1;
}

int Main(const Flags& flags) {
  if (!flags.file.empty()) return RunFile(flags);
  if (flags.script) {
    std::printf("%s", SimScript::Of(flags.seed).ToText().c_str());
    return 0;
  }
  std::uint64_t failed = 0;
  SimOutcome total;
  std::printf("seeds %llu to %llu\n",
              static_cast<unsigned long long>(flags.seed),
              static_cast<unsigned long long>(flags.seed + flags.count - 1));
  for (std::uint64_t i = 0; i < flags.count; ++i) {
    if (!RunOne(SimScript::Of(flags.seed + i), flags, total)) ++failed;
  }
  std::printf(
      "%llu entries, %llu records of states, %llu forks, %llu joined again, "
      "%llu sessions refused, %lld s of simulated time\n",
      static_cast<unsigned long long>(total.entries),
      static_cast<unsigned long long>(total.joined),
      static_cast<unsigned long long>(total.forks),
      static_cast<unsigned long long>(total.helped),
      static_cast<unsigned long long>(total.refused),
      static_cast<long long>(total.simulated_ms / 1000));
  std::printf("%llu of %llu failed\n", static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(flags.count));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::Parse;
  return syncline::testing::Main(Parse(argc, argv));
}
