// A first sync of two nodes on loopback beside `cp -r` of the same tree, in
// one run. Prints one JSON object a line: each round, then the medians.
//
//   first_sync [FILES [ROUNDS [DIR]]]    20000 files of 10 KB on average, 3
//                                        rounds, below DIR (default: $TMPDIR)
//
// A round is cold on both sides: fresh homes, fresh folders. The clock starts
// before the nodes do and stops when both report that they are in sync; then
// every file is compared.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/testing/process.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Round {
  double copy_s = 0;
  double sync_s = 0;
  long rss_a_kib = 0;
  long rss_b_kib = 0;
  double cpu_a_s = 0;
  double cpu_b_s = 0;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Text-like bytes: half random, half repeating.
void MakeTree(const fs::path& root, int files) {
  SeededRandom random(1);
  for (int i = 0; i < files; ++i) {
    const fs::path dir = root / ("d" + std::to_string(i / 1000)) /
                         ("e" + std::to_string(i / 50));
    if (i % 50 == 0) fs::create_directories(dir);
    const std::size_t bytes = random.Below(20001);
    std::string text = random.Bytes(bytes / 2 + 1);
    while (text.size() < bytes) text += "static const int kValue = 42;\n";
    text.resize(bytes);
    WriteFile(dir / ("file" + std::to_string(i) + ".c"), text);
  }
}

// Ends the benchmark when a command of the set-up fails.
std::string Must(const fs::path& home, const std::vector<std::string>& args) {
  CommandResult result = RunSyncline(home, args);
  if (result.exit_code != 0) {
    std::fprintf(stderr, "first_sync: syncline %s: %s", args[0].c_str(),
                 result.err.c_str());
    std::exit(1);
  }
  while (result.out.ends_with('\n')) result.out.pop_back();
  return result.out;
}

Round RunRound(const fs::path& tree, const fs::path& work) {
  Round round;
  const Clock::time_point copy_start = Clock::now();
  RunCommand({"cp", "-r", tree, work / "copy"});
  round.copy_s = SecondsSince(copy_start);

  fs::create_directory(work / "b");
  const Clock::time_point start = Clock::now();
  Must(work / "home-a", {"init"});
  Must(work / "home-b", {"init"});
  ServingNode a(work / "home-a", "127.0.0.1:0");
  ServingNode b(work / "home-b", "127.0.0.1:0");
  Must(a.home(), {"add", tree, "--project", "tree"});
  const std::string code =
      Must(a.home(), {"device", "invite", "tree", "--address", a.address()});
  Must(b.home(), {"device", "join", code, "--dir", work / "b"});
  Must(a.home(), {"wait", "--timeout", "600", "tree"});
  Must(b.home(), {"wait", "--timeout", "600", "tree"});
  Must(a.home(), {"wait", "--timeout", "600", "tree"});
  round.sync_s = SecondsSince(start);
  round.rss_a_kib = a.PeakRssKib();
  round.rss_b_kib = b.PeakRssKib();
  round.cpu_a_s = a.CpuSeconds();
  round.cpu_b_s = b.CpuSeconds();
  a.Stop();
  b.Stop();
  const std::string difference = CompareTrees(tree, work / "b");
  if (!difference.empty()) {
    std::fprintf(stderr, "first_sync: trees differ:\n%s", difference.c_str());
    std::exit(1);
  }
  // The next round's mirror attaches this tree anew.
  fs::remove(tree / ".syncline-root");
  return round;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const char* name, const Round& round) {
  std::printf(
      "{\"bench\":\"first_sync\",\"row\":\"%s\",\"cp_r_s\":%.3f,"
      "\"sync_s\":%.3f,\"ratio\":%.2f,\"rss_a_mib\":%.1f,\"rss_b_mib\":%.1f,"
      "\"cpu_a_s\":%.2f,\"cpu_b_s\":%.2f}\n",
      name, round.copy_s, round.sync_s, round.sync_s / round.copy_s,
      static_cast<double>(round.rss_a_kib) / 1024,
      static_cast<double>(round.rss_b_kib) / 1024, round.cpu_a_s,
      round.cpu_b_s);
  std::fflush(stdout);
}

int Main(int files, int rounds) {
  TemporaryDirectory source;
  MakeTree(source.path(), files);
  std::vector<double> copies;
  std::vector<double> syncs;
  Round middle;
  for (int i = 0; i < rounds; ++i) {
    auto work = std::make_unique<TemporaryDirectory>();
    const Round round = RunRound(source.path(), work->path());
    Print("round", round);
    copies.push_back(round.copy_s);
    syncs.push_back(round.sync_s);
    middle = round;
  }
  middle.copy_s = Median(copies);
  middle.sync_s = Median(syncs);
  Print("median", middle);
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  const int files = argc > 1 ? std::atoi(argv[1]) : 20000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  if (argc > 3) setenv("TMPDIR", argv[3], 1);
  if (files < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: first_sync [FILES [ROUNDS [DIR]]]\n");
    return 2;
  }
  return syncline::testing::Main(files, rounds);
}
