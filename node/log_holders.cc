// Who stands where in a project's log: named cursors, and devices.

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "node/log_keeper.h"
#include "node/node_core.h"

namespace syncline {
namespace {

bool Shares(const PeerRow& peer, const ProjectId& project) {
  return std::find(peer.projects.begin(), peer.projects.end(), project) !=
         peer.projects.end();
}

}  // namespace

absl::StatusOr<std::vector<LogHolder>> LogKeeper::Holders(
    ProjectRuntime& project) {
  AppendLog& log = project.replica->log();
  const ProjectId& id = project.replica->identity().project;
  std::vector<LogHolder> holders;
  SYNCLINE_ASSIGN_OR_RETURN(const Cursors* cursors, CursorsOf(project));
  for (const auto& [name, cursor] : cursors->all()) {
    if (log.Check(cursor.log, cursor.seq) != CursorState::kValid) continue;
    holders.push_back({LogHolder::Kind::kCursor, name, cursor.seq});
  }
  core_.RememberFrontiers();
  for (const auto& [device, row] : core_.settings().peers()) {
    if (!Shares(row, id)) continue;
    const VersionVector* frontier = core_.settings().FrontierOf(device, id);
    SYNCLINE_ASSIGN_OR_RETURN(
        const std::optional<Seq> passed,
        PassedBy(log, frontier == nullptr ? VersionVector() : *frontier));
    if (!passed) continue;
    holders.push_back({LogHolder::Kind::kDevice, device.ToText(), *passed});
  }
  return holders;
}

absl::StatusOr<Cursors*> LogKeeper::CursorsOf(ProjectRuntime& project) {
  if (!project.cursors) {
    SYNCLINE_ASSIGN_OR_RETURN(
        project.cursors,
        Cursors::Open(core_.store(), project.replica->log(), project.number));
  }
  return project.cursors.get();
}

absl::StatusOr<std::vector<CursorInfo>> LogKeeper::List(
    const std::string& project) {
  SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * runtime, core_.Find(project));
  SYNCLINE_ASSIGN_OR_RETURN(const Cursors* cursors, CursorsOf(*runtime));
  const AppendLog& log = runtime->replica->log();
  std::vector<CursorInfo> all;
  for (const auto& [name, cursor] : cursors->all()) {
    all.push_back({name, cursor, log.Check(cursor.log, cursor.seq)});
  }
  return all;
}

absl::StatusOr<Cursor> LogKeeper::Find(ProjectRuntime& project,
                                       std::string_view name) {
  SYNCLINE_ASSIGN_OR_RETURN(const Cursors* cursors, CursorsOf(project));
  const Cursor* cursor = cursors->Find(name);
  if (cursor == nullptr) {
    return NotFound("no cursor '" + std::string(name) + "'");
  }
  return *cursor;
}

absl::StatusOr<ProjectRuntime*> LogKeeper::FindWritable(
    const std::string& project) {
  SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * runtime, core_.Find(project));
  SYNCLINE_RETURN_IF_ERROR(runtime->replica->health());
  return runtime;
}

void LogKeeper::Set(const std::string& project, const CursorMove& move,
                    Callback<LogEnd> done) {
  const absl::StatusOr<ProjectRuntime*> found = FindWritable(project);
  if (!found.ok()) return done(found.status());
  const absl::StatusOr<Cursors*> cursors = CursorsOf(**found);
  if (!cursors.ok()) return done(cursors.status());
  const AppendLog& log = (*found)->replica->log();
  const Seq seq = move.seq.value_or(log.durable());
  LogEnd end{CursorState::kValid, seq, log.horizon(), log.durable()};
  (*cursors)->Set(
      move.name, move.log.value_or(log.id()), seq,
      move.back ? Cursors::Move::kAnywhere : Cursors::Move::kForward,
      core_.time().NowMs(),
      [end, done = std::move(done)](absl::StatusOr<CursorState> state) mutable {
        if (!state.ok()) return done(state.status());
        end.state = *state;
        done(end);
      });
}

void LogKeeper::Remove(const std::string& project, const std::string& name,
                       StatusCallback done) {
  const absl::StatusOr<ProjectRuntime*> found = FindWritable(project);
  if (!found.ok()) return done(found.status());
  const absl::StatusOr<Cursors*> cursors = CursorsOf(**found);
  if (!cursors.ok()) return done(cursors.status());
  (*cursors)->Remove(name, std::move(done));
}

}  // namespace syncline
