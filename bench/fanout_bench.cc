// How fast new entries reach subscribers in this process: many of them with a
// publisher at full speed, and one of them at a steady pace.

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bench/harness.h"
#include "bench/raw_log.h"
#include "bench/rigs.h"
#include "log/record_span.h"
#include "log/subscription.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSpanBytes = 256u << 10;
constexpr std::size_t kPacedAppends = 3'000;
constexpr std::chrono::microseconds kPace{1'000};

struct Load {
  std::size_t subscribers;
  std::size_t group;  // Appends that are made at once.
  std::size_t count;
};

// ---- full speed

// Direct calls over a queue of blocks that all share: each subscriber is a
// position in it. Nothing is written.
Outcome RunBlocks(const Load& load) {
  constexpr std::size_t kBlocksMax = 4096;
  struct Block {
    std::size_t first;
    std::size_t count;
    std::shared_ptr<const std::string> bytes;
  };
  struct Position {
    std::size_t next = 0;
    std::uint64_t sum = 0;
  };
  const PayloadPool pool;
  std::deque<Block> blocks;
  std::size_t first_block = 0;  // Number of the oldest block kept.
  std::vector<Position> positions(load.subscribers);
  std::vector<std::function<void()>> wake;
  for (Position& position : positions) {
    wake.push_back([&] {
      for (; position.next < first_block + blocks.size(); ++position.next) {
        const Block& block = blocks[position.next - first_block];
        const std::shared_ptr<const std::string> bytes = block.bytes;
        position.sum += static_cast<unsigned char>((*bytes)[0]) + block.count;
      }
    });
  }
  const std::uint64_t start = NowNs();
  for (std::size_t i = 0; i < load.count; i += load.group) {
    std::string bytes;
    for (std::size_t j = 0; j < load.group; ++j) bytes += pool[i + j];
    blocks.push_back(
        {i, load.group, std::make_shared<const std::string>(std::move(bytes))});
    if (blocks.size() > kBlocksMax) {
      blocks.pop_front();
      ++first_block;
    }
    for (const auto& each : wake) each();
  }
  return PerSecond(load.count * load.subscribers, start, NowNs());
}

// What a subscriber does with its records.
enum class Use {
  kHold,    // May keep them for as long as it likes.
  kBorrow,  // Is done with them at once.
  kWalk,    // Looks at each.
};

// Takes all that there is whenever it is woken.
class Taker {
 public:
  Taker(AppendLog& log, Use use) : use_(use) {
    subscription_ =
        log.Subscribe(log.head(), Visibility::kWritten, [this] { Take(); });
    Take();
  }

  void Take() {
    do {
      RecordSpan span;
      if (use_ == Use::kHold) {
        span = Must(subscription_->Next(kSpanBytes));
      } else {
        Must(subscription_->Borrow(kSpanBytes, span));
      }
      if (span.empty()) return;
      sum_ += static_cast<unsigned char>(span.bytes[0]);
      if (use_ == Use::kWalk) Walk(span);
    } while (subscription_->more());
  }
  [[nodiscard]] Seq cursor() const { return subscription_->cursor(); }

 private:
  void Walk(const RecordSpan& span) {
    RecordWalk records(span);
    for (; records.Valid(); records.Next()) {
      sum_ += static_cast<unsigned char>(records.record().entry[0]);
    }
    Must(records.status());
  }

  const Use use_;
  std::uint64_t sum_ = 0;
  std::unique_ptr<Subscription> subscription_;
};

Outcome RunSubscribers(const fs::path& dir, const Load& load, Use use) {
  LogRig rig(dir);
  const PayloadPool pool;
  std::vector<std::unique_ptr<Taker>> takers;
  for (std::size_t i = 0; i < load.subscribers; ++i) {
    takers.push_back(std::make_unique<Taker>(rig.log(), use));
  }
  std::size_t appended = 0;
  std::size_t waiting = 0;
  std::function<void()> publish = [&] {
    if (appended >= load.count) return;
    for (std::size_t i = 0; i < load.group; ++i) {
      ++waiting;
      rig.Append(pool[appended++], Durability::kBuffered,
                 [&](const auto& result) {
                   Must(result.status());
                   if (--waiting == 0) publish();
                 });
    }
  };
  const std::uint64_t start = NowNs();
  publish();
  rig.RunUntil([&] {
    return appended >= load.count && waiting == 0 &&
           takers.front()->cursor() == rig.log().head() &&
           takers.back()->cursor() == rig.log().head();
  });
  Outcome outcome = PerSecond(appended * load.subscribers, start, NowNs());
  for (const auto& taker : takers) {
    if (taker->cursor() != rig.log().head()) {
      Must(absl::InternalError("a subscriber was left behind"));
    }
  }
  return outcome;
}

// ---- at a steady pace

// Calls `tick` on `io` kPacedAppends times, kPace apart.
void RunPaced(boost::asio::io_context& io, std::size_t count,
              const std::function<void(std::size_t number)>& tick) {
  boost::asio::steady_timer timer(io);
  auto at = std::chrono::steady_clock::now();
  std::size_t number = 0;
  std::function<void()> wait = [&] {
    at += kPace;
    timer.expires_at(at);
    timer.async_wait([&](const boost::system::error_code&) {
      tick(number++);
      if (number < count) return wait();
      boost::asio::post(io, [&] { io.stop(); });
    });
  };
  wait();
  io.restart();
  io.run();
}

Outcome Percentiles(const Latencies& latencies) {
  return {latencies.PercentileUs(50),
          {{"p99_us", latencies.PercentileUs(99)},
           {"samples", static_cast<double>(latencies.count())}}};
}

// From before a write to RocksDB until after it, as a subscriber that is
// called directly would see it.
Outcome RunRawPaced(const fs::path& dir, Durability durability,
                    std::size_t count) {
  RawLog log(dir);
  boost::asio::io_context io;
  Latencies latencies;
  RunPaced(io, count, [&](std::size_t number) {
    const std::uint64_t start = NowNs();
    log.Add(1, number + 1, PayloadText(number, 290));
    log.Write(durability == Durability::kDurable);
    latencies.Add(NowNs() - start);
  });
  return Percentiles(latencies);
}

Outcome RunPacedSubscriber(const fs::path& dir, Durability durability,
                           std::size_t count) {
  LogRig rig(dir);
  std::vector<std::uint64_t> started(count + 1);
  Latencies latencies;
  std::unique_ptr<Subscription> subscription;
  const auto take = [&] {
    for (;;) {
      const RecordSpan span = Must(subscription->Next(kSpanBytes));
      if (span.empty()) return;
      const std::uint64_t now = NowNs();
      for (Seq seq = span.first; seq <= span.last; seq = seq.next()) {
        latencies.Add(now - started[seq.value]);
      }
    }
  };
  subscription = rig.log().Subscribe({},
                                     durability == Durability::kDurable
                                         ? Visibility::kDurable
                                         : Visibility::kWritten,
                                     take);
  take();
  RunPaced(rig.io(), count, [&](std::size_t number) {
    const std::string entry = PayloadText(number);
    started[number + 1] = NowNs();
    rig.Append(entry, durability,
               [](const auto& appended) { Must(appended.status()); });
  });
  rig.RunUntil([&] { return latencies.count() == count; });
  return Percentiles(latencies);
}

// ---- rows

void CompareFanout(const BenchOptions& options, const Load& load) {
  Contest contest(options,
                  "fanout/" + std::to_string(load.subscribers) + "/group" +
                      std::to_string(load.group),
                  "deliveries/s");
  contest.Ceiling("blocks", [=](const fs::path&) { return RunBlocks(load); });
  contest.Entrant("syncline", [=](const fs::path& dir) {
    return RunSubscribers(dir, load, Use::kHold);
  });
  contest.Entrant("syncline_borrowed", [=](const fs::path& dir) {
    return RunSubscribers(dir, load, Use::kBorrow);
  });
  contest.Entrant("syncline_walked", [=](const fs::path& dir) {
    return RunSubscribers(dir, load, Use::kWalk);
  });
  contest.Decide();
}

void CompareLatency(const BenchOptions& options, Durability durability) {
  const std::size_t count = options.Scaled(kPacedAppends);
  Contest contest(options,
                  durability == Durability::kDurable ? "latency/durable"
                                                     : "latency/buffered",
                  "p50_us");
  contest.Ceiling("raw", [=](const fs::path& dir) {
    return RunRawPaced(dir, durability, count);
  });
  contest.Entrant("syncline", [=](const fs::path& dir) {
    return RunPacedSubscriber(dir, durability, count);
  });
  contest.Decide();
}

int Main(const BenchOptions& options) {
  CompareFanout(options, {1, 1, options.Scaled(100'000)});
  CompareFanout(options, {100, 1, options.Scaled(50'000)});
  CompareFanout(options, {1'000, 1, options.Scaled(20'000)});
  CompareFanout(options, {1'000, 32, options.Scaled(10'000) * 32});
  CompareFanout(options, {10'000, 1, options.Scaled(2'000)});
  CompareLatency(options, Durability::kBuffered);
  CompareLatency(options, Durability::kDurable);
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
