#include "log/sync_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"

namespace syncline {
namespace {

absl::Status Ok() { return absl::OkStatus(); }

TEST_CASE("sync_thread: runs what was submitted before it ends", "[log]") {
  std::string order;
  {
    SyncThread thread;
    for (char name : {'a', 'b', 'c'}) {
      thread.Submit(
          [&order, name] {
            order += name;
            return absl::OkStatus();
          },
          Ok,
          [&order, name](const absl::Status& status) {
            REQUIRE(status.ok());
            order += static_cast<char>(name - 'a' + 'A');
          });
    }
  }
  // Writes in order, each answered behind it and in order.
  std::string writes;
  std::string answers;
  for (char c : order) (c >= 'a' ? writes : answers) += c;
  CHECK(writes == "abc");
  CHECK(answers == "ABC");
}

// Holds the thread up in a first job, then submits `jobs` behind it.
struct Gathered {
  std::promise<void> release;
  std::promise<void> held;
  SyncThread thread;  // Ends before what its first job uses.

  Gathered() {
    thread.Submit(
        [this] {
          held.set_value();
          release.get_future().wait();
          return absl::OkStatus();
        },
        Ok, [](const absl::Status&) {});
    held.get_future().wait();
  }
};

TEST_CASE("sync_thread: jobs that gathered share one sync", "[log]") {
  int syncs = 0;
  std::vector<int> done;
  {
    Gathered gathered;
    for (int i = 0; i < 5; ++i) {
      gathered.thread.Submit(
          Ok,
          [&] {
            CHECK(done.empty());  // Nobody is told before it.
            ++syncs;
            return absl::OkStatus();
          },
          [&done, i](const absl::Status& status) {
            REQUIRE(status.ok());
            done.push_back(i);
          });
    }
    gathered.release.set_value();
  }
  CHECK(syncs == 1);
  CHECK(done == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("sync_thread: a failed write is that job's alone", "[log][fault]") {
  std::vector<absl::StatusCode> codes;
  const auto done = [&](const absl::Status& status) {
    codes.push_back(status.code());
  };
  {
    Gathered gathered;
    gathered.thread.Submit(Ok, Ok, done);
    gathered.thread.Submit([] { return Internal("write"); }, Ok, done);
    gathered.thread.Submit(Ok, Ok, done);
    gathered.release.set_value();
  }
  CHECK(codes == std::vector<absl::StatusCode>{absl::StatusCode::kOk,
                                               absl::StatusCode::kInternal,
                                               absl::StatusCode::kOk});
}

TEST_CASE("sync_thread: a failed sync fails all jobs that shared it",
          "[log][fault]") {
  std::vector<std::string> messages;
  const auto done = [&](const absl::Status& status) {
    messages.emplace_back(FromAbsl(status.message()));
  };
  const auto sync = [] { return Internal("sync"); };
  {
    Gathered gathered;
    gathered.thread.Submit(Ok, sync, done);
    gathered.thread.Submit([] { return Internal("write"); }, sync, done);
    gathered.release.set_value();
  }
  CHECK(messages == std::vector<std::string>{"sync", "write"});
}

TEST_CASE("sync_thread: nothing written is nothing to sync", "[log]") {
  bool synced = false;
  {
    SyncThread thread;
    thread.Submit([] { return Internal("write"); },
                  [&] {
                    synced = true;
                    return absl::OkStatus();
                  },
                  [](const absl::Status&) {});
  }
  CHECK_FALSE(synced);
}

TEST_CASE("sync_thread: takes jobs from many threads", "[log]") {
  std::atomic<int> done = 0;
  {
    SyncThread thread;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int job = 0; job < 250; ++job) {
          thread.Submit(Ok, Ok, [&](const absl::Status&) { ++done; });
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  CHECK(done == 1'000);
}

TEST_CASE("sync_thread: hears of each job however long it was idle", "[log]") {
  SyncThread thread;
  for (int i = 0; i < 2'000; ++i) {
    std::promise<void> done;
    thread.Submit(
        Ok, Ok, [&](const absl::Status&) { done.set_value(); },
        i % 50 == 0 ? SyncThread::Urgency::kSoon : SyncThread::Urgency::kNow);
    done.get_future().wait();
    for (int turn = i % 100; turn > 0; --turn) std::this_thread::yield();
  }
}

TEST_CASE("sync_thread: what nobody waits for shares rounds", "[log]") {
  Gathered gathered;
  std::atomic<int> syncs = 0;
  std::promise<void> last;
  const auto sync = [&syncs] {
    ++syncs;
    return absl::OkStatus();
  };
  gathered.release.set_value();
  constexpr int kJobs = 1000;
  for (int i = 0; i < kJobs; ++i) {
    gathered.thread.Submit(
        Ok, sync,
        [&last, i](const absl::Status& status) {
          if (i + 1 == kJobs && status.ok()) last.set_value();
        },
        SyncThread::Urgency::kSoon);
  }
  last.get_future().wait();
  CHECK(syncs < kJobs / 10);
}

}  // namespace
}  // namespace syncline
