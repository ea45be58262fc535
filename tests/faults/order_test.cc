// S1: 16 threads append to one project while subscribers start at random
// seqs. Each sees all that follows its start, once and in order, across the
// hand-over from replay to live; whoever reads at any time reads a prefix.
//
// SYNCLINE_ENTRIES: how many entries a run has; 100000 for the long one.
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "log/record_span.h"
#include "log/subscription.h"
#include "node/node.h"
#include "tests/log/log_harness.h"
#include "tests/node/running_node.h"
#include "tests/testing/setting.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::At;
using testing::DraftsOf;
using testing::LogHarness;
using testing::MemoryDirectory;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using testing::RunningNode;
using testing::TemporaryDirectory;

constexpr std::uint64_t kThreads = 16;
constexpr int kSeeds = 20;
// How often a run of any length reads the whole log.
constexpr std::uint64_t kPrefixChecks = 16;

std::uint64_t Entries(std::uint64_t by_default) {
  return testing::Setting("SYNCLINE_ENTRIES", by_default);
}

// ---- the log itself

class OrderedSubscriber {
 public:
  OrderedSubscriber(AppendLog& log, Seq since, Visibility visibility,
                    std::size_t bytes_max)
      : start_(since),
        bytes_max_(bytes_max),
        subscription_(log.Subscribe(since, visibility, [this] { Take(); })) {
    Take();
  }

  void Take() {
    for (;;) {
      const auto span = subscription_->Next(bytes_max_);
      REQUIRE(span.ok());
      if (span->empty()) return;
      REQUIRE(span->first.value == start_.value + dots.size() + 1);
      RecordWalk walk(span->first, span->bytes);
      for (; walk.Valid(); walk.Next()) dots.push_back(walk.record().dot);
      REQUIRE(walk.status().ok());
      REQUIRE(span->last.value == start_.value + dots.size());
    }
  }
  Seq start() const { return start_; }

  std::vector<Dot> dots;

 private:
  const Seq start_;
  const std::size_t bytes_max_;
  std::unique_ptr<Subscription> subscription_;
};

class Run {
 public:
  Run(Store& store, std::uint64_t seed, std::uint64_t entries)
      : harness_(store), random_(seed), appends_(entries / 2) {}

  void Append(std::uint64_t thread) {
    const Origin origin = OriginOf(thread);
    const std::uint64_t count = 1 + random_.Below(3);
    const std::uint64_t next = counters_[thread] + 1;
    harness_.Start(DraftsOf(origin, next, count), random_.Below(2) == 0
                                                      ? Durability::kBuffered
                                                      : Durability::kDurable);
    for (std::uint64_t i = 0; i < count; ++i)
      history_.push_back({origin, next + i});
    counters_[thread] += count;
    if (subscribers_.size() < 4 && random_.Below(40) == 0) Subscribe();
    if (random_.Below(appends_ / kPrefixChecks) == 0) CheckPrefix();
  }

