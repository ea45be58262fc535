#pragma once

#include <condition_variable>
#include <mutex>

namespace syncline {

// Jobs that the sync thread has of one queue. Thread-safe.
class JobCounter {
 public:
  void Start() {
    const std::scoped_lock lock(mutex_);
    ++running_;
  }
  void End() {
    const std::scoped_lock lock(mutex_);
    --running_;
    ended_.notify_all();
  }
  void AwaitNone() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;  // Guarded by `mutex_`.
};

}  // namespace syncline
