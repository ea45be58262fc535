#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace syncline {

// Jobs of one log that the sync thread has, and how long the disk takes for
// them. Thread-safe.
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

  // A moving average over the last few.
  void NoteSync(std::int64_t ns) {
    const std::int64_t mean = sync_ns_.load(std::memory_order_relaxed);
    sync_ns_.store(mean == 0 ? ns : mean + (ns - mean) / 4,
                   std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t sync_ns() const {
    return sync_ns_.load(std::memory_order_relaxed);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;  // Guarded by `mutex_`.
  std::atomic<std::int64_t> sync_ns_ = 0;
};

}  // namespace syncline
