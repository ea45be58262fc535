// Devices that come to peers whose logs were truncated: a new one that is
// killed on the way, and one that was away while much was deleted and renamed.
//
// SYNCLINE_STATE_FILES raises the numbers beyond what every run of the tests
// does (docs/testing.md); SYNCLINE_SEED repeats a run.

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "tests/e2e/pair.h"
#include "tests/testing/setting.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

void TruncateAll(const fs::path& home) {
  Pair::Must(home, {"log", "truncate", "tree", "--through",
                    std::to_string(Pair::Head(home)), "--force"});
}

// What the records of a log make of nothing: the paths that are there.
std::set<std::string> Fold(const fs::path& home, bool* joined) {
  std::set<std::string> paths;
  std::istringstream lines(
      Pair::Must(home, {"log", "tree", "--since", "0", "--json"}));
  std::string line;
  while (std::getline(lines, line)) {
    const boost::json::value record = boost::json::parse(line);
    *joined = *joined || record.at("cause").as_string() == "state";
    for (const auto& change : record.at("changes").as_array()) {
      const std::string type(change.at("type").as_string());
      const std::string path(change.at("path").as_string());
      if (type == "create" || type == "mkdir") paths.insert(path);
      if (type == "delete" || type == "rmdir") paths.erase(path);
      if (type != "rename") continue;
      const std::string from(change.at("from").as_string());
      std::set<std::string> moved;
      std::erase_if(paths, [&](const std::string& old) {
        if (old != from && !old.starts_with(from + "/")) return false;
        moved.insert(path + old.substr(from.size()));
        return true;
      });
      paths.merge(moved);
    }
  }
  return paths;
}

std::set<std::string> PathsBelow(const fs::path& root) {
  std::set<std::string> paths;
  for (const auto& [path, what] : DescribeTree(root)) paths.insert(path);
  return paths;
}

void RequireTogether(Pair& pair) {
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  const auto digest = [](const fs::path& home) {
    return std::string(
        boost::json::parse(Pair::Must(home, {"status", "--json"}))
            .at("projects")
            .at(0)
            .at("digest")
            .as_string());
  };
  CHECK(digest(pair.home_a()) == digest(pair.home_b()));
  for (const fs::path& home : {pair.home_a(), pair.home_b()}) {
    const CommandResult verify = RunSyncline(home, {"verify"});
    INFO(verify.out << verify.err);
    CHECK(verify.exit_code == 0);
  }
}

TEST_CASE("state: a late joiner of a truncated peer survives kills",
          "[e2e][fault]") {
  const std::uint64_t seed = Setting("SYNCLINE_SEED", 1);
  const int files = static_cast<int>(Setting("SYNCLINE_STATE_FILES", 2000));
  SeededRandom random(seed);
  Pair pair;
  MakeTree(pair.dir_a(), files, seed);
  Pair::Must(pair.home_a(), {"add", pair.dir_a(), "--project", "tree"});
  Pair::Must(pair.home_a(), {"wait", "--timeout", "900", "tree"});
  TruncateAll(pair.home_a());
  pair.Join();
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random.Below(400)));
    const bool on_a = i % 4 == 3;
    (on_a ? pair.a() : pair.b()).Kill();
    on_a ? pair.StartA() : pair.StartB();
  }
  RequireTogether(pair);
  CHECK(pair.b().PeakRssKib() < 512 * 1024);
  CHECK(pair.a().PeakRssKib() < 512 * 1024);
  bool joined = false;
  CHECK(Fold(pair.home_b(), &joined) == PathsBelow(pair.dir_b()));
  CHECK(joined);
}

TEST_CASE("state: after a year away nothing deleted comes back",
          "[e2e][fault]") {
  const int files = static_cast<int>(Setting("SYNCLINE_STATE_FILES", 300));
  Pair pair;
  const auto name = [](const char* dir, int i) {
    return std::string(dir) + "/" + std::to_string(i) + ".txt";
  };
  for (const char* dir : {"gone", "moved", "kept"}) {
    fs::create_directories(pair.dir_a() / dir);
    for (int i = 0; i < files; ++i) {
      WriteFile(pair.dir_a() / name(dir, i), "first " + name(dir, i));
    }
  }
  pair.Share();
  RequireTogether(pair);
  pair.StopB();
  for (int i = 0; i < files; ++i) {
    fs::remove(pair.dir_a() / name("gone", i));
    fs::rename(pair.dir_a() / name("moved", i),
               pair.dir_a() / name("kept", files + i));
  }
  Pair::Must(pair.home_a(), {"wait", "--timeout", "900", "tree"});
  TruncateAll(pair.home_a());
  // Meanwhile, and before it hears of anything, the other edits.
  for (int i = 0; i < 10; ++i) {
    WriteFile(pair.dir_b() / name("gone", i), "edited");
    WriteFile(pair.dir_b() / name("moved", i), "edited");
  }
  pair.StartB();
  // More than 1,000 items, and more than a tenth of all.
  if (files > 1000) {
    REQUIRE(Eventually([&] {
      return RunSyncline(pair.home_b(), {"device", "accept-state", "tree"})
                 .exit_code == 0;
    }));
  }
  RequireTogether(pair);
  std::map<std::string, std::string> expected;
  for (const auto& [path, what] : DescribeTree(pair.dir_b())) {
    if (path.starts_with("gone/")) expected[path] = what;
  }
  CHECK(expected.size() == 10);
  for (int i = 0; i < 10; ++i) {
    CHECK(ReadFile(pair.dir_a() / name("gone", i)) == "edited");
    CHECK(ReadFile(pair.dir_a() / name("kept", files + i)) == "edited");
  }
  CHECK(fs::is_empty(pair.dir_a() / "moved"));
}

TEST_CASE("state: nothing to accept is refused", "[e2e]") {
  Pair pair;
  pair.Share();
  CheckRefused(RunSyncline(pair.home_a(), {"device", "accept-state", "tree"}),
               5, "no state is held back");
  CheckRefused(RunSyncline(pair.home_a(), {"device", "accept-state", "other"}),
               3);
}

}  // namespace
}  // namespace syncline::testing
