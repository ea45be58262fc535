#include "log/sync_thread.h"

#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace syncline {
namespace {

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
  absl::Mutex mutex;
  std::vector<Job> waiting ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::thread thread;

  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return stopping || !waiting.empty();
  }

  void Run() {
    for (;;) {
      std::vector<Job> jobs;
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(this, &Impl::HasNews));
        jobs.swap(waiting);
      }
      if (jobs.empty()) return;
      RunJobs(jobs);
    }
  }
};

SyncThread::SyncThread() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

SyncThread::~SyncThread() {
  {
    absl::MutexLock lock(&impl_->mutex);
    impl_->stopping = true;
  }
  impl_->thread.join();
}

void SyncThread::Submit(std::function<absl::Status()> write,
                        std::function<absl::Status()> sync,
                        std::function<void(absl::Status)> done) {
  absl::MutexLock lock(&impl_->mutex);
  impl_->waiting.push_back(
      {std::move(write), std::move(sync), std::move(done)});
}

}  // namespace syncline
