// Waiting until everything that this node knows of is in step.

#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "base/status.h"
#include "node/node_core.h"
#include "replication/state_intake.h"

namespace syncline {

// Sweeps the mirrors first, then looks again and again whether anything is
// left to do. Two looks in a row must find nothing.
class NodeCore::Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  Waiter(NodeCore& core, std::vector<ProjectNumber> projects,
         std::int64_t timeout_ms, Callback<WaitReport> done)
      : core_(core.weak_from_this()),
        projects_(std::move(projects)),
        timer_(core.io_),
        deadline_ms_(timeout_ms < 0 ? -1 : core.time_.SteadyMs() + timeout_ms),
        grace_ends_ms_(core.time_.SteadyMs() + kGraceMs),
        stuck_since_ms_(core.time_.SteadyMs()),
        done_(std::move(done)) {}

  void Start() {
    const std::shared_ptr<NodeCore> core = core_.lock();
    if (core->serving_) core->peers_->RetryNow();
    ++scans_left_;  // This call's own, given back at its end.
    for (const ProjectNumber number : projects_) {
      const ProjectRow& row = core->settings_->projects().at(number);
      ++scans_left_;
      core->ScanMirrors(row.name, "", [self = shared_from_this()](const auto&) {
        self->Scanned();
      });
    }
    --scans_left_;
    Look();
  }

  void Stop() {
    done_ = nullptr;
    timer_.cancel();
  }

 private:
  static constexpr std::chrono::milliseconds kPause{20};
  // For a peer that has just connected to say what it shares.
  static constexpr std::int64_t kGraceMs = 1000;
  // For what needs a person and may yet be about to be mended: a folder that
  // is being mounted, say.
  static constexpr std::int64_t kStuckMs = 5000;
  // For a device to come back that starts again.
  static constexpr std::int64_t kAwayMs = 20'000;

  // What a sweep could not do shows in the mirror's status.
  void Scanned() { --scans_left_; }

  void Look() {
    if (!done_) return;  // Nobody waits any more.
    const std::shared_ptr<NodeCore> core = core_.lock();
    if (!core || core->closing_) {
      return Finish(NodeClosed());
    }
    if (const absl::Status failed = FailureOf(*core); !failed.ok()) {
      return Finish(failed);
    }
    const Left left = WhatIsLeft(*core);
    quiet_looks_ = left.what.empty() ? quiet_looks_ + 1 : 0;
    if (quiet_looks_ == 2) return Finish(Report(*core));
    const std::int64_t now = core->time_.SteadyMs();
    if (deadline_ms_ >= 0 && now >= deadline_ms_) {
      return Finish(absl::DeadlineExceededError(
          left.what.empty() ? "not quiet for long enough" : left.what));
    }
    if (left.passes()) stuck_since_ms_ = now;
    const bool away =
        core->serving_ && left.needs == absl::StatusCode::kUnavailable;
    if (deadline_ms_ < 0 &&
        now - stuck_since_ms_ >= (away ? kAwayMs : kStuckMs)) {
      return Finish(MakeStatus(left.needs, left.what));
    }
    timer_.expires_after(kPause);
    timer_.async_wait(
        [self = shared_from_this()](const boost::system::error_code& error) {
          if (!error) self->Look();
        });
  }

  // A store that failed stays so until the node is opened again.
  absl::Status FailureOf(NodeCore& core) const {
    for (const ProjectNumber number : projects_) {
      ProjectRuntime* project = core.Find(number);
      if (project == nullptr) continue;
      const absl::Status health = project->replica->health();
      if (!health.ok()) {
        return Annotate(health, "project '" + core.NameOf(*project) + "'");
      }
    }
    return absl::OkStatus();
  }

  Left WhatIsLeft(NodeCore& core) {
    if (scans_left_ > 0) return {"folders are still being looked at"};
    for (const ProjectNumber number : projects_) {
      ProjectRuntime* project = core.Find(number);
      if (project == nullptr) continue;
      Left left = LeftOf(core, *project);
      if (left.what.empty()) continue;
      left.what = "project '" + core.NameOf(*project) + "': " + left.what;
      return left;
    }
    return {};
  }

