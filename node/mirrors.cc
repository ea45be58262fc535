// The folders of a node's projects.

#include <filesystem>
#include <memory>
#include <utility>

#include "base/status.h"
#include "node/node_core.h"
#include "node/paths.h"
#include "replication/inflow.h"
#include "replication/mirror/paths.h"
#include "replication/peer/loop_timer.h"

namespace syncline {
namespace {

// Collects the answers of several scans.
struct Scans {
  std::size_t left = 1;  // One for the caller, until all were started.
  ScanReport report;
  absl::Status first_error;
  Callback<ScanReport> done;

  void OneDone() {
    if (--left > 0) return;
    if (!first_error.ok() && report.mirrors.empty()) return done(first_error);
    done(std::move(report));
  }
};

}  // namespace

absl::Status NodeCore::CheckMirrorDir(const std::string& dir) const {
  for (const auto& [id, row] : settings_->mirrors()) {
    if (PathsOverlap(row.dir, dir)) {
      return FailedPrecondition("a folder inside another mirrored folder: " +
                                row.dir + " is mirrored already");
    }
  }
  if (PathsOverlap(CanonicalDir(options_.home.string()), dir)) {
    return FailedPrecondition("the node's own home is in or around it");
  }
  return absl::OkStatus();
}

bool NodeCore::IsMirrored(ProjectNumber project, const std::string& dir) const {
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project == project && row.dir == dir) return true;
  }
  return false;
}

void NodeCore::AddMirror(const std::string& project, const std::string& dir,
                         bool create, Callback<MirrorReport> done) {
  const absl::StatusOr<ProjectRuntime*> found = Find(project);
  if (!found.ok()) return done(found.status());
  const std::string path = CanonicalDir(dir);
  const absl::Status allowed = CheckMirrorDir(path);
  if (!allowed.ok()) return done(allowed);
  std::error_code error;
  if (!create && !std::filesystem::is_directory(path, error)) {
    return done(std::filesystem::exists(path, error)
                    ? FailedPrecondition(path + " is no folder")
                    : NotFound("no folder " + path));
  }
  const ProjectNumber number = (*found)->number;
  auto id = std::make_shared<std::uint32_t>(0);
  *id = settings_->AddMirror(
      number, path,
      [weak = weak_from_this(), id, create, done](const absl::Status& written) {
        const auto self = weak.lock();
        if (!written.ok() || !self) return done(written);
        self->OpenNewMirror(*id, create, done);
      });
}

void NodeCore::OpenNewMirror(std::uint32_t id, bool create,
                             Callback<MirrorReport> done) {
  const auto row = settings_->mirrors().find(id);
  ProjectRuntime* project =
      row == settings_->mirrors().end() ? nullptr : Find(row->second.project);
  if (project == nullptr) return done(NotFound("it was removed again"));
  const absl::Status opened = StartMirror(*project, row->second, create);
  if (opened.ok()) return done(ReportMirror(*project, row->second));
  project->mirror_errors.erase(id);
  settings_->RemoveMirror(
      id, {}, [done, opened](const absl::Status&) { done(opened); });
}

absl::Status NodeCore::StartMirror(ProjectRuntime& project,
                                   const MirrorRow& row, bool create) {
  if (project.mirrors.contains(row.id)) return absl::OkStatus();
  Mirror::Environment environment{
      *project.replica,     *store_, random_, time_, io_.get_executor(),
      pool_->get_executor()};
  Mirror::Options options;
  options.dir = row.dir;
  options.id = row.id;
  options.create = create;
  options.watch = options_.run_mirrors;
  absl::StatusOr<std::unique_ptr<Mirror>> mirror =
      Mirror::Open(environment, options);
  if (!mirror.ok()) {
    project.mirror_errors[row.id] = std::string(mirror.status().message());
    return mirror.status();
  }
  project.mirror_errors.erase(row.id);
  project.mirrors[row.id] = *std::move(mirror);
  return absl::OkStatus();
}

void NodeCore::StartMirrors(ProjectRuntime& project) {
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project != project.number || row.paused) continue;
    // What keeps it from starting is kept for its report.
    StartMirror(project, row, false).IgnoreError();
  }
  AwaitFirstLook(project);
}

// What was edited while no mirror looked is this device's own version. So it
// is in the project before what peers have: the strategies local-wins and
// remote-wins go by that.
void NodeCore::AwaitFirstLook(ProjectRuntime& project) {
  // For a folder that is huge, or on a disk that hangs.
  constexpr std::int64_t kFirstLookMs = 60'000;
  if (project.mirrors.empty()) return;
  const Inflow::Hold hold = project.replica->inflow().Close(
      LoopTimers(io_.get_executor())(), kFirstLookMs);
  for (const auto& [id, mirror] : project.mirrors) mirror->KeepUntilTold(hold);
}

MirrorReport NodeCore::ReportMirror(const ProjectRuntime& project,
                                    const MirrorRow& row) const {
  MirrorReport report;
  report.dir = row.dir;
  const auto open = project.mirrors.find(row.id);
  if (open != project.mirrors.end()) {
    const Mirror::Status status = open->second->status();
    report.state = MirrorStateName(status.state);
    report.scanned_files = status.scanned_files;
    report.pending = status.pending;
    report.error = status.error;
    const auto& trouble =
        status.errors.empty() ? status.unsettled : status.errors;
    if (report.error.empty() && !trouble.empty()) {
      const auto& [path, why] = *trouble.begin();
      report.error = path + ": " + why;
    }
    return report;
  }
  const auto failed = project.mirror_errors.find(row.id);
  report.state = failed == project.mirror_errors.end() ? "paused" : "error";
  if (failed != project.mirror_errors.end()) report.error = failed->second;
  return report;
}

