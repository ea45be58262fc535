// spec_vectors FILE...
//
// Runs the cases of vector files through the real engine over a store in
// memory, with flushes and crashes in between. Exits 0 only if all hold.
// Without arguments: the files of tests/vectors. SYNCLINE_SEED sets the seed.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tests/state/vector_case.h"

namespace syncline::testing {
namespace {

struct Totals {
  std::uint64_t cases = 0;
  std::uint64_t failed = 0;
  std::uint64_t steps = 0;
  std::uint64_t crashes = 0;
  std::uint64_t flushes = 0;
};

void RunLine(const std::string& line, std::uint64_t seed, Totals& totals) {
  ++totals.cases;
  std::string difference;
  if (line.starts_with("{\"function\"")) {
    difference = CheckFunction(line);
    ++totals.steps;
  } else {
    VectorCase vector(line, seed);
    difference = vector.Run();
    totals.steps += vector.steps();
    totals.crashes += vector.crashes();
    totals.flushes += vector.flushes();
  }
  if (difference.empty()) return;
  ++totals.failed;
  std::cout << "FAILED " << difference << "\n";
}

bool RunFile(const std::filesystem::path& path, std::uint64_t seed) {
  std::ifstream file(path);
  if (!file) {
    std::cout << path.string() << ": cannot be read\n";
    return false;
  }
  Totals totals;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) RunLine(line, seed + totals.cases, totals);
  }
  std::cout << path.filename().string() << ": " << totals.cases << " cases, "
            << totals.steps << " steps, " << totals.flushes << " flushes, "
            << totals.crashes << " crashes, " << totals.failed << " failed\n";
  return totals.failed == 0 && totals.cases > 0;
}

int Main(int count, char** arguments) {
  std::vector<std::filesystem::path> files(arguments + 1, arguments + count);
  if (files.empty()) {
    for (const auto& file :
         std::filesystem::directory_iterator(SYNCLINE_VECTORS)) {
      files.push_back(file.path());
    }
    std::sort(files.begin(), files.end());
  }
  const char* seed_text = std::getenv("SYNCLINE_SEED");
  const std::uint64_t seed =
      seed_text == nullptr ? 1 : std::strtoull(seed_text, nullptr, 10);
  std::cout << "SYNCLINE_SEED=" << seed << "\n";
  bool passed = true;
  for (const std::filesystem::path& file : files) {
    passed = RunFile(file, seed) && passed;
  }
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace syncline::testing

int main(int count, char** arguments) {
  return syncline::testing::Main(count, arguments);
}
