// Opening, making and removing projects.

#include <utility>

#include "base/status.h"
#include "node/log_keeper.h"
#include "node/node_core.h"
#include "node/node_scope.h"
#include "replication/peer/loop_timer.h"

namespace syncline {

absl::Status NodeCore::OpenProject(const ProjectRow& row) {
  Replica::Environment environment{*store_,
                                   *commits_,
                                   *chunks_,
                                   random_,
                                   time_,
                                   pool_->get_executor(),
                                   LoopTimers(io_.get_executor())};
  Replica::Options options;
  options.merge = options_.merge;
  Replica::Identity identity{row.id, row.number, settings_->origin(),
                             self_->identity.public_key(), device_};
  absl::StatusOr<std::unique_ptr<Replica>> replica =
      Replica::Open(environment, identity, options);
  if (!replica.ok()) {
    return Annotate(replica.status(), "project '" + row.name + "'");
  }
  ProjectRuntime& runtime = projects_[row.number];
  runtime.number = row.number;
  runtime.replica = *std::move(replica);
  return absl::OkStatus();
}

absl::StatusOr<ProjectRuntime*> NodeCore::Find(std::string_view name) {
  const ProjectRow* row = settings_->FindProject(name);
  if (row != nullptr) {
    if (ProjectRuntime* runtime = Find(row->number)) return runtime;
    const auto damaged = damaged_.find(row->number);
    if (damaged != damaged_.end()) return damaged->second;
  }
  return NotFound("no project '" + std::string(name) + "'");
}

ProjectRuntime* NodeCore::Find(ProjectNumber number) {
  const auto found = projects_.find(number);
  return found == projects_.end() ? nullptr : &found->second;
}

const std::string& NodeCore::NameOf(const ProjectRuntime& project) const {
  return settings_->projects().at(project.number).name;
}

bool NodeCore::IsUnusedScope(const ProjectRuntime& project) const {
  return settings_->projects().at(project.number).id == NodeScopeId() &&
         project.replica->log().head() == Seq() && Mirrors(project).empty();
}

absl::StatusOr<std::vector<ProjectRuntime*>> NodeCore::Select(
    const std::vector<std::string>& names) {
  std::vector<ProjectRuntime*> selected;
  if (names.empty()) {
    for (auto& [number, runtime] : projects_) {
      if (!IsUnusedScope(runtime)) selected.push_back(&runtime);
    }
    return selected;
  }
  for (const std::string& name : names) {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * runtime, Find(name));
    selected.push_back(runtime);
  }
  return selected;
}

void NodeCore::CreateProject(const std::string& name, StatusCallback done) {
  constexpr std::size_t kIdBytes = 16;
  AddProject(name, ProjectId{random_.Bytes(kIdBytes)}, std::move(done));
}

void NodeCore::AddProject(const std::string& name, const ProjectId& id,
                          StatusCallback done) {
  const absl::StatusOr<ProjectNumber> number = settings_->AddProject(
      name, id,
      [weak = weak_from_this(), name, done](const absl::Status& written) {
        const auto self = weak.lock();
        if (!written.ok() || !self) return done(written);
        const ProjectRow* row = self->settings_->FindProject(name);
        if (row == nullptr) return done(NotFound("it was removed again"));
        done(self->OpenProject(*row));
      },
      NewLog());
  if (!number.ok()) done(number.status());
}

Settings::AddRows NodeCore::NewLog() {
  return [this](ProjectNumber added, WriteBatch& batch) {
    AppendLog::Create(added, random_, batch);
  };
}

void NodeCore::RemoveProject(const std::string& name, StatusCallback done) {
  const absl::StatusOr<ProjectRuntime*> found = Find(name);
  if (absl::IsNotFound(found.status()) || absl::IsUnavailable(found.status())) {
    return done(found.status());
  }
  if (found.ok() && (*found)->verifying) {
    return done(absl::AbortedError("it is being verified (try again later)"));
  }
  const ProjectNumber number = settings_->FindProject(name)->number;
  std::vector<MirrorRow> mirrors;
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project == number) mirrors.push_back(row);
  }
  if (damaged_.erase(number) > 0) return ForgetProject(number, mirrors, done);
  ProjectRuntime& project = **found;
  reads_.Close(number);
  project.mirrors.clear();
  keeper_->Forget(number);
  // Peers let go of the replica before it goes.
  std::unique_ptr<Replica> replica = std::move(project.replica);
  projects_.erase(number);
  if (peers_) peers_->ProjectsChanged();
  replica->Flush([weak = weak_from_this(), number, mirrors, done,
                  held = std::shared_ptr<Replica>(std::move(replica))](
                     const absl::Status&) mutable {
    const auto self = weak.lock();
    if (!self) return;
    // Not within the replica's own call.
    self->Later([weak, number, mirrors, done, held]() mutable {
      held.reset();
      if (const auto core = weak.lock()) {
        core->ForgetProject(number, mirrors, done);
      }
    });
  });
}

void NodeCore::ForgetProject(ProjectNumber number,
                             const std::vector<MirrorRow>& mirrors,
                             StatusCallback done) {
  OnPool<bool>(
      [&store = *store_, mirrors]() -> absl::StatusOr<bool> {
        for (const MirrorRow& row : mirrors) {
          SYNCLINE_RETURN_IF_ERROR(
              Mirror::Forget(store, row.project, row.id, row.dir));
        }
        return true;
      },
      [weak = weak_from_this(), number, done](absl::StatusOr<bool> forgotten) {
        const auto self = weak.lock();
        if (!forgotten.ok() || !self) return done(forgotten.status());
        const bool scope =
            self->settings_->projects().at(number).id == NodeScopeId();
        self->settings_->RemoveProject(
            number, [weak, scope, done](const absl::Status& removed) {
              const auto core = weak.lock();
              if (!removed.ok() || !core || !scope) return done(removed);
              core->AddProject(std::string(kNodeScope), NodeScopeId(), done);
            });
      });
}

}  // namespace syncline
