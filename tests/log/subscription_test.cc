#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "log/append_log.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;

// Takes spans whenever it is woken, `spans_max` at a time, and goes on only
// when it is told to.
class Subscriber {
 public:
  Subscriber(AppendLog& log, Seq since, std::size_t bytes_max,
             Visibility visibility = Visibility::kDurable)
      : bytes_max_(bytes_max),
        subscription_(log.Subscribe(since, visibility, [this] { Read(); })) {
    Read();
  }

  void Read() {
    for (;;) {
      const auto span = subscription_->Next(bytes_max_);
      REQUIRE(span.ok());
      if (span->empty()) return;
      Take(*span);
    }
  }

  const std::vector<std::uint64_t>& seen() const { return seen_; }

 private:
  void Take(const RecordSpan& span) {
    std::uint64_t last = span.first.value - 1;
    RecordWalk walk(span.first, span.bytes);
    for (; walk.Valid(); walk.Next()) {
      REQUIRE(walk.record().entry == DraftOf(walk.record().dot).entry);
      last = walk.record().seq.value;
      seen_.push_back(last);
    }
    REQUIRE(walk.status().ok());
    REQUIRE(last == span.last.value);
    REQUIRE(subscription_->cursor() == span.last);
  }

  const std::size_t bytes_max_;
  std::vector<std::uint64_t> seen_;
  std::unique_ptr<Subscription> subscription_;
};

TEMPLATE_TEST_CASE("append_log: subscribers see each record exactly once",
                   "[log]", OnMemory, OnRocks) {
  constexpr std::uint64_t kWriters = 16;
  constexpr std::uint64_t kEach = 150;
  TestType on;
  // Small, so that subscribers fall behind the tail cache and come back.
  LogHarness harness(on.store(), testing::kProject,
                     {.tail_cache_bytes = 20'000});
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
          harness.log(), Seq{starts.back()}, 1 + random.Below(5'000),
          random.Below(2) == 0 ? Visibility::kDurable : Visibility::kWritten));
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

TEMPLATE_TEST_CASE("subscription: a position that was truncated is told",
                   "[log]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 50)).ok());
  const auto late = harness->Subscribe({10}, Visibility::kDurable, [] {});
  REQUIRE(late->Next(1)->last == Seq{11});
  REQUIRE(harness->TruncateThrough({20}).ok());
  CHECK(absl::IsNotFound(late->Next(1).status()));
  CHECK(late->cursor() == Seq{11});
  const auto fits = harness->Subscribe({20}, Visibility::kDurable, [] {});
  CHECK(fits->Next(1)->first == Seq{21});
}

TEST_CASE("subscription: what is written comes before it is durable", "[log]") {
  MemoryStore memory;
  testing::GateStore gate(memory);
  LogHarness harness(gate);
  const Subscriber soon(harness.log(), {0}, 1000, Visibility::kWritten);
  const Subscriber safe(harness.log(), {0}, 1000, Visibility::kDurable);
  gate.Shut();
  harness.Start(DraftsOf(OriginOf(1), 1, 3), Durability::kBuffered);
  harness.Poll();
  CHECK(soon.seen() == Numbers(1, 3));
  CHECK(safe.seen().empty());
  gate.Open();
  harness.Run();
  CHECK(safe.seen() == Numbers(1, 3));
  CHECK(soon.seen() == Numbers(1, 3));
}

TEST_CASE("subscription: any may be cancelled while they are woken", "[log]") {
  MemoryStore store;
  LogHarness harness(store);
  std::vector<std::unique_ptr<Subscription>> all(10);
  std::vector<int> calls(all.size(), 0);
  // Each that is woken cancels itself, the one before and the one behind.
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = harness->Subscribe({0}, Visibility::kDurable, [&, i] {
      ++calls[i];
      if (i > 0) all[i - 1].reset();
      if (i + 1 < all.size()) all[i + 1].reset();
      all[i].reset();
    });
    REQUIRE(all[i]->Next(1)->empty());
  }
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 1)).ok());
  int woken = 0;
  for (const int count : calls) woken += count;
  CHECK(woken == 5);
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 2, 1)).ok());
  for (const int count : calls) CHECK(count <= 1);
}

TEST_CASE("subscription: a callback may destroy the log", "[log]") {
  MemoryStore store;
  LogHarness harness(store);
  std::vector<std::unique_ptr<Subscription>> all(3);
  for (auto& each : all) {
    each = harness->Subscribe({0}, Visibility::kDurable, [&] {
      for (auto& other : all) other.reset();
      harness.Close();
    });
    REQUIRE(each->Next(1)->empty());
  }
  harness.Start(DraftsOf(OriginOf(1), 1, 1));
  harness.Run();
  CHECK(all[0] == nullptr);
}

TEST_CASE("subscription: a span lives on when log and store are gone",
          "[log]") {
  RecordSpan live;
  RecordSpan stored;
  {
    OnRocks on;
    LogHarness harness(on.store());
    REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 3)).ok());
    auto subscription = harness->Subscribe({0}, Visibility::kDurable, [] {});
    stored = *subscription->Next(1u << 20);
    REQUIRE(harness.Append(DraftsOf(OriginOf(1), 4, 3)).ok());
    live = *subscription->Next(1u << 20);
    subscription.reset();
  }
  for (const RecordSpan& span : {stored, live}) {
    std::size_t records = 0;
    CHECK(span.checked);
    RecordWalk walk(span);
    for (; walk.Valid(); walk.Next()) ++records;
    CHECK(walk.status().ok());
    CHECK(records == 3);
  }
}

TEST_CASE("subscription: what is borrowed is what is given", "[log]") {
  MemoryStore store;
  LogHarness harness(store);
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 3)).ok());
  const auto given = harness->Subscribe({0}, Visibility::kDurable, [] {});
  const auto borrowed = harness->Subscribe({0}, Visibility::kDurable, [] {});
  RecordSpan span;
  const auto check_next = [&] {
    const RecordSpan whole = *given->Next(1u << 20);
    REQUIRE(borrowed->Borrow(1u << 20, span).ok());
    CHECK(span.bytes == whole.bytes);
    CHECK(span.last == whole.last);
    CHECK(span.checked == whole.checked);
    CHECK(whole.owner != nullptr);
    CHECK(borrowed->cursor() == given->cursor());
  };
  check_next();  // Of the store, then of the tail cache.
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 4, 3)).ok());
  check_next();
  CHECK(span.owner == nullptr);
  REQUIRE(borrowed->Borrow(1u << 20, span).ok());
  CHECK(span.empty());
  REQUIRE(harness->TruncateThrough({6}).ok());
  const auto behind = harness->Subscribe({0}, Visibility::kDurable, [] {});
  CHECK(absl::IsNotFound(behind->Borrow(1u << 20, span)));
}

TEST_CASE("record_walk: damage anywhere is noticed", "[log][fault]") {
  MemoryStore store;
  LogHarness harness(store);
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 2)).ok());
  const auto subscription =
      harness->Subscribe({0}, Visibility::kDurable, [] {});
  const RecordSpan span = *subscription->Next(1u << 20);
  for (std::size_t at = 0; at < span.bytes.size(); ++at) {
    std::string bytes(span.bytes);
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    RecordWalk walk(span.first, bytes);
    while (walk.Valid()) walk.Next();
    CHECK(absl::IsDataLoss(walk.status()));
    RecordWalk made(RecordSpan{span.first, span.last, bytes, nullptr, false});
    while (made.Valid()) made.Next();
    CHECK(absl::IsDataLoss(made.status()));
  }
}

}  // namespace
}  // namespace syncline
