// The same work for Syncline and for other log servers, each in a process of
// its own on loopback, with real clients in this one. Prints a line for each
// result, and in the end a table.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/harness.h"
#include "bench/peers/backend.h"
#include "bench/peers/server_process.h"
#include "bench/raw_log.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr PeerKind kPeers[] = {
    {"redis", true, StartRedis},
    {"jetstream", true, StartJetStream},
    {"etcd", false, StartEtcd},
    {"syncline", true, StartSyncline},
};

constexpr std::chrono::microseconds kPace{1'000};
constexpr std::chrono::seconds kPatience{120};

const PayloadPool& Payloads() {
  static const PayloadPool pool;
  return pool;
}

// ---- appends

Outcome AppendWaiting(PeerServer& server, std::size_t clients,
                      std::size_t count) {
  std::vector<std::unique_ptr<PeerClient>> connections;
  for (std::size_t i = 0; i < clients; ++i) {
    connections.push_back(server.Connect(true));
  }
  const std::size_t each = count / clients + 1;
  std::vector<Latencies> latencies(clients);
  std::vector<std::thread> threads;
  const std::uint64_t start = NowNs();
  for (std::size_t i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t number = 0; number < each; ++number) {
        const std::uint64_t begin = NowNs();
        connections[i]->Append({0, Payloads()[i * each + number]});
        latencies[i].Add(NowNs() - begin);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint64_t end = NowNs();
  Latencies all;
  for (const Latencies& one : latencies) all.Merge(one);
  return PerSecond(each * clients, start, end, all);
}

// `logs`: takes the logs in turn.
Outcome AppendPipelined(PeerServer& server, std::size_t logs,
                        std::size_t count) {
  const auto client = server.Connect(false);
  const std::uint64_t start = NowNs();
  client->AppendMany(count, [&](std::size_t number) {
    return PeerEntry{number % logs, Payloads()[number]};
  });
  return PerSecond(count, start, NowNs());
}

Outcome Replay(PeerServer& server, const fs::path& dir, std::size_t count) {
  AppendPipelined(server, 1, count);
  const double rss = RssMib(server.pid());
  const auto client = server.Connect(false);
  const std::uint64_t start = NowNs();
  client->Replay(count);
  Outcome outcome = PerSecond(count, start, NowNs());
  outcome.more["rss_mib"] = rss;
  outcome.more["disk_bytes_per_entry"] =
      DirectoryBytes(dir) / static_cast<double>(count);
  return outcome;
}

// ---- subscribers

// Runs `count` subscribers on a thread of its own, until destroyed.
class Subscribers {
 public:
  Subscribers(PeerServer& server, std::size_t count, Deliver deliver)
      : deliver_(std::move(deliver)), thread_([this, &server, count] {
          server.RunSubscribers(count, deliver_, stop_, ready_);
        }) {
    Await([&] { return ready_ >= count; }, "subscribers to be ready");
  }
  ~Subscribers() {
    stop_ = true;
    thread_.join();
  }
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  static void Await(const std::function<bool()>& done, const char* what) {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) {
        PeerFailed("timed out waiting for", what);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  const Deliver deliver_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> ready_ = 0;
  std::thread thread_;
};

// `burst`: entries that are appended at once, and wait for their answers; not
// many more are under way than subscribers have taken.
Outcome FanOut(PeerServer& server, std::size_t subscribers, std::size_t count,
               std::size_t burst) {
  constexpr std::size_t kBurstsAhead = 8;
  std::atomic<std::size_t> delivered = 0;
  const Subscribers running(
      server, subscribers, [&](std::size_t entries, std::string_view) {
        delivered.fetch_add(entries, std::memory_order_relaxed);
      });
  const auto client = server.Connect(false);
  const std::uint64_t start = NowNs();
  for (std::size_t sent = 0; sent < count; sent += burst) {
    while (delivered / subscribers + kBurstsAhead * burst < sent) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    client->AppendMany(std::min(burst, count - sent), [&](std::size_t number) {
      return PeerEntry{0, Payloads()[sent + number]};
    });
  }
  Subscribers::Await([&] { return delivered >= count * subscribers; },
                     "deliveries");
  Outcome outcome = PerSecond(count * subscribers, start, NowNs());
  outcome.more["rss_mib"] = RssMib(server.pid());
  return outcome;
}

// The number that PayloadText() was given.
std::size_t NumberOf(std::string_view payload) {
  constexpr std::size_t kAt = 7;
  std::size_t number = 0;
  std::from_chars(payload.data() + kAt, payload.data() + kAt + 8, number, 16);
  return number;
}

// From before the append until the subscriber has it.
Outcome Latency(PeerServer& server, std::size_t count) {
  std::vector<std::atomic<std::uint64_t>> started(count);
  Latencies latencies;
  std::atomic<std::size_t> delivered = 0;
  const Subscribers running(
      server, 1, [&](std::size_t entries, std::string_view last) {
        const std::uint64_t now = NowNs();
        const std::size_t number = NumberOf(last);
        for (std::size_t i = number + 1 - entries; i <= number; ++i) {
          latencies.Add(now - started[i]);
        }
        delivered += entries;
      });
  const auto client = server.Connect(true);
  auto at = std::chrono::steady_clock::now();
  for (std::size_t number = 0; number < count; ++number) {
    const std::string payload = PayloadText(number);
    at += kPace;
    std::this_thread::sleep_until(at);
    started[number] = NowNs();
    client->Append({0, payload});
  }
  Subscribers::Await([&] { return delivered >= count; }, "deliveries");
  return {latencies.PercentileUs(50),
          {{"p99_us", latencies.PercentileUs(99)},
           {"samples", static_cast<double>(latencies.count())}}};
}

// ---- rows

struct Row {
  std::string name;
  std::string unit;
  bool durable;
  bool replays;
  std::size_t logs;
  std::function<Outcome(PeerServer& server, const fs::path& dir)> run;
};

std::vector<Row> Rows(const BenchOptions& options) {
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, const std::string& unit,
                       bool durable, auto run) {
    rows.push_back(
        {"peers/" + name, unit, durable, false, 1,
         [run](PeerServer& server, const fs::path&) { return run(server); }});
  };
  for (const bool durable : {true, false}) {
    const std::string how = durable ? "/durable" : "/buffered";
    for (const std::size_t clients : {std::size_t{1}, std::size_t{16}}) {
      const std::size_t count =
          options.Scaled(clients * (durable        ? 3'000
                                    : clients == 1 ? 30'000
                                                   : 6'000));
      add("append" + how + "/" + std::to_string(clients), "entries/s", durable,
          [=](PeerServer& server) {
            return AppendWaiting(server, clients, count);
          });
    }
    const std::size_t many = options.Scaled(durable ? 200'000 : 500'000);
    add("append" + how + "/pipelined", "entries/s", durable,
        [=](PeerServer& server) { return AppendPipelined(server, 1, many); });
    const std::size_t paced = options.Scaled(3'000);
    add("delivery" + how, "p50_us", durable,
        [=](PeerServer& server) { return Latency(server, paced); });
  }
  for (const std::size_t subscribers : {std::size_t{100}, std::size_t{1'000}}) {
    const std::size_t count = options.Scaled(2'000'000) / subscribers;
    add("fanout/" + std::to_string(subscribers), "deliveries/s", false,
        [=](PeerServer& server) {
          return FanOut(server, subscribers, count, count);
        });
  }
  const std::size_t gathered = options.Scaled(50'000);
  add("fanout/100/gathered128", "deliveries/s", false,
      [=](PeerServer& server) { return FanOut(server, 100, gathered, 128); });
  const std::size_t entries = options.Scaled(1'000'000);
  rows.push_back({"peers/replay", "entries/s", false, true, 1,
                  [=](PeerServer& server, const fs::path& dir) {
                    return Replay(server, dir, entries);
                  }});
  const std::size_t logs = options.Scaled(10'000);
  rows.push_back({"peers/many_logs", "entries/s", false, false, logs,
                  [=](PeerServer& server, const fs::path&) {
                    Outcome outcome = AppendPipelined(server, logs, logs * 100);
                    outcome.more["rss_mib"] = RssMib(server.pid());
                    return outcome;
                  }});
  return rows;
}

// RocksDB in this process, synced after each entry: what no server can beat.
Outcome RunRaw(const fs::path& dir, std::size_t count) {
  RawLog log(dir);
  const std::uint64_t start = NowNs();
  for (std::size_t seq = 1; seq <= count; ++seq) {
    log.Add(1, seq, Payloads()[seq]);
    log.Write(true);
  }
  return PerSecond(count, start, NowNs());
}

std::string Cell(const std::map<std::string, Outcome>& medians,
                 const std::string& peer) {
  const auto found = medians.find(peer);
  if (found == medians.end()) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.0f", found->second.value);
  std::string cell = text;
  for (const auto& [key, format] : {std::pair{"p99_us", " / p99 %.0f"},
                                    {"rss_mib", ", %.0f MiB"},
                                    {"disk_bytes_per_entry", ", %.0f B"}}) {
    const auto more = found->second.more.find(key);
    if (more == found->second.more.end()) continue;
    std::snprintf(text, sizeof text, format, more->second);
    cell += text;
  }
  return cell;
}

int Main(const BenchOptions& options) {
  std::vector<std::string> table = {
      "| row | unit | raw | redis | jetstream | etcd | syncline |",
      "|---|---|---|---|---|---|---|"};
  for (const Row& row : Rows(options)) {
    Contest contest(options, row.name, row.unit);
    if (row.name == "peers/append/durable/1") {
      contest.Ceiling("raw", [&](const fs::path& dir) {
        return RunRaw(dir, options.Scaled(3'000));
      });
    }
    for (const PeerKind& peer : kPeers) {
      if (row.replays && !peer.replays) continue;
      const auto run = [&](const fs::path& dir) {
        const auto server = peer.start({dir, row.durable, row.logs});
        return row.run(*server, dir);
      };
      if (peer.start == StartSyncline) {
        contest.Entrant(peer.name, run);
      } else {
        contest.Ceiling(peer.name, run);
      }
    }
    contest.Decide();
    const auto medians = contest.Medians();
    if (medians.empty()) continue;
    std::string line = "| " + row.name.substr(6) + " | " + row.unit + " |";
    for (const char* peer : {"raw", "redis", "jetstream", "etcd", "syncline"}) {
      line += " " + Cell(medians, peer) + " |";
    }
    table.push_back(line);
  }
  std::printf("\n");
  for (const std::string& line : table) std::printf("%s\n", line.c_str());
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
