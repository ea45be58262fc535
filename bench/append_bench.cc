// How fast entries are appended, by what is appended, by how many at once and
// how safely, beside RocksDB alone and beside the least log that there can be.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bench/callers.h"
#include "bench/harness.h"
#include "bench/node_rigs.h"
#include "bench/raw_log.h"
#include "bench/rigs.h"
#include "kv/file_content.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "node/project_events.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kThreadAppendsMax = 50'000;
constexpr std::size_t kRows = 50'000;  // Files, or documents, that change.

struct Load {
  std::uint32_t callers;
  Durability durability;
  std::size_t count;

  [[nodiscard]] bool durable() const {
    return durability == Durability::kDurable;
  }
};

// ---- the ceilings

// Appends of `bytes` to a file, each with its own fdatasync.
Outcome RunFsync(const fs::path& dir, const Load& load) {
  const int file = open((dir / "file").c_str(), O_CREAT | O_WRONLY, 0600);
  const std::string bytes = PayloadText(1);
  Latencies latencies;
  const std::uint64_t start = NowNs();
  for (std::size_t i = 0; i < load.count; ++i) {
    const std::uint64_t begin = NowNs();
    if (write(file, bytes.data(), bytes.size()) < 0 || fdatasync(file) != 0) {
      std::perror("fdatasync");
      std::exit(1);
    }
    latencies.Add(NowNs() - begin);
  }
  const Outcome outcome = PerSecond(load.count, start, NowNs(), latencies);
  close(file);
  return outcome;
}

// One batch, and if durable one fsync, for each group of as many as there are
// callers.
Outcome RunRaw(const fs::path& dir, const Load& load, std::size_t bytes) {
  RawLog log(dir);
  const PayloadPool pool(bytes);
  Latencies latencies;
  const std::uint64_t start = NowNs();
  std::size_t seq = 0;
  while (seq < load.count) {
    const std::uint64_t begin = NowNs();
    for (std::uint32_t i = 0; i < load.callers; ++i, ++seq) {
      log.Add(1, seq + 1, pool[seq]);
    }
    log.Write(load.durable());
    latencies.Add(NowNs() - begin);
  }
  return PerSecond(seq, start, NowNs(), latencies);
}

Outcome RunLight(const fs::path& dir, const Load& load) {
  boost::asio::io_context io;
  LightLog log(dir, io, load.durable());
  const PayloadPool pool;
  LoopCallers callers(io, load.callers, load.count);
  return callers.Run([&](std::size_t number, std::uint32_t caller) {
    log.Append(pool[number], [&callers, caller](const absl::Status& status) {
      callers.Done(caller, status);
    });
  });
}

// ---- Syncline

// Average length of the log's records behind `since`, as stored.
double RecordBytes(AppendLog& log, Seq since) {
  auto subscription = log.Subscribe(since, Visibility::kWritten, [] {});
  const RecordSpan span = Must(subscription->Next(64u << 10));
  return static_cast<double>(span.bytes.size()) /
         static_cast<double>(span.last.value - span.first.value + 1);
}

Outcome RunLog(const fs::path& dir, const Load& load) {
  LogRig rig(dir);
  const PayloadPool pool;
  LoopCallers callers(rig.io(), load.callers, load.count);
  Outcome outcome = callers.Run([&](std::size_t number, std::uint32_t caller) {
    rig.Append(pool[number], load.durability,
               [&callers, caller](const auto& appended) {
                 callers.Done(caller, appended.status());
               });
  });
  outcome.more["record_bytes"] = RecordBytes(rig.log(), {});
  return outcome;
}

// The effects of commit `number`.
using MakeEffects = std::function<std::vector<Effect>(std::size_t number)>;

Outcome RunCommits(ReplicaRig& rig, const Load& load,
                   const MakeEffects& effects) {
  const Seq before = rig.replica().log().head();
  LoopCallers callers(rig.io(), load.callers, load.count);
  Outcome outcome = callers.Run([&](std::size_t number, std::uint32_t caller) {
    rig.Commit(effects(number), load.durability,
               [&callers, caller](const absl::Status& status) {
                 callers.Done(caller, status);
               });
  });
  outcome.more["record_bytes"] = RecordBytes(rig.replica().log(), before);
  return outcome;
}

Outcome RunEvents(const fs::path& dir, const Load& load) {
  ReplicaRig rig(dir);
  const PayloadPool pool;
  LoopCallers callers(rig.io(), load.callers, load.count);
  Outcome outcome = callers.Run([&](std::size_t number, std::uint32_t caller) {
    const EventView event{"orders", pool[number]};
    Must(rig.replica()
             .CommitEvents({&event, 1}, load.durability,
                           [&callers, caller](const absl::Status& status) {
                             callers.Done(caller, status);
                           })
             .status());
  });
  outcome.more["record_bytes"] = RecordBytes(rig.replica().log(), {});
  return outcome;
}