std::vector<MirrorReport> NodeCore::Mirrors(
    const ProjectRuntime& project) const {
  std::vector<MirrorReport> reports;
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project == project.number) {
      reports.push_back(ReportMirror(project, row));
    }
  }
  return reports;
}

absl::StatusOr<std::vector<MirrorRow>> NodeCore::SelectMirrors(
    const ProjectRuntime& project, const std::string& dir) const {
  const std::string path = dir.empty() ? dir : CanonicalDir(dir);
  std::vector<MirrorRow> rows;
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project != project.number) continue;
    if (path.empty() || row.dir == path) rows.push_back(row);
  }
  if (rows.empty() && !path.empty()) {
    return NotFound(path + " is no mirror of the project");
  }
  return rows;
}

void NodeCore::RemoveMirror(const std::string& project, const std::string& dir,
                            StatusCallback done) {
  const absl::StatusOr<ProjectRuntime*> found = Find(project);
  if (!found.ok()) return done(found.status());
  const absl::StatusOr<std::vector<MirrorRow>> rows =
      SelectMirrors(**found, dir);
  if (!rows.ok()) return done(rows.status());
  if (rows->empty()) return done(NotFound("the project has no mirror"));
  if (rows->size() > 1) {
    return done(FailedPrecondition("it has several mirrors (say which)"));
  }
  const MirrorRow row = rows->front();
  (*found)->mirrors.erase(row.id);
  (*found)->mirror_errors.erase(row.id);
  OnPool<bool>(
      [&store = *store_, row]() -> absl::StatusOr<bool> {
        SYNCLINE_RETURN_IF_ERROR(
            Mirror::Forget(store, row.project, row.id, row.dir));
        return true;
      },
      [weak = weak_from_this(), row, done](absl::StatusOr<bool> forgotten) {
        const auto self = weak.lock();
        if (!forgotten.ok() || !self) return done(forgotten.status());
        self->settings_->RemoveMirror(row.id, {}, done);
      });
}

void NodeCore::PauseMirror(const std::string& project, const std::string& dir,
                           bool paused, StatusCallback done) {
  const absl::StatusOr<ProjectRuntime*> found = Find(project);
  if (!found.ok()) return done(found.status());
  const absl::StatusOr<std::vector<MirrorRow>> rows =
      SelectMirrors(**found, dir);
  if (!rows.ok()) return done(rows.status());
  if (rows->empty()) return done(NotFound("the project has no mirror"));
  for (std::size_t i = 0; i < rows->size(); ++i) {
    MirrorRow row = (*rows)[i];
    row.paused = paused;
    const auto open = (*found)->mirrors.find(row.id);
    if (open != (*found)->mirrors.end()) {
      paused ? open->second->Pause() : open->second->Resume();
    } else if (!paused && options_.run_mirrors) {
      StartMirror(**found, row, false).IgnoreError();
    }
    const bool last = i + 1 == rows->size();
    settings_->PutMirror(row, last ? done : StatusCallback());
  }
}

void NodeCore::ScanMirrors(const std::string& project, const std::string& dir,
                           Callback<ScanReport> done) {
  const absl::StatusOr<ProjectRuntime*> found = Find(project);
  if (!found.ok()) return done(found.status());
  const absl::StatusOr<std::vector<MirrorRow>> rows =
      SelectMirrors(**found, dir);
  if (!rows.ok()) return done(rows.status());
  if (rows->empty()) return done(NotFound("the project has no mirror"));
  auto scans = std::make_shared<Scans>();
  scans->done = std::move(done);
  for (const MirrorRow& row : *rows) {
    if (row.paused) continue;
    const absl::Status started = StartMirror(**found, row, false);
    if (!started.ok()) {
      scans->first_error.Update(started);
      continue;
    }
    scans->left += 1;
    Mirror* mirror = (*found)->mirrors.at(row.id).get();
    mirror->Scan(
        [weak = weak_from_this(), row, scans](const absl::Status& scanned) {
          const auto self = weak.lock();
          if (!self) return scans->OneDone();
          self->Settle(row, [weak, row, scans, scanned] {
            if (const auto core = weak.lock()) {
              core->AddScan(row, scanned, scans->report);
            }
            scans->first_error.Update(scanned);
            scans->OneDone();
          });
        });
  }
  scans->OneDone();
}

void NodeCore::AddScan(const MirrorRow& row, const absl::Status& scanned,
                       ScanReport& report) {
  ProjectRuntime* project = Find(row.project);
  if (project == nullptr) return;
  MirrorReport mirror = ReportMirror(*project, row);
  if (!scanned.ok() && mirror.error.empty()) {
    mirror.error = FromAbsl(scanned.message());
  }
  report.mirrors.push_back(std::move(mirror));
  const auto open = project->mirrors.find(row.id);
  if (open == project->mirrors.end()) return;
  Mirror::Status status = open->second->status();
  status.errors.merge(status.unsettled);
  for (const auto& problem : status.errors) report.problems.push_back(problem);
}

}  // namespace syncline
