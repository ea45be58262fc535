// mirror.

#include <set>

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

struct Where {
  std::string project;
  std::string dir;  // As given.
  bool create = false;

  [[nodiscard]] std::string path() const {
    return dir.empty() ? std::string() : CanonicalDir(dir);
  }
};
using MirrorCommand = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                                   const Where&);

absl::StatusOr<ExitCode> Add(const Invocation& in, const Where& where) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.addMirrorRequest();
    request.setProject(ToKj(where.project));
    request.setDir(ToKj(where.path()));
    request.setCreate(where.create);
    return request.send();
  }));
  if (in.json) PrintJson(ToJson(answer->getResult().getValue()));
  return ExitCode::kDone;
}

void PrintMirrors(const Invocation& in,
                  capnp::List<control::Mirror>::Reader mirrors) {
  if (in.json) return PrintJson(ToJsonList(mirrors));
  Table table({"FOLDER", "STATE", "FILES", "PENDING", "ERROR"});
  for (const auto mirror : mirrors) {
    table.Add({Shown(FromKj(mirror.getDir())), FromKj(mirror.getState()),
               fmt::format("{}", mirror.getScannedFiles()),
               fmt::format("{}", mirror.getPending()),
               Shown(FromKj(mirror.getError()))});
  }
  table.Print();
}

absl::StatusOr<ExitCode> ListMirrors(const Invocation& in, const Where& where) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.mirrorsRequest();
    request.setProject(ToKj(where.project));
    return request.send();
  }));
  PrintMirrors(in, answer->getResult().getValue().getMirrors());
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> RemoveMirror(const Invocation& in,
                                      const Where& where) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.removeMirrorRequest();
                                 request.setProject(ToKj(where.project));
                                 request.setDir(ToKj(where.path()));
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"removed", true}});
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> SetPaused(const Invocation& in, const Where& where,
                                   bool paused) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.pauseMirrorRequest();
                                 request.setProject(ToKj(where.project));
                                 request.setDir(ToKj(where.path()));
                                 request.setPaused(paused);
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"paused", paused}});
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Pause(const Invocation& in, const Where& where) {
  return SetPaused(in, where, true);
}
absl::StatusOr<ExitCode> Resume(const Invocation& in, const Where& where) {
  return SetPaused(in, where, false);
}

// A mirror's own error may be one of the problems.
void PrintProblems(control::ScanResult::Reader result) {
  std::set<std::string> told;
  for (const auto problem : result.getProblems()) {
    const std::string text =
        FromKj(problem.getPath()) + ": " + FromKj(problem.getWhy());
    PrintNote(Shown(text));
    told.insert(text);
  }
  for (const auto mirror : result.getMirrors()) {
    const std::string error = FromKj(mirror.getError());
    if (error.empty() || told.contains(error)) continue;
    PrintNote(Shown(FromKj(mirror.getDir()) + ": " + error));
  }
}

absl::StatusOr<ExitCode> Scan(const Invocation& in, const Where& where) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.scanMirrorRequest();
    request.setProject(ToKj(where.project));
    request.setDir(ToKj(where.path()));
    return request.send();
  }));
  const auto result = answer->getResult().getValue();
  if (in.json) {
    boost::json::object out;
    out["mirrors"] = ToJsonList(result.getMirrors());
    boost::json::object errors;
    for (const auto problem : result.getProblems()) {
      SetText(errors, FromKj(problem.getPath()), problem.getWhy());
    }
    out["errors"] = std::move(errors);
    PrintJson(out);
  } else {
    PrintProblems(result);
  }
  bool failed = result.getProblems().size() > 0;
  for (const auto mirror : result.getMirrors()) {
    failed = failed || mirror.getError().size() > 0;
  }
  return failed ? ExitCode::kAttention : ExitCode::kDone;
}

enum class Dir { kNone, kOptional, kRequired };

CLI::App* AddMirrorCommand(CLI::App& parent, Invocation& in,
                           const std::string& command,
                           const std::string& description, Dir dir,
                           MirrorCommand run) {
  CLI::App* sub = AddCommand(parent, command, description,
                             "syncline mirror " + command + " notes" +
                                 (dir == Dir::kNone ? "" : " ~/notes"));
  auto where = std::make_shared<Where>();
  sub->add_option("PROJECT", where->project, "The project")
      ->required(dir != Dir::kNone);
  if (dir != Dir::kNone) {
    sub->add_option("DIR", where->dir, "The folder")
        ->required(dir == Dir::kRequired);
  }
  if (dir == Dir::kRequired) {
    sub->add_flag("--create", where->create, "Make the folder if missing");
  }
  sub->callback([&in, command, where, run] {
    in.what = "mirror " + command + " " + where->project;
    if (!where->dir.empty()) in.what += " " + where->dir;
    in.run = [&in, where, run] { return run(in, *where); };
  });
  return sub;
}

}  // namespace

void AddMirrorCommands(CLI::App& app, Invocation& in) {
  CLI::App* mirror =
      AddCommand(app, "mirror", "Folders kept equal to a project",
                 "syncline mirror add notes ~/notes --create\n"
                 "syncline mirror ls notes");
  AddMirrorCommand(*mirror, in, "add", "Keep a folder equal to the project",
                   Dir::kRequired, Add);
  AddMirrorCommand(*mirror, in, "ls", "Folders of a project, or of all",
                   Dir::kNone, ListMirrors);
  AddMirrorCommand(*mirror, in, "rm",
                   "End a mirror; the folder keeps its files", Dir::kOptional,
                   RemoveMirror);
  AddMirrorCommand(*mirror, in, "pause", "Leave the folder alone for now",
                   Dir::kOptional, Pause);
  AddMirrorCommand(*mirror, in, "resume", "Go on after a pause", Dir::kOptional,
                   Resume);
  AddMirrorCommand(*mirror, in, "scan", "Look at the whole folder now",
                   Dir::kOptional, Scan);
}

}  // namespace syncline::cli
