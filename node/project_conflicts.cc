#include "node/project_conflicts.h"

#include <utility>

#include "node/conflict_detail.h"
#include "node/conflict_ops.h"
#include "node/node_calls.h"
#include "node/strategy_ops.h"

namespace syncline {

Starter<absl::StatusOr<std::vector<ConflictInfo>>> Project::Conflicts::ListOf(
    ConflictQuery query) const {
  return OnProject<std::vector<ConflictInfo>>(
      core_, name_,
      [name = name_, query = std::move(query)](
          NodeCore&, ProjectRuntime& project,
          const Callback<std::vector<ConflictInfo>>& done) {
        done(ListConflicts(*project.replica, name, query));
      });
}

Starter<absl::StatusOr<ConflictDetail>> Project::Conflicts::ShowOf(
    std::string path) const {
  return OnProject<ConflictDetail>(
      core_, name_,
      [path = std::move(path)](NodeCore& core, ProjectRuntime& project,
                               const Callback<ConflictDetail>& done) {
        ShowConflict(core, project.number, path, done);
      });
}

Starter<absl::StatusOr<Written>> Project::Conflicts::ResolveOf(
    std::string path, std::string take) const {
  return OnProject<Written>(
      core_, name_,
      [path = std::move(path), take = std::move(take)](
          NodeCore&, ProjectRuntime& project, const Callback<Written>& done) {
        ResolveConflict(*project.replica, path, take, done);
      });
}

Starter<absl::StatusOr<StrategyReport>> Project::Conflicts::StrategiesOf()
    const {
  return OnProject<StrategyReport>(core_, name_,
                                   [](NodeCore&, ProjectRuntime& project,
                                      const Callback<StrategyReport>& done) {
                                     done(DescribeStrategies(*project.replica));
                                   });
}

Starter<absl::StatusOr<Written>> Project::Conflicts::SetStrategyOf(
    std::string glob, std::optional<Strategy> strategy) const {
  return OnProject<Written>(
      core_, name_,
      [glob = std::move(glob), strategy](NodeCore&, ProjectRuntime& project,
                                         const Callback<Written>& done) {
        syncline::SetStrategy(*project.replica, glob, strategy, done);
      });
}

}  // namespace syncline
