// Runs histories of replicas in memory; see README.md.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/histories/history.h"

namespace syncline::testing {
namespace {

struct Flags {
  std::uint64_t seed = 1;
  std::uint64_t count = 1;
  int steps = 60;
  bool trace = false;
  bool first = false;  // Ends with the first that fails.
};

Flags Parse(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool more = i + 1 < argc;
    if (flag == "--trace") {
      flags.trace = true;
    } else if (flag == "--first") {
      flags.first = true;
    } else if (flag == "--seed" && more) {
      flags.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--count" && more) {
      flags.count = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--steps" && more) {
      flags.steps = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr,
                   "histories [--seed N] [--count N] [--steps N] [--trace] "
                   "[--first]\n");
      std::exit(2);
    }
  }
  return flags;
}

// Empty if all held.
std::string RunOne(std::uint64_t seed, const Flags& flags,
                   HistoryOutcome& total) {
  std::vector<std::string> trace;
  const HistoryOutcome outcome =
      RunHistory(seed, flags.steps, flags.trace ? &trace : nullptr);
  for (const std::string& line : trace) std::printf("%s\n", line.c_str());
  if (!outcome.fault.empty()) return outcome.fault;
  total.entries += outcome.entries;
  total.joins += outcome.joins;
  total.refused += outcome.refused;
  total.conflicts += outcome.conflicts;
  // Some twice: a seed decides everything.
  if (seed % 64 != 0) return {};
  const bool same = RunHistory(seed, flags.steps).trace == outcome.trace;
  return same ? "" : "two runs differ";
}

int Main(const Flags& flags) {
  const auto number = [](std::uint64_t n) {
    return static_cast<unsigned long long>(n);
  };
  std::printf("seeds %llu to %llu\n", number(flags.seed),
              number(flags.seed + flags.count - 1));
  std::uint64_t failed = 0;
  HistoryOutcome total;
  for (std::uint64_t i = 0; i < flags.count; ++i) {
    const std::string fault = RunOne(flags.seed + i, flags, total);
    if (fault.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", number(flags.seed + i), fault.c_str());
    if (flags.first) break;
  }
  std::printf("%llu entries, %llu refused, %llu joins, %llu resolutions\n",
              number(total.entries), number(total.refused), number(total.joins),
              number(total.conflicts));
  std::printf("%llu of %llu failed\n", number(failed), number(flags.count));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::Parse;
  return syncline::testing::Main(Parse(argc, argv));
}
