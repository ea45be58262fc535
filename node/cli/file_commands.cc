// ls, stat, cat, rm, mv, mkdir: one project's files.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/listing.h"
#include "node/cli/output.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

struct FileArgs {
  std::string project;
  std::vector<std::string> paths;
  std::string if_match;
  std::string version;
  bool flag = false;  // -r of rm, -p of mkdir.
};
using FileCommand = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                                 const FileArgs&);

std::string NameShown(control::FileInfo::Reader info, std::string_view name) {
  std::string text = Shown(name);
  const std::string kind = FromKj(info.getKind());
  if (kind == "dir") return Paint(Tone::kStrong, text) + "/";
  if (kind == "symlink") text += " -> " + Shown(FromKj(info.getTarget()));
  if (info.getConflict()) text += Paint(Tone::kWarning, "  (conflict)");
  return text;
}

void AddFile(Table& table, control::FileInfo::Reader info) {
  const std::string path = FromKj(info.getPath());
  const bool dir = info.getKind() == "dir";
  table.Add({FromKj(info.getKind()), dir ? "" : SizeText(info.getSize()),
             info.getMtimeMs() == 0 ? "" : TimeText(info.getMtimeMs()),
             NameShown(info, NameIn(path))});
}

absl::StatusOr<ExitCode> ListFiles(const Invocation& in, const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  std::vector<std::string> paths = args.paths;
  if (paths.empty()) paths.emplace_back();
  boost::json::array all;
  Table table({"KIND", "SIZE", "CHANGED", "NAME"});
  for (const std::string& path : paths) {
    SYNCLINE_ASSIGN_OR_RETURN(StatAnswer stat,
                              Stat(*session, args.project, path));
    const auto show = [&](control::FileInfo::Reader info) {
      if (in.json) {
        all.push_back(ToJson(info));
      } else {
        AddFile(table, info);
      }
      return absl::OkStatus();
    };
    const auto info = stat->getResult().getValue();
    if (info.getKind() == "dir") {
      SYNCLINE_RETURN_IF_ERROR(ListAll(*session, args.project, path, show));
    } else {
      SYNCLINE_RETURN_IF_ERROR(show(info));
    }
  }
  if (in.json) {
    PrintJson(all);
  } else if (!table.empty()) {
    table.Print();
  }
  return ExitCode::kDone;
}

void PrintInfo(control::FileInfo::Reader info) {
  const auto line = [](std::string_view name, const std::string& value) {
    if (!value.empty()) PrintLine(fmt::format("{:<10}{}", name, value));
  };
  line("path", Shown(FromKj(info.getPath())));
  line("kind", FromKj(info.getKind()));
  if (info.getKind() != "dir") line("size", fmt::format("{}", info.getSize()));
  line("hash", FromKj(info.getHash()));
  line("version", FromKj(info.getVersion()));
  line("item", FromKj(info.getItem()));
  if (info.getMtimeMs() != 0) line("mtime", TimeText(info.getMtimeMs()));
  line("target", Shown(FromKj(info.getTarget())));
  if (info.getExec()) line("exec", "yes");
  if (info.getConflict()) line("conflict", Paint(Tone::kWarning, "yes"));
  if (!info.getPresent()) line("content", "not on this node yet");
}

absl::StatusOr<ExitCode> ShowStat(const Invocation& in, const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  boost::json::array all;
  for (const std::string& path : args.paths) {
    SYNCLINE_ASSIGN_OR_RETURN(StatAnswer stat,
                              Stat(*session, args.project, path));
    if (in.json) {
      all.push_back(ToJson(stat->getResult().getValue()));
    } else {
      PrintInfo(stat->getResult().getValue());
    }
  }
  if (in.json && all.size() == 1) {
    PrintJson(all[0]);
  } else if (in.json) {
    PrintJson(all);
  }
  return ExitCode::kDone;
}

absl::Status CatOne(Session& session, const FileArgs& args,
                    const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(auto opened, session.Call([&](auto& client) {
    auto request = client.readRequest();
    request.setProject(ToKj(args.project));
    request.setPath(ToKj(path));
    request.setVersion(ToKj(args.version));
    return request.send();
  }));
  std::optional<control::ByteSource::Client> source;
  session.loop().Enter(
      [&] { source = opened->getResult().getValue().getSource(); });
  InLoop<control::ByteSource::Client> held(session.loop(), kj::mv(*source));
  session.loop().Enter([&] { source.reset(); });
  while (true) {
    SYNCLINE_ASSIGN_OR_RETURN(auto piece,
                              session.CallOn(*held, [](auto& target) {
                                return target.nextRequest().send();
                              }));
    const capnp::Data::Reader bytes = piece->getResult().getValue().getBytes();
    if (bytes.size() == 0) return absl::OkStatus();
    PrintBytes({reinterpret_cast<const char*>(bytes.begin()), bytes.size()});
  }
}

absl::StatusOr<ExitCode> Cat(const Invocation& in, const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  for (const std::string& path : args.paths) {
    SYNCLINE_RETURN_IF_ERROR(CatOne(*session, args, path));
  }
  return ExitCode::kDone;
}

