// What the logs of one store share: batches, syncs and failures.
#include "log/commit_queue.h"

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/status.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::FaultyStore;
using testing::GateStore;
using testing::kA;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OwnedDrafts;
using testing::Records;
using testing::TallyStore;
using testing::Views;

// Three logs, a, b and c, over a disk that can be held up and can fail.
template <typename On>
struct Logs {
  On on;
  TallyStore tally{on.store()};
  FaultyStore faulty{tally};
  GateStore gate{faulty};
  SeededRandom random{1};
  boost::asio::io_context io;
  SyncThread sync_thread;
  CommitQueue commits;
  std::array<std::unique_ptr<AppendLog>, 3> logs;
  std::string outcome;  // The log's letter, large if it failed.

  // By default also with everything written away that may be.
  Logs()
      : Logs({.away_bytes = GENERATE(std::size_t{0}, std::size_t{64} << 10)}) {}
  explicit Logs(CommitQueue::Options options)
      : commits(gate, sync_thread, io.get_executor(), options) {
    for (int i = 0; i < 3; ++i) Open(i);
  }
  ~Logs() { gate.Open(); }  // The sync thread must be able to end.

  AppendLog& operator[](int log) { return *logs[log]; }
  void Open(int log) {
    logs[log].reset();
    auto opened = AppendLog::Open(commits, ProjectNumber{log + 1u}, random, {});
    REQUIRE(opened.ok());
    logs[log] = *std::move(opened);
  }
  void Append(int log, Durability durability, std::uint64_t count = 1,
              std::function<void()> then = {}) {
    const OwnedDrafts drafts =
        DraftsOf(kA, logs[log]->frontier().CounterOf(kA) + 1, count);
    logs[log]->Append(
        Views(drafts), {}, durability,
        [this, log, then](const absl::StatusOr<AppendLog::Appended>& done) {
          outcome += static_cast<char>((done.ok() ? 'a' : 'A') + log);
          if (then) then();
        });
  }
  void Poll() {
    io.restart();
    io.poll();
  }
  void Run() {
    io.restart();
    io.run();
  }
  void Await(const std::string& what) {
    io.restart();
    while (outcome.size() < what.size()) REQUIRE(io.run_one() > 0);
    CHECK(outcome == what);
  }
};

TEMPLATE_TEST_CASE("commit_queue: all logs share a batch and a sync", "[log]",
                   OnMemory, OnRocks) {
  Logs<TestType> logs;
  const std::size_t batches = logs.tally.batches;
  const int syncs = logs.gate.syncs();
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  for (const int log : {0, 1, 2, 1, 0}) logs.Append(log, durability);
  logs.Run();
  CHECK(logs.outcome == "abcba");
  CHECK(logs.tally.batches - batches == 1);
  CHECK(logs.gate.syncs() - syncs == 1);
  CHECK(logs[0].durable() == Seq{2});
  CHECK(Records(logs[1], {}).seqs == Numbers(1, 2));
  CHECK(Records(logs[2], {}).seqs == Numbers(1, 1));
}

TEMPLATE_TEST_CASE("commit_queue: what waits for the disk gathers of all logs",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  const std::size_t batches = logs.tally.batches;
  logs.gate.Shut();
  logs.Append(0, Durability::kDurable);
  logs.Poll();
  logs.gate.AwaitHeld();
  for (const int log : {0, 1, 1, 0}) {
    logs.Append(log, Durability::kDurable);
    logs.Poll();
  }
  logs.Append(1, Durability::kBuffered);  // Behind a durable one.
  logs.Poll();
  CHECK(logs.tally.batches - batches == 1);
  // Nobody of this log waits, so it need not.
  logs.Append(2, Durability::kBuffered);
  logs.Poll();
  CHECK(logs.outcome == "c");
  CHECK(logs.tally.batches - batches == 2);
  logs.gate.Open();
  logs.Run();
  CHECK(logs.outcome == "caabbab");
  CHECK(logs.tally.batches - batches == 3);
  CHECK(logs[1].durable() == Seq{3});
  CHECK(logs[2].durable() == Seq{1});
}