  Left LeftOf(NodeCore& core, ProjectRuntime& project) {
    constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
    Replica& replica = *project.replica;
    if (replica.log().durable() != replica.log().head()) {
      return {"changes are being written"};
    }
    if (replica.intake().held()) {
      return {std::string(FromAbsl(replica.intake().HeldBack().message())),
              kRefused};
    }
    if (replica.wants().size() > 0) return core.MissingContent(replica);
    if (replica.resolving()) return {"conflicts are being resolved"};
    for (const auto& [id, why] : project.mirror_errors) return {why, kRefused};
    for (const auto& [id, mirror] : project.mirrors) {
      Left left = LeftOf(mirror->status());
      if (!left.what.empty()) return left;
    }
    return core.PeerLag(replica.identity().project,
                        core.time_.SteadyMs() < grace_ends_ms_);
  }

  static Left LeftOf(const Mirror::Status& status) {
    if (status.state == Mirror::State::kPaused) return {};
    if (!status.error.empty()) {
      return {status.dir + ": " + status.error,
              absl::StatusCode::kFailedPrecondition};
    }
    if (!status.unsettled.empty()) {
      const auto& [path, why] = *status.unsettled.begin();
      return {status.dir + ": " + path + ": " + why};
    }
    if (status.state == Mirror::State::kIdle) return {};
    return {status.dir + " is being worked on"};
  }

  absl::StatusOr<WaitReport> Report(NodeCore& core) {
    WaitReport report;
    for (const ProjectNumber number : projects_) {
      ProjectRuntime* project = core.Find(number);
      if (project == nullptr) continue;
      SYNCLINE_ASSIGN_OR_RETURN(std::vector<std::string> conflicts,
                                project->replica->state().Conflicts());
      report.conflicts += conflicts.size();
      for (const auto& [id, row] : core.settings_->mirrors()) {
        if (row.project == number && row.paused) ++report.paused;
      }
      for (const auto& [id, mirror] : project->mirrors) {
        const Mirror::Status status = mirror->status();
        if (status.state == Mirror::State::kPaused) continue;
        report.failed += status.errors.size();
      }
    }
    return report;
  }

  void Finish(absl::StatusOr<WaitReport> result) {
    const Callback<WaitReport> done = std::move(done_);
    done_ = nullptr;
    if (done) done(std::move(result));
  }

  std::weak_ptr<NodeCore> core_;
  std::vector<ProjectNumber> projects_;
  boost::asio::steady_timer timer_;
  std::int64_t deadline_ms_;  // Steady clock; below 0 for none.
  std::int64_t grace_ends_ms_;
  std::int64_t stuck_since_ms_;  // Nothing has been moving since then.
  Callback<WaitReport> done_;
  std::size_t scans_left_ = 0;
  int quiet_looks_ = 0;
};

std::function<void()> NodeCore::Wait(const std::vector<std::string>& names,
                                     std::int64_t timeout_ms,
                                     Callback<WaitReport> done) {
  const absl::StatusOr<std::vector<ProjectRuntime*>> selected = Select(names);
  absl::Status refused = selected.status();
  // Never in step, as long as it is damaged.
  if (names.empty() && !damaged_.empty()) refused = damaged_.begin()->second;
  if (!refused.ok()) {
    done(refused);
    return [] {};
  }
  std::vector<ProjectNumber> numbers;
  for (const ProjectRuntime* project : *selected) {
    numbers.push_back(project->number);
  }
  const auto waiter = std::make_shared<Waiter>(*this, std::move(numbers),
                                               timeout_ms, std::move(done));
  waiter->Start();
  return [weak = std::weak_ptr<Waiter>(waiter)] {
    if (const auto waiting = weak.lock()) waiting->Stop();
  };
}

}  // namespace syncline
