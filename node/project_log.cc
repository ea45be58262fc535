#include "node/project_log.h"

#include <utility>

#include "node/log_keeper.h"
#include "node/node_calls.h"
#include "node/node_core.h"

namespace syncline {
namespace {

// For operations that give no value.
Starter<absl::Status> StatusOnProject(
    std::weak_ptr<NodeCore> core, const std::string& name,
    std::function<void(LogKeeper&, StatusCallback)> run) {
  return [start = OnProject<bool>(
              std::move(core), name,
              [run = std::move(run)](NodeCore& node, ProjectRuntime&,
                                     const Callback<bool>& done) {
                run(node.keeper(), [done](absl::Status status) {
                  if (!status.ok()) return done(std::move(status));
                  done(true);
                });
              })](StatusCallback done) {
    start([done = std::move(done)](const absl::StatusOr<bool>& result) {
      done(result.status());
    });
  };
}

}  // namespace

Project::Cursors Project::cursors() const { return Cursors(*this); }
Project::Retention Project::retention() const { return Retention(*this); }

Starter<absl::StatusOr<std::vector<CursorInfo>>> Project::Cursors::ListAll()
    const {
  return OnProject<std::vector<CursorInfo>>(
      core_, name_,
      [name = name_](NodeCore& core, ProjectRuntime&,
                     const Callback<std::vector<CursorInfo>>& done) {
        done(core.keeper().List(name));
      });
}

Starter<absl::StatusOr<LogEnd>> Project::Cursors::SetOf(CursorMove move) const {
  return OnProject<LogEnd>(
      core_, name_,
      [name = name_, move = std::move(move)](NodeCore& core, ProjectRuntime&,
                                             const Callback<LogEnd>& done) {
        core.keeper().Set(name, move, done);
      });
}

Starter<absl::Status> Project::Cursors::RemoveOf(std::string name) const {
  return StatusOnProject(core_, name_,
                         [project = name_, name = std::move(name)](
                             LogKeeper& keeper, StatusCallback done) {
                           keeper.Remove(project, name, std::move(done));
                         });
}

Starter<absl::StatusOr<Truncated>> Project::Retention::TruncateOf(
    TruncateQuery query) const {
  return OnProject<Truncated>(
      core_, name_,
      [name = name_, query](NodeCore& core, ProjectRuntime&,
                            const Callback<Truncated>& done) {
        core.keeper().Truncate(name, query, done);
      });
}

Starter<absl::StatusOr<RetentionPolicy>> Project::Retention::GetPolicy() const {
  return OnProject<RetentionPolicy>(
      core_, name_,
      [name = name_](NodeCore& core, ProjectRuntime&,
                     const Callback<RetentionPolicy>& done) {
        done(core.keeper().Retention(name));
      });
}

Starter<absl::Status> Project::Retention::SetPolicy(
    RetentionPolicy policy) const {
  return StatusOnProject(
      core_, name_,
      [name = name_, policy](LogKeeper& keeper, StatusCallback done) {
        keeper.SetRetention(name, policy, std::move(done));
      });
}

}  // namespace syncline