CommitQueue::Options Lingers(std::chrono::microseconds rest) {
  CommitQueue::Options options;
  options.linger = std::chrono::hours(1);
  options.linger_rest = rest;
  return options;
}

TEMPLATE_TEST_CASE("commit_queue: those who come back share the next sync",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs(Lingers(std::chrono::hours(1)));
  for (const int log : {0, 1, 2}) logs.Append(log, Durability::kDurable);
  logs.Await("abc");
  const std::size_t batches = logs.tally.batches;
  logs.Append(1, Durability::kDurable);
  logs.Poll();
  CHECK(logs.tally.batches == batches);
  logs.Append(2, Durability::kBuffered);  // Nobody of this log waits.
  logs.Await("abcc");
  CHECK(logs.tally.batches - batches == 1);
  for (const int log : {0, 2}) logs.Append(log, Durability::kDurable);
  logs.Await("abccbac");
  CHECK(logs.tally.batches - batches == 2);
  CHECK(logs[2].durable() == Seq{3});
}

TEMPLATE_TEST_CASE("commit_queue: who comes instead counts", "[log]", OnMemory,
                   OnRocks) {
  Logs<TestType> logs(Lingers(std::chrono::hours(1)));
  for (const int log : {0, 0, 0}) logs.Append(log, Durability::kDurable);
  logs.Await("aaa");
  for (const int log : {1, 2, 1}) logs.Append(log, Durability::kDurable);
  logs.Await("aaabcb");
}

TEMPLATE_TEST_CASE("commit_queue: when half are back, the rest must be soon",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs(Lingers(std::chrono::microseconds(1)));
  for (const int log : {0, 1, 2}) logs.Append(log, Durability::kDurable);
  logs.Await("abc");
  for (const int log : {2, 0}) logs.Append(log, Durability::kDurable);
  logs.Await("abcca");
}

TEMPLATE_TEST_CASE("commit_queue: a lone caller finds nobody waited for",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs({.linger = std::chrono::hours(1)});
  for (int i = 0; i < 3; ++i) {
    logs.Append(0, Durability::kDurable);
    logs.Run();  // With no timer left.
  }
  CHECK(logs.outcome == "aaa");
}

TEMPLATE_TEST_CASE("commit_queue: nobody is waited for beyond the linger",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs({.linger = std::chrono::microseconds(1)});
  std::string expected;
  for (int i = 0; i < 10; ++i) {
    logs.Append(0, Durability::kDurable);
    logs.Append(1, Durability::kDurable);
    logs.Await(expected += "ab");
    logs.Append(2, Durability::kDurable);
    logs.Run();
    CHECK(logs.outcome == (expected += "c"));
  }
}

TEMPLATE_TEST_CASE("commit_queue: a log that leaves is not waited for for ever",
                   "[log]", OnMemory, OnRocks) {
  Logs<TestType> logs({.linger = std::chrono::milliseconds(1)});
  for (const int log : {0, 1, 2}) logs.Append(log, Durability::kDurable);
  logs.Await("abc");
  logs.Append(1, Durability::kDurable);
  logs.Append(0, Durability::kDurable);
  for (const int log : {0, 2}) logs.Open(log);
  logs.Run();
  CHECK(logs.outcome == "abcb");
}

TEMPLATE_TEST_CASE("commit_queue: what is much is written away", "[log]",
                   OnMemory, OnRocks) {
  Logs<TestType> logs(CommitQueue::Options{});
  const auto here = std::this_thread::get_id();
  constexpr std::uint64_t kMany = 4'000;
  logs.Append(0, Durability::kDurable);
  logs.Run();
  CHECK(logs.tally.writer == here);
  logs.Append(0, Durability::kBuffered, kMany);
  logs.Run();
  CHECK(logs.tally.writer == here);
  logs.Append(0, Durability::kDurable, kMany);
  logs.Run();
  CHECK(logs.tally.writer != here);
  CHECK(logs.outcome == "aaa");
  CHECK(logs[0].durable() == Seq{1 + 2 * kMany});
}

