// 10,000 logs of 100 entries in one node: how fast they fill, in turn, and
// what the node then costs when nothing happens. In processes of their own.

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "bench/callers.h"
#include "bench/harness.h"
#include "bench/node_rigs.h"
#include "bench/raw_log.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kProjects = 10'000;
constexpr std::size_t kEntriesEach = 100;
constexpr std::uint32_t kCallers = 256;
constexpr std::chrono::seconds kIdle{5};

// The same keys in the same groups: an entry to each project, then again.
void FillRaw(const fs::path& dir, std::size_t projects) {
  RawLog log(dir / "raw");
  const PayloadPool pool(290);
  const std::uint64_t start = NowNs();
  std::size_t number = 0;
  for (std::size_t seq = 1; seq <= kEntriesEach; ++seq) {
    for (std::size_t project = 0; project < projects; ++project) {
      log.Add(static_cast<std::uint32_t>(project), seq, pool[number]);
      if (++number % kCallers == 0) log.Write(false);
    }
  }
  log.Write(false);
  PrintChildValue("entries_per_s", PerSecond(number, start, NowNs()).value);
  PrintChildValue("rss_mib", RssMib());
}

void PrintIdle(boost::asio::io_context& io) {
  const double before = CpuSeconds();
  boost::asio::steady_timer timer(io, kIdle);
  timer.async_wait([&](const boost::system::error_code&) { io.stop(); });
  io.restart();
  io.run();
  PrintChildValue(
      "idle_cpu_percent",
      (CpuSeconds() - before) / static_cast<double>(kIdle.count()) * 100);
}

void FillNode(const fs::path& dir, std::size_t projects) {
  CoreRig rig(dir);
  std::uint64_t start = NowNs();
  const std::vector<Replica*> replicas = rig.MakeProjects(projects);
  PrintChildValue("made_per_s", PerSecond(projects, start, NowNs()).value);
  PrintChildValue("made_rss_mib", RssMib());
  const PayloadPool pool;
  LoopCallers callers(rig.io(), kCallers, projects * kEntriesEach);
  const Outcome outcome =
      callers.Run([&](std::size_t number, std::uint32_t caller) {
        std::vector<Effect> effects;
        effects.emplace_back(EventEffect{"orders", pool[number]});
        Must(replicas[number % projects]
                 ->Commit(std::move(effects), "user", Durability::kBuffered,
                          [&callers, caller](const absl::Status& status) {
                            callers.Done(caller, status);
                          })
                 .status());
      });
  PrintChildValue("entries_per_s", outcome.value);
  rig.RunUntil([&] {
    for (Replica* replica : replicas) {
      if (replica->log().durable() != replica->log().head()) return false;
    }
    return true;
  });
  PrintChildValue("rss_mib", RssMib());
  PrintIdle(rig.io());
}

void OpenNode(const fs::path& dir) {
  const std::uint64_t start = NowNs();
  CoreRig rig(dir);
  PrintChildValue("open_ms", static_cast<double>(NowNs() - start) / 1e6);
  PrintChildValue("open_rss_mib", RssMib());
}

int Main(const BenchOptions& options) {
  const std::size_t projects = options.Scaled(kProjects);
  if (options.child == "raw") {
    FillRaw(options.dir, projects);
    return 0;
  }
  if (options.child == "node") {
    FillNode(options.dir, projects);
    return 0;
  }
  if (options.child == "open") {
    OpenNode(options.dir);
    return 0;
  }
  const auto run = [&](const std::string& mode) {
    return [&options, mode](const fs::path& dir) {
      Outcome outcome;
      outcome.more = RunChild(options, mode, dir);
      outcome.value = outcome.more.at("entries_per_s");
      if (mode == "node") outcome.more.merge(RunChild(options, "open", dir));
      outcome.more["disk_mib"] = DirectoryBytes(dir) / (1u << 20);
      return outcome;
    };
  };
  Contest contest(options, "many_projects", "entries/s");
  contest.Ceiling("raw", run("raw"));
  contest.Entrant("syncline", run("node"));
  contest.Decide();
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
