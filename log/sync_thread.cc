#include "log/sync_thread.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace syncline {
namespace {

constexpr std::chrono::milliseconds kRest{2};

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
  std::vector<Job> waiting;  // Guarded by `mutex`, as are:
  bool urgent = false;       // One of `waiting` is.
  bool resting = false;
  bool stopping = false;
  std::thread thread;

  void Run() {
    for (;;) {
      std::vector<Job> jobs;
      {
        std::unique_lock lock(mutex);
        news.wait(lock, [this] { return stopping || !waiting.empty(); });
        jobs.swap(waiting);
        urgent = false;
      }
      if (jobs.empty()) return;
      RunJobs(jobs);
      jobs.clear();
      Rest();
    }
  }

  // A stream of buffered appends would keep the disk busy for nobody.
  void Rest() {
    std::unique_lock lock(mutex);
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
  bool wake = false;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->waiting.push_back(
        {std::move(write), std::move(sync), std::move(done)});
    impl_->urgent |= urgency == Urgency::kNow;
    wake = impl_->urgent || !impl_->resting;
  }
  // Behind the lock: whoever wakes up would only run into it.
  if (wake) impl_->news.notify_one();
}

}  // namespace syncline