Outcome RunDocuments(const fs::path& dir, const Load& load) {
  ReplicaRig rig(dir);
  const PayloadPool pool;
  SeededRandom random(2);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kRows; ++i) {
    keys.push_back("document-" + std::to_string(random.Next()));
  }
  return RunCommits(rig, load, [&](std::size_t number) {
    return Must(DocEffects(rig.replica().state(), "bench",
                           keys[random.Below(kRows)], pool[number]));
  });
}

Outcome RunFiles(const fs::path& dir, const Load& load) {
  ReplicaRig rig(dir);
  SeededRandom random(3);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < kRows; ++i) {
    paths.push_back(PathOf(i));
  }
  rig.MakeFiles(paths);
  std::vector<std::string> payloads;
  for (std::uint64_t i = 0; i < 1024; ++i) {
    payloads.push_back(Must(HashContent(PayloadText(i))).Encode());
  }
  const CausalState& state = rig.replica().state();
  return RunCommits(rig, load, [&](std::size_t number) {
    const std::optional<Token> seen =
        Must(state.Read(paths[random.Below(kRows)], false));
    return Must(
        EditEffects(state, *seen, payloads[number % payloads.size()], {}));
  });
}

// Threads that are not the node's and wait for each of their appends.
Outcome RunThreads(const fs::path& dir, const Load& load) {
  NodeRig rig(dir);
  const Project project = Must(rig.node().CreateProject("bench"));
  const PayloadPool pool;
  std::vector<Latencies> latencies(load.callers);
  const std::size_t each = load.count / load.callers + 1;
  const std::uint64_t start = NowNs();
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < load.callers; ++i) {
    threads.emplace_back([&, i] {
      const Project::Events events = project.events();
      for (std::size_t number = 0; number < each; ++number) {
        const std::uint64_t begin = NowNs();
        Must(events.Append("orders", pool[number], load.durability).status());
        latencies[i].Add(NowNs() - begin);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint64_t end = NowNs();
  Latencies all;
  for (const Latencies& one : latencies) all.Merge(one);
  return PerSecond(each * load.callers, start, end, all);
}

// ---- rows

struct Kind {
  const char* name;
  Outcome (*run)(const fs::path& dir, const Load& load);
  std::size_t record_bytes = 0;  // What a record of it takes.
};

// The ceilings store as much as Syncline does, which only it can say.
void MeasureRecords(const BenchOptions& options, Kind& kind) {
  const RoundDirectory directory(options.dir);
  const Outcome outcome =
      kind.run(directory.path(), {1, Durability::kBuffered, 100});
  kind.record_bytes = static_cast<std::size_t>(outcome.more.at("record_bytes"));
}

std::size_t CountOf(std::uint32_t callers, Durability durability) {
  if (durability == Durability::kBuffered) {
    return callers == 1 ? 100'000 : 300'000;
  }
  return callers == 1 ? 4'000 : callers == 16 ? 40'000 : 200'000;
}

void Compare(const BenchOptions& options, const Kind& kind, const Load& load) {
  Contest contest(options,
                  std::string("append/") + kind.name +
                      (load.durable() ? "/durable/" : "/buffered/") +
                      std::to_string(load.callers),
                  "entries/s");
  contest.Ceiling("light",
                  [=](const fs::path& dir) { return RunLight(dir, load); });
  contest.Ceiling("raw", [=](const fs::path& dir) {
    return RunRaw(dir, load, kind.record_bytes);
  });
  if (load.durable() && load.callers == 1) {
    contest.Ceiling("fsync",
                    [=](const fs::path& dir) { return RunFsync(dir, load); });
  }
  contest.Entrant("syncline",
                  [=](const fs::path& dir) { return kind.run(dir, load); });
  contest.Decide();
}

void CompareThreads(const BenchOptions& options, const Load& load) {
  Contest contest(options,
                  std::string("append/threads") +
                      (load.durable() ? "/durable/" : "/buffered/") +
                      std::to_string(load.callers),
                  "entries/s");
  contest.Ceiling("light",
                  [=](const fs::path& dir) { return RunLight(dir, load); });
  contest.Entrant("syncline",
                  [=](const fs::path& dir) { return RunThreads(dir, load); });
  contest.Decide();
}

int Main(const BenchOptions& options) {
  Kind kinds[] = {{"log", RunLog},
                  {"event", RunEvents},
                  {"document", RunDocuments},
                  {"file", RunFiles}};
  for (Kind& kind : kinds) {
    if (!options.Wants(std::string("append/") + kind.name)) continue;
    MeasureRecords(options, kind);
    for (const Durability durability :
         {Durability::kBuffered, Durability::kDurable}) {
      for (const std::uint32_t callers : {1u, 16u, 256u}) {
        Compare(options, kind,
                {callers, durability,
                 options.Scaled(CountOf(callers, durability))});
      }
    }
  }
  for (const Durability durability :
       {Durability::kBuffered, Durability::kDurable}) {
    for (const std::uint32_t callers : {1u, 16u}) {
      const std::size_t count = std::min<std::size_t>(
          CountOf(callers, durability), kThreadAppendsMax);
      CompareThreads(options, {callers, durability, options.Scaled(count)});
    }
  }
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
