#include "node/event_append.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "node/event_ops.h"

namespace syncline {
namespace {

// Answered when the last of the runs is safe.
class EventAppend : public std::enable_shared_from_this<EventAppend> {
 public:
  EventAppend(NodeCore& core, Durability durability,
              Callback<AppendOutcome> done)
      : core_(core), durability_(durability), done_(std::move(done)) {}

  void Start(std::span<const EventRunView> runs) {
    outcome_.firsts.resize(runs.size());
    left_ = 1;
    for (std::size_t i = 0; i < runs.size(); ++i) AddRun(i, runs[i]);
    OneDone();
  }

 private:
  void AddRun(std::size_t index, const EventRunView& run) {
    const std::size_t first_event = events_;
    const std::size_t count = run.events.size();
    events_ += count;
    const absl::StatusOr<Replica*> replica = FindReplica(run.project);
    if (!replica.ok()) return Refuse(first_event, count, replica.status());
    if (count == 0) return;
    ++left_;
    const EventsTaken taken =
        AppendEvents(**replica, run.events, durability_,
                     [self = shared_from_this(), index, first_event,
                      count](const absl::Status& stored) {
                       if (!stored.ok()) {
                         self->outcome_.firsts[index] = Seq();
                         self->Refuse(first_event, count, stored);
                       }
                       self->OneDone();
                     });
    outcome_.firsts[index] = taken.first;
    for (const auto& [event, why] : taken.refused) {
      outcome_.refused.emplace_back(first_event + event, why);
    }
    if (taken.taken == 0) --left_;
  }

  // Runs of one project mostly follow one another.
  absl::StatusOr<Replica*> FindReplica(std::string_view name) {
    if (replica_ == nullptr || name_ != name) {
      name_ = name;
      replica_ = nullptr;
      SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project, core_.Find(name));
      replica_ = project->replica.get();
    }
    return replica_;
  }

  void Refuse(std::size_t first, std::size_t count,
              const absl::Status& status) {
    std::erase_if(outcome_.refused, [&](const auto& one) {
      return one.first >= first && one.first < first + count;
    });
    for (std::size_t i = first; i < first + count; ++i) {
      outcome_.refused.emplace_back(i, status);
    }
  }

  void OneDone() {
    if (--left_ > 0) return;
    std::sort(outcome_.refused.begin(), outcome_.refused.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    done_(std::move(outcome_));
  }

  // Used in Start() only, as the views are.
  NodeCore& core_;
  const Durability durability_;
  const Callback<AppendOutcome> done_;
  std::string_view name_;
  Replica* replica_ = nullptr;
  std::size_t events_ = 0;
  std::size_t left_ = 0;
  AppendOutcome outcome_;
};

}  // namespace

void AppendRuns(NodeCore& core, std::span<const EventRunView> runs,
                Durability durability, Callback<AppendOutcome> done) {
  std::make_shared<EventAppend>(core, durability, std::move(done))->Start(runs);
}

}  // namespace syncline
