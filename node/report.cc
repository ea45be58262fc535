// What a node says about itself.

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status.h"
#include "node/file_ops.h"
#include "node/log_keeper.h"
#include "node/node_core.h"
#include "replication/state_intake.h"

namespace syncline {

// The reports of several projects, one after the other, in turns of the loop
// that look at a bounded number of rows.
class NodeCore::Reporter : public std::enable_shared_from_this<Reporter> {
 public:
  Reporter(NodeCore& core, std::vector<ProjectNumber> projects,
           NodeReport report, Callback<NodeReport> done)
      : core_(core.weak_from_this()),
        projects_(std::move(projects)),
        report_(std::move(report)),
        done_(std::move(done)) {}

  void Step() {
    const std::shared_ptr<NodeCore> core = core_.lock();
    if (!core || core->closing()) {
      return done_(NodeClosed());
    }
    while (next_ < projects_.size()) {
      ProjectRuntime* project = core->Find(projects_[next_]);
      if (project == nullptr) {  // Removed meanwhile.
        Next();
        continue;
      }
      const absl::StatusOr<bool> known = SumSome(*project);
      if (!known.ok()) return done_(known.status());
      if (!*known) {
        return core->Later([self = shared_from_this()] { self->Step(); });
      }
      absl::StatusOr<ProjectReport> report = core->ReportProject(*project);
      if (!report.ok()) return done_(report.status());
      report_.projects.push_back(*std::move(report));
      Next();
    }
    std::sort(report_.projects.begin(), report_.projects.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    done_(std::move(report_));
  }

 private:
  static constexpr std::size_t kRowsInTurn = 2000;

  void Next() {
    ++next_;
    started_ = false;
  }

  // Goes on with the sum of visible sizes; true once it is known.
  absl::StatusOr<bool> SumSome(ProjectRuntime& project) {
    const CausalState& state = project.replica->state();
    const Hash digest = state.Digest();
    if (project.bytes && project.bytes->first == digest) return true;
    if (!started_) {
      started_ = true;
      dirs_ = {""};
      sum_ = 0;
    }
    SYNCLINE_ASSIGN_OR_RETURN(std::uint64_t some,
                              SumBytes(state, dirs_, kRowsInTurn));
    sum_ += some;
    if (!dirs_.empty()) return false;
    // Of a state that changes meanwhile, this is as good as any answer.
    project.bytes = std::pair(digest, sum_);
    return true;
  }

  std::weak_ptr<NodeCore> core_;
  std::vector<ProjectNumber> projects_;
  NodeReport report_;
  Callback<NodeReport> done_;
  std::size_t next_ = 0;
  bool started_ = false;
  std::vector<std::string> dirs_;
  std::uint64_t sum_ = 0;
};

absl::StatusOr<ProjectReport> NodeCore::ReportProject(
    const ProjectRuntime& project) const {
  const ProjectRow& row = settings_->projects().at(project.number);
  Replica& replica = *project.replica;
  ProjectReport report;
  report.name = row.name;
  report.id = row.id;
  report.strategy = replica.settings().strategy;
  report.mirrors = Mirrors(project);
  report.log = replica.log().id();
  report.head = replica.log().head();
  report.durable = replica.log().durable();
  report.horizon = replica.log().horizon();
  report.frontier = replica.state().frontier();
  report.digest = replica.state().Digest();
  report.items = replica.state().item_count();
  report.bytes = project.bytes ? project.bytes->second : 0;
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<std::string> conflicts,
                            replica.state().Conflicts());
  report.conflicts = conflicts.size();
  report.missing_chunks = replica.wants().size();
  if (!replica.health().ok()) {
    report.error = FromAbsl(replica.health().message());
  } else if (replica.intake().held()) {
    report.error = FromAbsl(replica.intake().HeldBack().message());
  } else if (keeper_ && !keeper_->RetentionFailure(project.number).ok()) {
    report.error = "retention: " +
                   std::string(FromAbsl(
                       keeper_->RetentionFailure(project.number).message()));
  }
  return report;
}

void NodeCore::Report(const std::vector<std::string>& names, bool with_peers,
                      Callback<NodeReport> done) {
  const absl::StatusOr<std::vector<ProjectRuntime*>> selected = Select(names);
  if (!selected.ok()) return done(selected.status());
  constexpr std::int64_t kMsPerS = 1000;
  NodeReport report;
  report.device_id = self_->identity.id().ToText();
  report.device_name = settings_->name();
  report.uptime_s =
      static_cast<std::uint64_t>((time_.SteadyMs() - opened_at_ms_) / kMsPerS);
  report.serving = serving_;
  report.incident = settings_->incident();
  if (with_peers) report.peers = Peers();
  std::vector<ProjectNumber> numbers;
  for (const ProjectRuntime* project : *selected) {
    numbers.push_back(project->number);
  }
  if (names.empty()) {
    for (const auto& [number, why] : damaged_) {
      const ProjectRow& row = settings_->projects().at(number);
      ProjectReport damaged;
      damaged.name = row.name;
      damaged.id = row.id;
      damaged.error = FromAbsl(why.message());
      report.projects.push_back(std::move(damaged));
    }
  }
  std::make_shared<Reporter>(*this, std::move(numbers), std::move(report),
                             std::move(done))
      ->Step();
}

}  // namespace syncline
