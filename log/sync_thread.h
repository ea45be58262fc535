#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace syncline {

// Who waits for the disk, so that no loop has to. A seam: a simulation decides
// how long a sync takes, and what a loss of power leaves.
class SyncQueue {
 public:
  enum class Urgency : unsigned char {
    kNow,   // Somebody waits for the disk.
    kSoon,  // Nobody does: there may be a rest of a few milliseconds between
            // two rounds that hold nothing else.
  };

  virtual ~SyncQueue() = default;

  // Runs `write`, then (shared with other jobs) `sync`, then `done` with the
  // first error of the two; `done` may come on any thread, and must come.
  // `sync` must make what `write` wrote durable; of a group of jobs only the
  // last job's `sync` runs, so all of them must sync the same store.
  virtual void Submit(std::function<absl::Status()> write,
                      std::function<absl::Status()> sync,
                      std::function<void(absl::Status)> done,
                      Urgency urgency) = 0;
};

// The one thread that syncs for all logs of a node: jobs run one after the
// other, and jobs that gathered meanwhile share one fsync.
//
// Thread-safe.
class SyncThread final : public SyncQueue {
 public:
  SyncThread();
  // Runs what was submitted, then joins.
  ~SyncThread() override;
  SyncThread(const SyncThread&) = delete;
  SyncThread& operator=(const SyncThread&) = delete;

  void Submit(std::function<absl::Status()> write,
              std::function<absl::Status()> sync,
              std::function<void(absl::Status)> done,
              Urgency urgency = Urgency::kNow) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
