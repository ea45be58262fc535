// What a large project costs: sending its state to a new device whose peer has
// truncated its log, and one edit in it beside one in a small project. In
// processes of their own; the two devices are `syncline serve`.

#include <cstdio>
#include <string>
#include <vector>

#include "bench/callers.h"
#include "bench/harness.h"
#include "bench/node_rigs.h"
#include "bench/rigs.h"
#include "kv/file_content.h"
#include "replication/state/edits.h"
#include "tests/testing/process.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kItems = 1'000'000;
constexpr std::size_t kSmall = 1'000;
constexpr std::uint64_t kContents = 1024;
constexpr std::size_t kEdits = 20'000;
const std::string kProject = "tree";

// ---- the project

// Commits on a project of a node, many at a time.
class Writer {
 public:
  explicit Writer(const fs::path& dir) : rig_(dir) {
    for (std::uint64_t i = 0; i < kContents; ++i) {
      const std::string text = PayloadText(i);
      Must(rig_.core().chunks().Put(text).status());
      contents_.push_back(Must(HashContent(text)).Encode());
    }
    Must(rig_.core().chunks().Sync());
  }

  // A directory counts as an item.
  void Make(std::size_t items) {
    replica_ = &rig_.MakeProject(kProject);
    for (std::size_t i = 0; i < items; ++i) {
      const bool directory = i % kFilesInDirectory == 0;
      Commit(Must(CreateEffects(
          replica_->state(), directory ? DirectoryOf(i) : PathOf(i),
          directory ? ItemKind::kDirectory : ItemKind::kFile,
          directory ? "" : contents_[i % kContents], {{"mode", "420"}}, 0)));
    }
    Settle();
  }

  // One after the other, each waited for.
  Outcome Edit(std::size_t edits) {
    replica_ = &rig_.project(kProject);
    const CausalState& state = replica_->state();
    LoopCallers callers(rig_.io(), 1, edits);
    return callers.Run([&](std::size_t number, std::uint32_t caller) {
      std::size_t item = number % kSmall;
      if (item % kFilesInDirectory == 0) ++item;
      const auto seen = Must(state.Read(PathOf(item), false));
      Must(replica_
               ->Commit(Must(EditEffects(
                            state, *seen,
                            contents_[(number + item + 1) % kContents], {})),
                        "user", Durability::kBuffered,
                        [&callers, caller](const absl::Status& status) {
                          callers.Done(caller, status);
                        })
               .status());
    });
  }

 private:
  void Commit(std::vector<Effect> effects) {
    ++waiting_;
    Must(replica_
             ->Commit(std::move(effects), "user", Durability::kBuffered,
                      [this](const absl::Status& status) {
                        Must(status);
                        --waiting_;
                      })
             .status());
    if (waiting_ == 256) Settle();
  }

  void Settle() {
    rig_.RunUntil([this] { return waiting_ == 0; });
  }

  CoreRig rig_;
  std::vector<std::string> contents_;
  Replica* replica_ = nullptr;
  std::size_t waiting_ = 0;
};

void MakeProject(const fs::path& dir, std::size_t items) {
  Writer(dir).Make(items);
}

// The first edits warm up what a first read of a file fills.
void TimeEdits(const fs::path& dir, std::size_t edits) {
  Writer writer(dir);
  writer.Edit(2 * kSmall);
  const Outcome outcome = writer.Edit(edits);
  PrintChildValue("entries_per_s", outcome.value);
  PrintChildValue("p50_us", outcome.more.at("p50_us"));
  PrintChildValue("p99_us", outcome.more.at("p99_us"));
}

// ---- a new device

std::string Do(const fs::path& home, const std::vector<std::string>& args) {
  CommandResult result = RunSyncline(home, args);
  if (result.exit_code != 0) {
    std::fprintf(stderr, "state_bench: syncline %s: %s", args[0].c_str(),
                 result.err.c_str());
    std::exit(1);
  }
  while (result.out.ends_with('\n')) result.out.pop_back();
  return result.out;
}

Outcome Transfer(const fs::path& dir, std::size_t items) {
  const fs::path home = dir / "home";
  Do(home, {"log", "truncate", kProject, "--keep", "0", "--force"});
  ServingNode from(home, "127.0.0.1:0");
  Do(dir / "new", {"init"});
  ServingNode to(dir / "new", "127.0.0.1:0");
  const std::string code =
      Do(home, {"device", "invite", kProject, "--address", from.address()});
  const std::uint64_t start = NowNs();
  Do(to.home(), {"device", "join", code});
  Do(to.home(), {"wait", "--timeout", "600", kProject});
  Outcome outcome;
  outcome.value = static_cast<double>(NowNs() - start) / 1e9;
  outcome.more["items"] = static_cast<double>(items);
  outcome.more["from_rss_mib"] = static_cast<double>(from.PeakRssKib()) / 1024;
  outcome.more["to_rss_mib"] = static_cast<double>(to.PeakRssKib()) / 1024;
  outcome.more["from_cpu_s"] = from.CpuSeconds();
  outcome.more["to_cpu_s"] = to.CpuSeconds();
  from.Stop();
  to.Stop();
  return outcome;
}

// ---- rows

int Main(const BenchOptions& options) {
  const std::string make = "make:";
  if (options.child.starts_with(make)) {
    MakeProject(options.dir, std::stoul(options.child.substr(make.size())));
    return 0;
  }
  if (options.child == "edit") {
    TimeEdits(options.dir, options.Scaled(kEdits));
    return 0;
  }
  const std::size_t items = std::max(options.Scaled(kItems), kSmall);
  Contest edit(options, "state/edit", "entries/s");
  for (const std::size_t count : {kSmall, items}) {
    const auto run = [&options, make, count](const fs::path& dir) {
      RunChild(options, make + std::to_string(count), dir);
      Outcome outcome;
      outcome.more = RunChild(options, "edit", dir);
      outcome.value = outcome.more.at("entries_per_s");
      outcome.more["items"] = static_cast<double>(count);
      return outcome;
    };
    if (count == kSmall) {
      edit.Ceiling("small", run);
    } else {
      edit.Entrant("large", run);
    }
  }
  edit.Decide();
  Contest transfer(options, "state/transfer", "s");
  transfer.Entrant("syncline", [&](const fs::path& dir) {
    RunChild(options, make + std::to_string(items), dir);
    return Transfer(dir, items);
  });
  transfer.Decide();
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