TEMPLATE_TEST_CASE("commit_queue: nothing passes what is written away",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs({.away_bytes = 0});
  const std::size_t batches = logs.tally.batches;
  const bool fails = GENERATE(false, true);
  if (fails) logs.faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  logs.gate.ShutForWrite();
  logs.Append(0, Durability::kDurable);
  logs.Append(1, Durability::kBuffered);
  logs.Poll();  // The executor is not held up.
  logs.gate.AwaitHeld();
  for (const int log : {2, 0, 1}) logs.Append(log, Durability::kBuffered);
  logs.Append(2, Durability::kDurable);
  logs.Poll();
  CHECK(logs.outcome.empty());
  CHECK(logs.tally.batches == batches);
  logs.gate.Open();
  logs.Run();
  std::string sorted = logs.outcome;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == (fails ? "AABBcc" : "aabbcc"));
  CHECK(logs[0].health().ok() == !fails);
  CHECK(logs[1].health().ok() == !fails);
  CHECK(logs[2].durable() == Seq{2});
  for (const int log : {0, 1}) logs.Open(log);
  CHECK(logs[0].head() == Seq{fails ? 0u : 2u});
  CHECK(logs[1].head() == Seq{fails ? 0u : 2u});
}

TEMPLATE_TEST_CASE("commit_queue: a turn does not pass what is written away",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs({.away_bytes = 0});
  logs.Append(2, Durability::kDurable, 3);
  logs.Run();
  const std::size_t batches = logs.tally.batches;
  logs.gate.ShutForWrite();
  logs.Append(0, Durability::kDurable);
  logs.Poll();
  logs.gate.AwaitHeld();
  logs.Append(1, Durability::kBuffered);
  logs.faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  CHECK(logs[2].TruncateThrough({2}) == Internal("gone"));
  logs.Poll();  // The turn in which others would hear of it.
  CHECK(logs.outcome == "c");
  CHECK(logs.tally.batches == batches);
  logs.gate.Open();
  logs.Run();
  CHECK(logs.outcome.size() == 3);
  CHECK(logs[0].durable() == Seq{1});
  CHECK(logs[1].durable() == Seq{1});
}

TEMPLATE_TEST_CASE("commit_queue: a log leaves while it is written away",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs({.away_bytes = 0});
  const bool fails = GENERATE(false, true);
  if (fails) logs.faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  logs.gate.ShutForWrite();
  for (const int log : {0, 1}) logs.Append(log, Durability::kDurable);
  logs.Poll();
  logs.gate.AwaitHeld();
  logs.Append(0, Durability::kDurable);
  logs.gate.Open();
  logs.logs[0].reset();  // Waits for the disk.
  logs.Run();
  CHECK(logs.outcome == (fails ? "B" : "b"));
  logs.Open(0);
  CHECK(logs[0].head() == Seq{fails ? 0u : 1u});
  logs.Append(0, Durability::kDurable);
  logs.Run();
  CHECK(logs.outcome.back() == 'a');
}

TEMPLATE_TEST_CASE("commit_queue: a failed write stops the logs of its batch",
                   "[log][fault]", OnMemory, OnRocks) {
  const auto away = GENERATE(std::size_t{0}, std::size_t{1} << 20);
  Logs<TestType> logs({.batch_drafts_max = 2, .away_bytes = away});
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  logs.faulty.Fail(FaultyStore::Call::kWrite, 2, Internal("gone"));
  for (const int log : {0, 1, 1, 1, 2, 1, 0}) logs.Append(log, durability);
  logs.Run();
  // Batches ab, bb, cb, a: the second fails, and b goes out of the third.
  CHECK(logs.outcome.find("BBB") != std::string::npos);
  std::string sorted = logs.outcome;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == "BBBaabc");
  CHECK(logs[1].health() == Internal("gone"));
  CHECK(logs[0].health().ok());
  CHECK(logs[2].health().ok());
  CHECK(logs[0].durable() == Seq{2});
  CHECK(logs[2].durable() == Seq{1});
  logs.Open(1);
  CHECK(Records(logs[1], {}).seqs == Numbers(1, 1));
  logs.outcome.clear();
  for (const int log : {0, 1, 2}) logs.Append(log, durability);
  logs.Run();
  CHECK(logs.outcome == "abc");
}

