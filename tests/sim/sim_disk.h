#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "log/sync_thread.h"
#include "tests/sim/sim_clock.h"

namespace syncline::testing {

// Syncs that take simulated time; what gathers meanwhile shares the next one.
class SimSync final : public SyncQueue {
 public:
  explicit SimSync(SimClock& clock) : clock_(clock) {}

  void Submit(std::function<absl::Status()> write,
              std::function<absl::Status()> sync,
              std::function<void(absl::Status)> done, Urgency urgency) override;
  // From now on each takes so many times as long.
  void Slow(std::int64_t times) { slow_ = times; }
  // The machine stops: nothing submitted happens any more.
  void Drop();

 private:
  struct Job {
    std::function<absl::Status()> write;
    std::function<absl::Status()> sync;
    std::function<void(absl::Status)> done;
  };
  void Schedule(std::int64_t us);
  void Run();

  SimClock& clock_;
  std::vector<Job> jobs_;
  bool scheduled_ = false;
  std::int64_t slow_ = 1;
  std::shared_ptr<char> running_ = std::make_shared<char>();
};

}  // namespace syncline::testing
