#include "log/sync_thread.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/stopwatch.h"

namespace syncline {
namespace {

constexpr std::chrono::milliseconds kRest{2};
// Whoever was answered just now may come again sooner than a thread that
// sleeps can be woken.
constexpr std::int64_t kSpinNs = 50'000;

struct Job {
  std::function<absl::Status()> write;
  std::function<absl::Status()> sync;
  std::function<void(absl::Status)> done;
};

void RunJobs(std::vector<Job>& jobs) {
  std::vector<absl::Status> outcomes;
  outcomes.reserve(jobs.size());
  bool wrote = false;
  for (Job& job : jobs) {
    outcomes.push_back(job.write());
    wrote |= outcomes.back().ok();
  }
  const absl::Status synced = wrote ? jobs.back().sync() : absl::OkStatus();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].done(outcomes[i].ok() ? synced : outcomes[i]);
  }
}

}  // namespace

struct SyncThread::Impl {
  std::mutex mutex;
  std::condition_variable news;
  std::vector<Job> waiting;          // Guarded by `mutex`, as are:
  std::atomic<bool> urgent = false;  // One of `waiting` is.
  bool working = true;               // Or spinning: it does not wait.
  bool resting = false;
  bool stopping = false;
  std::thread thread;

  void Run() {
    for (;;) {
      std::vector<Job> jobs;
      bool was_urgent = false;
      {
        std::unique_lock lock(mutex);
        working = false;
        news.wait(lock, [this] { return stopping || !waiting.empty(); });
        jobs.swap(waiting);
        was_urgent = urgent.exchange(false);
        working = true;
      }
      if (jobs.empty()) return;
      RunJobs(jobs);
      jobs.clear();
      if (was_urgent && Spin()) continue;
      Rest();
    }
  }

  // True if somebody waits for the disk again.
  bool Spin() {
    const Stopwatch stopwatch;
    while (!urgent && stopwatch.ElapsedNs() < kSpinNs) {
      std::this_thread::yield();
    }
    const std::scoped_lock lock(mutex);
    return urgent;
  }

  // A stream of buffered appends would keep the disk busy for nobody.
  void Rest() {
    std::unique_lock lock(mutex);
    working = false;
    resting = true;
    news.wait_for(lock, kRest, [this] { return stopping || urgent; });
    resting = false;
  }
};

SyncThread::SyncThread() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

SyncThread::~SyncThread() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->news.notify_one();
  }
  impl_->thread.join();
}

void SyncThread::Submit(std::function<absl::Status()> write,
                        std::function<absl::Status()> sync,
                        std::function<void(absl::Status)> done,
                        Urgency urgency) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->waiting.push_back(
      {std::move(write), std::move(sync), std::move(done)});
  if (urgency == Urgency::kNow) impl_->urgent = true;
  // While it works or spins it will look by itself.
  if (impl_->working) return;
  if (impl_->urgent || !impl_->resting) impl_->news.notify_one();
}

}  // namespace syncline