// Prints what a change became, for programs.
template <typename Answer>
void Report(const Invocation& in, Answer& answer) {
  if (in.json) PrintJson(ToJson(answer->getResult().getValue()));
}

absl::StatusOr<ExitCode> RemoveFiles(const Invocation& in,
                                     const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  for (const std::string& path : args.paths) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
      auto request = client.removeRequest();
      request.setProject(ToKj(args.project));
      request.setPath(ToKj(path));
      request.setRecursive(args.flag);
      request.setIfMatch(ToKj(args.if_match));
      return request.send();
    }));
    Report(in, answer);
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Move(const Invocation& in, const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  for (std::size_t i = 0; i + 1 < args.paths.size(); ++i) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
      auto request = client.moveRequest();
      request.setProject(ToKj(args.project));
      request.setFrom(ToKj(args.paths[i]));
      request.setTo(ToKj(args.paths.back()));
      return request.send();
    }));
    Report(in, answer);
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> MakeDirectories(const Invocation& in,
                                         const FileArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  for (const std::string& path : args.paths) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
      auto request = client.makeDirectoryRequest();
      request.setProject(ToKj(args.project));
      request.setPath(ToKj(path));
      request.setParents(args.flag);
      return request.send();
    }));
    Report(in, answer);
  }
  return ExitCode::kDone;
}

struct Added {
  CLI::App* command;
  std::shared_ptr<FileArgs> args;
};

Added AddFileCommand(CLI::App& app, Invocation& in, const std::string& name,
                     const std::string& description,
                     const std::string& examples, int paths_min,
                     FileCommand run) {
  CLI::App* sub = AddCommand(app, name, description, examples);
  auto args = std::make_shared<FileArgs>();
  sub->add_option("PROJECT", args->project, "The project")->required();
  CLI::Option* paths = sub->add_option("PATH", args->paths,
                                       "Below the project's root, like a/b");
  if (paths_min > 0)
    paths->required()->expected(paths_min,
                                CLI::detail::expected_max_vector_size);
  sub->callback([&in, name, args, run] {
    in.what = name + " " + args->project;
    for (const std::string& path : args->paths) in.what += " " + Shown(path);
    in.run = [&in, args, run] { return run(in, *args); };
  });
  return {sub, args};
}

}  // namespace

absl::Status ListAll(
    Session& session, const std::string& project, const std::string& path,
    const std::function<absl::Status(control::FileInfo::Reader)>& visit) {
  std::string after;
  for (bool more = true; more;) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session.Call([&](auto& client) {
      auto request = client.listRequest();
      request.setProject(ToKj(project));
      request.setPath(ToKj(path));
      request.setAfter(ToKj(after));
      return request.send();
    }));
    const auto list = answer->getResult().getValue();
    for (const auto info : list.getEntries()) {
      SYNCLINE_RETURN_IF_ERROR(visit(info));
      after = std::string(NameIn(FromKj(info.getPath())));
    }
    more = list.getMore() && list.getEntries().size() > 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<StatAnswer> Stat(Session& session, const std::string& project,
                                const std::string& path) {
  return session.Call([&](auto& client) {
    auto request = client.statRequest();
    request.setProject(ToKj(project));
    request.setPath(ToKj(path));
    return request.send();
  });
}

void AddFileCommands(CLI::App& app, Invocation& in) {
  AddFileCommand(app, in, "ls", "What is in a directory",
                 "syncline ls notes\nsyncline ls notes drafts --json", 0,
                 ListFiles);
  AddFileCommand(app, in, "stat", "One file or directory in detail",
                 "syncline stat notes todo.txt --json", 1, ShowStat);
  const Added cat = AddFileCommand(app, in, "cat", "Print the content of files",
                                   "syncline cat notes todo.txt", 1, Cat);
  cat.command
      ->add_option("--version-of", cat.args->version,
                   "A sibling of an open conflict")
      ->type_name("VERSION");
  const Added rm = AddFileCommand(app, in, "rm", "Remove files and directories",
                                  "syncline rm notes todo.txt\n"
                                  "syncline rm notes -r drafts",
                                  1, RemoveFiles);
  rm.command->add_flag("-r,--recursive", rm.args->flag,
                       "Directories too, with all that is in them");
  rm.command
      ->add_option("--if-match", rm.args->if_match,
                   "Refuse unless this is the version (exit 5)")
      ->type_name("VERSION");
  AddFileCommand(app, in, "mv",
                 "Move or rename; into the last path if a directory",
                 "syncline mv notes todo.txt done.txt\n"
                 "syncline mv notes a.txt b.txt archive",
                 2, Move);
  const Added mkdir =
      AddFileCommand(app, in, "mkdir", "Make directories",
                     "syncline mkdir notes -p 2026/july", 1, MakeDirectories);
  mkdir.command->add_flag("-p,--parents", mkdir.args->flag,
                          "Those above too; existing ones are no error");
}

}  // namespace syncline::cli