  void Go() {
    harness_.io().restart();
    auto work = boost::asio::make_work_guard(harness_.io());
    std::atomic<std::uint64_t> running = kThreads;
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < appends_ / kThreads; ++i) {
          boost::asio::post(harness_.io(), [this, thread] { Append(thread); });
          if (i % 16 == 0) std::this_thread::yield();
        }
        if (--running == 0) work.reset();
      });
    }
    harness_.io().run();
    for (std::thread& thread : threads) thread.join();
    while (subscribers_.size() < 4) Subscribe();
    harness_.Run();
    CheckPrefix();
    REQUIRE(harness_->durable().value == history_.size());
    for (const auto& subscriber : subscribers_) {
      const auto from = static_cast<std::ptrdiff_t>(subscriber->start().value);
      REQUIRE(subscriber->dots ==
              std::vector<Dot>(history_.begin() + from, history_.end()));
    }
  }

 private:
  void Subscribe() {
    subscribers_.push_back(std::make_unique<OrderedSubscriber>(
        harness_.log(), Seq{random_.Below(harness_->durable().value + 1)},
        random_.Below(2) == 0 ? Visibility::kDurable : Visibility::kWritten,
        1 + random_.Below(20'000)));
  }

  void CheckPrefix() {
    const auto walk = testing::Records(harness_.log(), {});
    REQUIRE(walk.status.ok());
    REQUIRE(walk.dots.size() <= history_.size());
    REQUIRE(std::equal(walk.dots.begin(), walk.dots.end(), history_.begin()));
    REQUIRE(walk.seqs == Numbers(1, walk.seqs.size()));
  }

  LogHarness harness_;
  SeededRandom random_;
  const std::uint64_t appends_;  // Of two drafts on average.
  std::vector<std::uint64_t> counters_ = std::vector<std::uint64_t>(kThreads);
  std::vector<Dot> history_;  // By seq, as the executor gave them out.
  std::vector<std::unique_ptr<OrderedSubscriber>> subscribers_;
};

TEMPLATE_TEST_CASE("order: subscribers of a log see all once and in order",
                   "[faults]", OnMemory, OnRocks) {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    TestType on;
    Run(on.store(), static_cast<std::uint64_t>(seed), Entries(1'500)).Go();
  }
}

// ---- through a node

// What one subscriber of the node was given. Everything on the node's loop.
struct Following {
  std::uint64_t start = 0;
  std::uint64_t last = 0;
  bool in_order = true;
  std::optional<Project::Log::Subscription> subscription;

  void Start(const Project& project, Seq since) {
    start = last = since.value;
    LogQuery query;
    query.since = since;
    query.follow = true;
    auto started = project.log().Subscribe(
        query,
        [this](const std::vector<LogRecord>& records,
               const std::function<void()>& next) {
          for (const LogRecord& record : records) {
            in_order &= record.seq.value == last + 1;
            last = record.seq.value;
          }
          next();
        },
        [](const absl::StatusOr<LogEnd>&) {});
    if (started.ok()) subscription.emplace(*std::move(started));
  }
};

// All of the log, over as many pages as it takes, ends at the head it had or
// further, and has no hole.
bool ReadsPrefix(const Project& project) {
  std::uint64_t last = 0;
  for (;;) {
    LogQuery query;
    query.since = Seq{last};
    const auto page = project.log().Read(query);
    if (!page.ok()) return false;
    if (page->records.empty()) return true;
    for (const LogRecord& record : page->records) {
      if (record.seq.value != ++last) return false;
    }
  }
}

TEST_CASE("order: subscribers of a node see all once and in order",
          "[faults]") {
  const std::uint64_t each = Entries(640) / kThreads;
  const std::uint64_t check_every = std::max(each / 2, 1ul);
  for (int seed = 1; seed <= kSeeds / 4; ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    SeededRandom random(static_cast<std::uint64_t>(seed));
    const TemporaryDirectory directory(MemoryDirectory());
    RunningNode node(At(directory / "home"));
    REQUIRE(node.status().ok());
    const auto project = node->CreateProject("p");
    REQUIRE(project.ok());
    std::atomic<std::uint64_t> highest = 0;
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < each; ++i) {
          const auto written = project->documents().Put(
              "thread", std::to_string(thread), std::to_string(i));
          if (!written.ok()) ++failures;
          if (written.ok())
            highest = std::max(highest.load(), written->seq.value);
          if (i % check_every == check_every / 2 && !ReadsPrefix(*project)) {
            ++failures;
          }
        }
      });
    }
    std::vector<Following> following(4);
    for (Following& each_one : following) {
      std::this_thread::yield();
      const Seq since{random.Below(highest + 1)};
      node.OnLoop([&] { each_one.Start(*project, since); });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(failures == 0);
    const std::uint64_t head = each * kThreads;
    for (int turns = 0; turns < 10'000; ++turns) {
      const bool done = node.OnLoop([&] {
        return std::all_of(following.begin(), following.end(),
                           [&](const Following& f) { return f.last == head; });
      });
      if (done) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    node.OnLoop([&] {
      for (Following& f : following) {
        CHECK(f.in_order);
        CHECK(f.last == head);
        f.subscription.reset();
      }
    });
    CHECK(node->Close().ok());
  }
}

}  // namespace
}  // namespace syncline