TEMPLATE_TEST_CASE("commit_queue: a failed sync stops whom it was for",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  logs.gate.Shut();
  logs.Append(0, Durability::kDurable);
  logs.Poll();
  logs.gate.AwaitHeld();
  logs.Append(1, Durability::kBuffered);
  logs.Poll();  // Written meanwhile: its pages may be lost as well.
  logs.Append(0, Durability::kDurable);  // Gathers, as does
  logs.Append(2, Durability::kDurable);
  logs.faulty.Fail(FaultyStore::Call::kSync, 1, Internal("gone"));
  logs.gate.Open();
  logs.Run();
  CHECK(logs.outcome == "bAAc");
  CHECK(logs[0].health() == Internal("gone"));
  CHECK(logs[1].health() == Internal("gone"));
  CHECK(logs[1].durable() == Seq{0});
  CHECK(logs[2].health().ok());
  CHECK(logs[2].durable() == Seq{1});
}

TEMPLATE_TEST_CASE("commit_queue: a failed truncation stops its log alone",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  for (const int log : {0, 1}) logs.Append(log, Durability::kDurable, 3);
  logs.Run();
  logs.faulty.Fail(FaultyStore::Call::kWrite, 1, Internal("gone"));
  for (const int log : {0, 1, 0}) logs.Append(log, Durability::kBuffered);
  CHECK(logs[0].TruncateThrough({2}) == Internal("gone"));
  CHECK(logs.outcome == "ab");  // Nobody is called from within.
  logs.Run();
  CHECK(logs.outcome == "abAAb");
  CHECK(logs[1].durable() == Seq{4});
  logs.Open(0);
  CHECK(logs[0].head() == Seq{3});
}

TEMPLATE_TEST_CASE("commit_queue: a log that leaves takes what it gathered",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  const bool busy = GENERATE(false, true);
  if (busy) {
    logs.gate.Shut();
    logs.Append(2, Durability::kDurable);
    logs.Poll();
    logs.gate.AwaitHeld();
  }
  for (const int log : {0, 1, 0, 1}) logs.Append(log, durability);
  logs.Open(0);  // While the disk works for another log.
  CHECK(logs[0].head() == Seq{0});
  logs.Append(0, durability, 2);
  logs.gate.Open();
  logs.Run();
  if (busy) logs.outcome.erase(logs.outcome.find('c'), 1);
  CHECK(logs.outcome == "bba");
  CHECK(Records(logs[0], {}).seqs == Numbers(1, 2));
  CHECK(Records(logs[1], {}).seqs == Numbers(1, 2));
}

TEMPLATE_TEST_CASE("commit_queue: a callback may destroy any log",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  const auto waiter = logs[1].Wait([] { FAIL("the log is gone"); });
  logs.Append(0, durability);
  logs.Append(1, durability);
  logs.Append(0, durability, 1, [&] {
    logs.logs[1].reset();
    logs.logs[0].reset();
  });
  for (const int log : {1, 0, 2}) logs.Append(log, durability);
  logs.Run();
  CHECK(logs.outcome == "abac");
  logs.Open(0);
  logs.Open(1);
  CHECK(logs[0].head() == Seq{3});
  CHECK(logs[1].head() == Seq{2});
}

TEMPLATE_TEST_CASE("commit_queue: a callback that throws harms no other log",
                   "[log][fault]", OnMemory, OnRocks) {
  Logs<TestType> logs;
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  int told = 0;
  const auto first = logs[0].Wait([&] {
    ++told;
    throw std::runtime_error("told");
  });
  const auto second = logs[1].Wait([&] { ++told; });
  logs.Append(0, durability, 1, [] { throw std::runtime_error("answered"); });
  logs.Append(1, durability);
  CHECK_THROWS_WITH(logs.Run(), "answered");
  CHECK(logs.outcome == "a");
  CHECK_THROWS_WITH(logs.Run(), "told");
  logs.Run();
  CHECK(logs.outcome == "ab");
  CHECK(told == 2);
}

}  // namespace
}  // namespace syncline
