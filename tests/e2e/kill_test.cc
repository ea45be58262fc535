// kill -9 at random moments of a first sync, on either side: both end equal,
// nothing acknowledged is missing, no conflict copies appear.
//
// SYNCLINE_KILLS and SYNCLINE_KILL_FILES raise the numbers beyond what every
// run of the tests does (docs/testing.md); SYNCLINE_SEED repeats a run.

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "base/random.h"
#include "tests/e2e/pair.h"
#include "tests/testing/setting.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

// Seqs as they were acknowledged (printed) before a kill must be there after.
std::uint64_t DurableHead(const fs::path& home) {
  const CommandResult result = RunSyncline(home, {"status", "--json"});
  if (result.exit_code != 0) return 0;
  const boost::json::value status = boost::json::parse(result.out);
  const boost::json::array& projects = status.at("projects").as_array();
  if (projects.empty()) return 0;
  return projects[0].at("log").at("durable").to_number<std::uint64_t>();
}

void CheckEnd(Pair& pair) {
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  for (const auto& [path, what] : DescribeTree(pair.dir_a())) {
    CHECK(path.find('~') == std::string::npos);
  }
  for (const fs::path& home : {pair.home_a(), pair.home_b()}) {
    const CommandResult verify = RunSyncline(home, {"verify"});
    INFO(verify.out << verify.err);
    CHECK(verify.exit_code == 0);
    CHECK(boost::json::parse(
              Pair::Must(home, {"conflicts", "ls", "tree", "--json"}))
              .as_array()
              .empty());
  }
  CHECK(Pair::Head(pair.home_a()) == Pair::Head(pair.home_b()));
}

TEST_CASE("kill: a first sync survives kills on either side", "[e2e][fault]") {
  const std::uint64_t seed =
      Setting("SYNCLINE_SEED",
              static_cast<std::uint64_t>(
                  std::chrono::system_clock::now().time_since_epoch().count()));
  const std::uint64_t kills = Setting("SYNCLINE_KILLS", 16);
  const int files = static_cast<int>(Setting("SYNCLINE_KILL_FILES", 1500));
  constexpr std::uint64_t kKillsPerSync = 8;
  // Printed first, so that a hang can be repeated too.
  WARN("SYNCLINE_SEED=" << seed);
  INFO("SYNCLINE_SEED=" << seed);
  SeededRandom random(seed);
  for (std::uint64_t done = 0; done < kills; done += kKillsPerSync) {
    Pair pair;
    MakeTree(pair.dir_a(), files, seed + done);
    pair.Share();
    for (std::uint64_t i = 0; i < kKillsPerSync; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(
          random.Below(static_cast<std::uint64_t>(files) / 4 + 100)));
      const bool on_a = random.Below(2) == 0;
      const fs::path home = on_a ? pair.home_a() : pair.home_b();
      const std::uint64_t acknowledged = DurableHead(home);
      (on_a ? pair.a() : pair.b()).Kill();
      on_a ? pair.StartA() : pair.StartB();
      CHECK(DurableHead(home) >= acknowledged);
    }
    CheckEnd(pair);
  }
}

}  // namespace
}  // namespace syncline::testing
