// S2: a process that changes a project is killed at random moments and at
// every kind of call that changes a file. What it acknowledged must be there.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "kv/rocks_store.h"
#include "tests/faults/whole_path.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

namespace fs = std::filesystem;
using testing::FindFault;
using testing::Mark;
using testing::MemoryDirectory;
using testing::TemporaryDirectory;
using testing::WholePath;

// SYNCLINE_KILLS: how many random kills; 500 for the long run, which also
// kills at more of the calls of each kind.
std::uint64_t KillCount() {
  const char* const wanted = std::getenv("SYNCLINE_KILLS");
  return wanted == nullptr ? 10 : std::strtoull(wanted, nullptr, 10);
}

// The writer's process; killed at the end of the scope.
class Writer {
 public:
  Writer(const fs::path& directory, std::uint64_t seed, std::uint64_t changes,
         const std::vector<std::string>& settings) {
    std::vector<std::string> words = {
        fs::read_symlink("/proc/self/exe").parent_path() / "faults_kill_writer",
        directory, std::to_string(seed), std::to_string(changes)};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<std::string> kept = settings;
    std::vector<char*> variables;
    for (std::string& setting : kept) variables.push_back(setting.data());
    variables.push_back(nullptr);
    fs::create_directory(directory / "top");
    REQUIRE(posix_spawn(&process_, words[0].c_str(), nullptr, nullptr,
                        argv.data(), variables.data()) == 0);
  }
  ~Writer() {
    if (process_ != 0) Kill();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Kill() {
    kill(process_, SIGKILL);
    Await();
  }
  // 0 if it did its work, 128 + signal if it was killed.
  int Await() {
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t process_ = 0;
};

constexpr int kKilled = 128 + SIGKILL;

void Check(const fs::path& directory) {
  const auto acked = Mark::ReadAll(directory / "acked");
  const auto seen = Mark::ReadAll(directory / "seen");
  const fs::path home = directory / "top" / "home";
  auto store = RocksStore::Open(home / "store");
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  auto path = WholePath::Open(home, *std::move(store));
  INFO(path.status().ToString());
  REQUIRE(path.ok());
  REQUIRE(FindFault(**path, acked, seen) == "");
}

// "KIND:CLASS" of each call that the writer made -> how many there were.
std::map<std::string, long> CallsOf(const fs::path& trace) {
  std::map<std::string, long> calls;
  std::ifstream stream(trace);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string name;
    if (words >> kind >> name) ++calls[kind + ":" + name];
  }
  return calls;
}

TEST_CASE("kill: a process killed at random moments loses nothing",
          "[faults][fault]") {
  constexpr std::uint64_t kSeed = 71;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  std::unique_ptr<TemporaryDirectory> directory;
  std::size_t acked = 0;
  for (std::uint64_t round = 0; round < KillCount(); ++round) {
    INFO("round " << round);
    if (round % 25 == 0)
      directory = std::make_unique<TemporaryDirectory>(MemoryDirectory());
    const std::size_t before = Mark::ReadAll(*directory / "acked").size();
    Writer writer(directory->path(), round, 1'000'000, {});
    // Somewhere on its way, the opening included.
    const std::size_t wanted = before + random.Below(120);
    const std::uint64_t pause_us = random.Below(20'000);
    while (Mark::ReadAll(*directory / "acked").size() < wanted) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    usleep(static_cast<useconds_t>(pause_us));
    writer.Kill();
    Check(directory->path());
    acked += Mark::ReadAll(*directory / "acked").size() - before;
  }
  CHECK(acked > 10 * KillCount());
}

TEST_CASE("kill: every kind of call that changes a file may be the last",
          "[faults][fault]") {
  constexpr std::uint64_t kChanges = 120;
  const bool long_run = KillCount() >= 100;
  std::map<std::string, long> calls;
  {
    const TemporaryDirectory directory(MemoryDirectory());
    const fs::path trace = directory / "trace";
    Writer writer(directory.path(), 1, kChanges,
                  {"SYNCLINE_TRACE=" + trace.string()});
    REQUIRE(writer.Await() == 0);
    Check(directory.path());
    calls = CallsOf(trace);
  }
  // Kinds that must be there, or the hook has come loose.
  for (const char* const kind :
       {"write:wal", "sync:wal", "write:mark", "write:table", "sync:table",
        "write:manifest", "sync:manifest", "rename:current", "sync:store",
        "rename:chunk", "sync:fresh-chunk", "sync:chunk", "mkdir:chunk",
        "create:fresh-chunk", "create:wal", "mkdir:home"}) {
    INFO(kind);
    CHECK(calls.contains(kind));
  }
  SeededRandom random(2);
  int killed = 0;
  for (const auto& [kind, count] : calls) {
    std::set<long> numbers = {1 + static_cast<long>(random.Below(count))};
    if (long_run) {
      for (int i = 0; i < 20; ++i) numbers.insert(1 + random.Below(count));
      numbers.insert({1, count});
    }
    for (const long number : numbers) {
      for (const char* const how : {"before", "after", "torn"}) {
        if (how == std::string("torn") && !kind.starts_with("write")) continue;
        const std::string place =
            kind + ":" + std::to_string(number) + ":" + how;
        INFO(place);
        const TemporaryDirectory directory(MemoryDirectory());
        Writer writer(directory.path(), 1, kChanges,
                      {"SYNCLINE_KILL=" + place});
        const int end = writer.Await();
        // Group commit may have made fewer calls this time.
        REQUIRE((end == kKilled || end == 0));
        killed += end == kKilled ? 1 : 0;
        Check(directory.path());
        if (random.Below(4) != 0) continue;
        // And go on from there.
        Writer next(directory.path(), 2, 20, {});
        REQUIRE(next.Await() == 0);
        Check(directory.path());
      }
    }
  }
  CHECK(killed > 30);
}

// What a loss of power could take back: names made and not synced in their
// directory, and bytes written and not synced. RocksDB's own files are for
// tests/kv/power_cut_test.cc; here it is all others.
class Unsynced {
 public:
  // A line of the trace; the lines of one process after another.
  void Add(const std::string& line) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '\t');) {
      words.push_back(word);
    }
    if (words == std::vector<std::string>{"syncfs"}) {
      names_.clear();
      bytes_.clear();
    }
    if (words.size() < 3) return;
    const std::string& path = words[2];
    if (words[0] == "sync") {
      bytes_.erase(path);
      std::erase_if(names_, [&](const std::string& name) {
        return fs::path(name).parent_path() == path;
      });
    } else if (words[0] == "rename") {
      names_.erase(path);
      names_.insert(words[3]);
      if (bytes_.erase(path) > 0) bytes_.insert(words[3]);
    } else if (words[0] == "unlink") {
      names_.erase(path);
      bytes_.erase(path);
    } else if (words[0] == "mkdir" || words[0] == "create") {
      names_.insert(path);
    } else if (words[0] == "write") {
      bytes_.insert(path);
    }
  }

  // What of it an acknowledged change needs: not what is in "tmp" yet, nor
  // RocksDB's.
  std::string Needed() const {
    for (const auto* const paths : {&names_, &bytes_}) {
      for (const std::string& path : *paths) {
        const bool fresh = path.find("/chunks/tmp") != std::string::npos;
        const bool rocks = path.find("/store/") != std::string::npos;
        if (!fresh && !rocks) return path;
      }
    }
    return {};
  }

 private:
  std::set<std::string> names_;
  std::set<std::string> bytes_;
};

TEST_CASE("kill: what is acknowledged is in files and directories synced",
          "[faults][fault]") {
  const TemporaryDirectory directory(MemoryDirectory());
  const fs::path trace = directory / "trace";
  const std::string traced = "SYNCLINE_TRACE=" + trace.string();
  SeededRandom random(5);
  for (std::uint64_t life = 0; life < 12; ++life) {
    std::vector<std::string> settings = {traced};
    // Between the name of a chunk and the sync of its directory, mostly.
    const char* const kinds[] = {"rename:chunk", "mkdir:chunk", "sync:chunk"};
    settings.push_back(std::string("SYNCLINE_KILL=") + kinds[life % 3] + ":" +
                       std::to_string(1 + random.Below(12)) + ":" +
                       (life % 3 == 2 ? "before" : "after"));
    Writer writer(directory.path(), life, 60, settings);
    writer.Await();
  }
  Unsynced unsynced;
  int acknowledged = 0;
  std::ifstream stream(trace);
  for (std::string line; std::getline(stream, line);) {
    unsynced.Add(line);
    if (line != "acked") continue;
    ++acknowledged;
    REQUIRE(unsynced.Needed() == "");
  }
  CHECK(acknowledged > 30);
}

}  // namespace
}  // namespace syncline
