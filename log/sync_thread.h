#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace syncline {

// The one thread that writes and syncs for all logs of a node: jobs run one
// after the other, and jobs that gathered meanwhile share one fsync.
//
// Thread-safe.
class SyncThread {
 public:
  enum class Urgency : unsigned char {
    kNow,   // Somebody waits for the disk.
    kSoon,  // Nobody does: the thread rests a few milliseconds between two
            // rounds that hold nothing else.
  };

  SyncThread();
  // Runs what was submitted, then joins.
  ~SyncThread();
  SyncThread(const SyncThread&) = delete;
  SyncThread& operator=(const SyncThread&) = delete;

  // Runs `write`, then (shared with other jobs) `sync`, then `done` with the
  // first error of the two, all on this thread. `sync` must make what `write`
  // wrote durable; of a group of jobs only the last job's `sync` runs, so all
  // of them must sync the same store.
  void Submit(std::function<absl::Status()> write,
              std::function<absl::Status()> sync,
              std::function<void(absl::Status)> done,
              Urgency urgency = Urgency::kNow);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
