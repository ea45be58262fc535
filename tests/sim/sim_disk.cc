#include "tests/sim/sim_disk.h"

#include <utility>

namespace syncline::testing {

void SimSync::Submit(std::function<absl::Status()> write,
                     std::function<absl::Status()> sync,
                     std::function<void(absl::Status)> done, Urgency urgency) {
  jobs_.push_back({std::move(write), std::move(sync), std::move(done)});
  const std::int64_t rest = urgency == Urgency::kSoon ? 2'000 : 0;
  if (!scheduled_) Schedule(rest + clock_.Between(50, 3'000) * slow_);
}

void SimSync::Schedule(std::int64_t us) {
  scheduled_ = true;
  clock_.After(us, [this, token = std::weak_ptr<char>(running_)] {
    if (!token.expired()) Run();
  });
}

void SimSync::Run() {
  scheduled_ = false;
  std::vector<Job> jobs = std::exchange(jobs_, {});
  std::vector<absl::Status> outcomes;
  for (const Job& job : jobs) outcomes.push_back(job.write());
  const absl::Status synced = jobs.back().sync();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].done(outcomes[i].ok() ? synced : outcomes[i]);
  }
}

void SimSync::Drop() {
  running_ = std::make_shared<char>();
  scheduled_ = false;
  for (const Job& job : std::exchange(jobs_, {})) {
    job.done(absl::UnavailableError("the machine stopped"));
  }
}

}  // namespace syncline::testing
