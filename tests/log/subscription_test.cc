// Subscriptions as callers build them: a cursor, a waiter and a reader.
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "log/append_log.h"
#include "tests/log/log_harness.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;

// Reads from its cursor whenever it is woken; replay and live delivery are one.
class Subscriber {
 public:
  Subscriber(AppendLog& log, Seq since, std::size_t records_max)
      : log_(log), cursor_(since), records_max_(records_max) {
    waiter_ = log.Wait([this] { Read(); });
    Read();
  }

  void Read() {
    const auto reader = log_.Read({.since = cursor_});
    for (std::size_t i = 0; i < records_max_ && reader->Valid(); ++i) {
      REQUIRE(reader->record().seq == cursor_.next());
      seen_.push_back(reader->record().seq.value);
      cursor_ = reader->record().seq;
      reader->Next();
    }
    REQUIRE(reader->status().ok());
  }

  const std::vector<std::uint64_t>& seen() const { return seen_; }

 private:
  AppendLog& log_;
  Seq cursor_;
  const std::size_t records_max_;
  std::vector<std::uint64_t> seen_;
  std::unique_ptr<AppendLog::Waiter> waiter_;
};

TEMPLATE_TEST_CASE("append_log: subscribers see each record exactly once",
                   "[log]", OnMemory, OnRocks) {
  constexpr std::uint64_t kWriters = 16;
  constexpr std::uint64_t kEach = 150;
  TestType on;
  LogHarness harness(on.store());
  SeededRandom random(8);
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  std::vector<std::uint64_t> starts;
  std::vector<std::uint64_t> counters(kWriters, 0);
  std::uint64_t appended = 0;

  // On the executor. A subscriber joins now and then, at a seq of the past.
  const auto append = [&](std::uint64_t writer) {
    const std::uint64_t count = 1 + random.Below(3);
    harness.Start(
        DraftsOf(OriginOf(writer), counters[writer] + 1, count),
        random.Below(3) == 0 ? Durability::kBuffered : Durability::kDurable);
    counters[writer] += count;
    appended += count;
    if (random.Below(100) == 0) {
      starts.push_back(random.Below(harness->durable().value + 1));
      subscribers.push_back(std::make_unique<Subscriber>(
          harness.log(), Seq{starts.back()}, 1 + random.Below(5'000)));
    }
  };
  harness.io().restart();
  auto work = boost::asio::make_work_guard(harness.io());
  std::vector<std::thread> writers;
  std::atomic<int> running = kWriters;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        boost::asio::post(harness.io(), [&, writer] { append(writer); });
        if (i % 16 == 0) std::this_thread::yield();
      }
      if (--running == 0) work.reset();
    });
  }
  harness.io().run();
  for (std::thread& writer : writers) writer.join();
  harness.Run();

  REQUIRE(harness->durable() == Seq{appended});
  REQUIRE(subscribers.size() > 4);
  for (std::size_t i = 0; i < subscribers.size(); ++i) {
    subscribers[i]->Read();  // Those that take few at a time catch up.
    while (subscribers[i]->seen().size() < appended - starts[i]) {
      subscribers[i]->Read();
    }
    CHECK(subscribers[i]->seen() == Numbers(starts[i] + 1, appended));
  }
}

TEMPLATE_TEST_CASE("append_log: a subscriber resumes behind a restart", "[log]",
                   OnMemory, OnRocks) {
  TestType on;
  std::vector<std::uint64_t> seen;
  LogId id;
  for (std::uint64_t round = 0; round < 5; ++round) {
    LogHarness harness(on.store());
    if (round == 0) id = harness->id();
    const Seq cursor{seen.size()};
    REQUIRE(harness->Check(id, cursor) == CursorState::kValid);
    REQUIRE(harness.Append(DraftsOf(OriginOf(1), round * 10 + 1, 4)).ok());
    {
      const Subscriber subscriber(harness.log(), cursor, 1'000);
      REQUIRE(harness.Append(DraftsOf(OriginOf(1), round * 10 + 5, 3)).ok());
      seen.insert(seen.end(), subscriber.seen().begin(),
                  subscriber.seen().end());
    }
    REQUIRE(harness.Append(DraftsOf(OriginOf(1), round * 10 + 8, 3)).ok());
    harness.Close();
    on.Reopen();
  }
  CHECK(seen == Numbers(1, 47));
}

TEMPLATE_TEST_CASE("append_log: readers on other threads are undisturbed",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 500)).ok());
  std::vector<std::unique_ptr<AppendLog::Reader>> readers;
  std::vector<testing::Walk> walks(4);
  for (std::size_t i = 0; i < walks.size(); ++i) {
    readers.push_back(harness->Read({.since = {i * 100}, .reverse = i == 3}));
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < walks.size(); ++i) {
    threads.emplace_back([&, i] { walks[i] = testing::WalkAll(*readers[i]); });
  }
  for (std::uint64_t i = 0; i < 20; ++i) {
    REQUIRE(harness.Append({DraftOf({OriginOf(1), 501 + i})}).ok());
    REQUIRE(harness->TruncateThrough({20 * (i + 1)}).ok());
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < walks.size(); ++i) {
    CHECK(walks[i].status.ok());
    CHECK(walks[i].seqs.size() == 500 - i * 100);
  }
}

}  // namespace
}  // namespace syncline
