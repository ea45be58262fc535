// What a node with 1,000,000 entries costs: opening it, having it open, and
// filling it. Each measured in a process of its own.

#include <string>

#include "bench/callers.h"
#include "bench/harness.h"
#include "bench/node_rigs.h"
#include "bench/raw_log.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEntries = 1'000'000;
constexpr std::size_t kDocuments = 50'000;
constexpr std::uint32_t kCallers = 256;

// ---- the work of each process

void FillRaw(const fs::path& dir, std::size_t entries) {
  RawLog log(dir / "raw");
  const PayloadPool pool(290);
  for (std::size_t seq = 1; seq <= entries; ++seq) {
    log.Add(1, seq, pool[seq]);
    if (seq % kCallers == 0 || seq == entries) log.Write(false);
  }
  PrintChildValue("rss_mib", RssMib());
}

void OpenRaw(const fs::path& dir) {
  const std::uint64_t start = NowNs();
  const RawLog log(dir / "raw");
  PrintChildValue("open_ms", static_cast<double>(NowNs() - start) / 1e6);
  PrintChildValue("rss_mib", RssMib());
}

// `documents`: every entry changes one of kDocuments rows; otherwise events,
// which have no state.
void FillNode(const fs::path& dir, std::size_t entries, bool documents) {
  CoreRig rig(dir);
  Replica& replica = rig.MakeProject("bench");
  const PayloadPool pool;
  LoopCallers callers(rig.io(), kCallers, entries);
  const Outcome outcome =
      callers.Run([&](std::size_t number, std::uint32_t caller) {
        std::vector<Effect> effects;
        if (documents) {
          effects = Must(DocEffects(replica.state(), "bench",
                                    std::to_string(number * 7919 % kDocuments),
                                    pool[number]));
        } else {
          effects.emplace_back(EventEffect{"orders", pool[number]});
        }
        Must(replica
                 .Commit(std::move(effects), "user", Durability::kBuffered,
                         [&callers, caller](const absl::Status& status) {
                           callers.Done(caller, status);
                         })
                 .status());
      });
  PrintChildValue("entries_per_s", outcome.value);
  PrintChildValue("rss_mib", RssMib());
}

void OpenNode(const fs::path& dir, std::size_t entries) {
  const std::uint64_t start = NowNs();
  CoreRig rig(dir);
  PrintChildValue("open_ms", static_cast<double>(NowNs() - start) / 1e6);
  PrintChildValue("rss_mib", RssMib());
  if (rig.project("bench").log().head().value != entries) {
    Must(absl::InternalError("entries are missing"));
  }
}

// An empty node that has done nothing yet.
void IdleNode(const fs::path& dir) {
  const CoreRig rig(dir);
  PrintChildValue("rss_mib", RssMib());
}

int RunMode(const BenchOptions& options) {
  const std::size_t entries = options.Scaled(kEntries);
  const std::string& mode = options.child;
  if (mode == "fill_raw") {
    FillRaw(options.dir, entries);
  } else if (mode == "open_raw") {
    OpenRaw(options.dir);
  } else if (mode.starts_with("fill_")) {
    FillNode(options.dir, entries, mode.ends_with("documents"));
  } else if (mode.starts_with("killed_")) {
    FillNode(options.dir, entries, mode.ends_with("documents"));
    std::_Exit(0);  // Nothing is written back.
  } else if (mode == "open") {
    OpenNode(options.dir, entries);
  } else {
    IdleNode(options.dir);
  }
  return 0;
}

// ---- rows

// Fills in one process and opens in the next; the value is `key` of one.
Contest::Run InChildren(const BenchOptions& options, const std::string& fill,
                        const std::string& open, const std::string& key) {
  return [=](const fs::path& dir) {
    const auto filled = RunChild(options, fill, dir);
    Outcome outcome;
    if (open.empty()) {
      outcome.value = filled.at(key);
      outcome.more = filled;
      return outcome;
    }
    const auto opened = RunChild(options, open, dir);
    outcome.value = opened.at(key);
    outcome.more = opened;
    outcome.more["filled_rss_mib"] = filled.at("rss_mib");
    outcome.more["disk_bytes_per_entry"] =
        DirectoryBytes(dir) / static_cast<double>(options.Scaled(kEntries));
    return outcome;
  };
}

int Main(const BenchOptions& options) {
  if (!options.child.empty()) return RunMode(options);
  for (const std::string what : {"events", "documents"}) {
    Contest open(options, "open/" + what, "ms");
    open.Ceiling("raw", InChildren(options, "fill_raw", "open_raw", "open_ms"));
    open.Entrant("closed",
                 InChildren(options, "fill_" + what, "open", "open_ms"));
    open.Entrant("killed",
                 InChildren(options, "killed_" + what, "open", "open_ms"));
    open.Decide();
  }
  Contest idle(options, "rss/empty", "MiB");
  idle.Entrant("syncline", InChildren(options, "idle", "", "rss_mib"));
  idle.Decide();
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
