// conflicts.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/cli/put.h"

namespace syncline::cli {
namespace {

struct Args {
  std::string project;
  std::string path;
  std::string take;
  std::string merge;
  bool all = false;
};
using Run = absl::StatusOr<ExitCode> (*)(const Invocation&, const Args&);

auto Ask(Session& session, const Args& args) {
  return session.Call([&](auto& client) {
    auto request = client.conflictsRequest();
    request.setProject(ToKj(args.project));
    request.setPath(ToKj(args.path));
    return request.send();
  });
}

// With the project's name if conflicts of several are listed.
boost::json::object Describe(control::Conflict::Reader conflict,
                             const Args& args) {
  boost::json::object out = ToJson(conflict);
  if (args.project.empty()) SetText(out, "project", conflict.getProject());
  return out;
}

absl::StatusOr<ExitCode> List(const Invocation& in, const Args& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, Ask(*session, args));
  const auto conflicts = answer->getResult().getValue().getConflicts();
  if (in.json) {
    boost::json::array out;
    for (const auto conflict : conflicts) {
      out.push_back(Describe(conflict, args));
    }
    PrintJson(out);
  } else {
    Table table({"PROJECT", "VALUES", "PATH"});
    for (const auto conflict : conflicts) {
      table.Add({Shown(FromKj(conflict.getProject())),
                 fmt::format("{}", conflict.getSiblings().size()),
                 Shown(FromKj(conflict.getPath()))});
    }
    if (!table.empty()) table.Print();
  }
  return conflicts.size() == 0 ? ExitCode::kDone : ExitCode::kAttention;
}

absl::StatusOr<ExitCode> Show(const Invocation& in, const Args& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, Ask(*session, args));
  const auto conflict = answer->getResult().getValue().getConflicts()[0];
  if (in.json) {
    PrintJson(Describe(conflict, args));
    return ExitCode::kDone;
  }
  PrintLine(Shown(FromKj(conflict.getPath())));
  Table table({"", "VERSION", "DEVICE", "TIME", "SIZE", "HASH"});
  for (const auto sibling : conflict.getSiblings()) {
    constexpr std::size_t kShort = 9;
    table.Add({sibling.getShown() ? "shown" : "", FromKj(sibling.getVersion()),
               FromKj(sibling.getDevice()).substr(0, kShort),
               TimeText(sibling.getTimeMs()), SizeText(sibling.getSize()),
               FromKj(sibling.getHash()).substr(0, kShort)});
  }
  table.Print();
  return ExitCode::kDone;
}

absl::Status Take(Session& session, const std::string& project,
                  const std::string& path, const std::string& take) {
  return session
      .Call([&](auto& client) {
        auto request = client.resolveRequest();
        request.setProject(ToKj(project));
        request.setPath(ToKj(path));
        request.setTake(ToKj(take));
        return request.send();
      })
      .status();
}

absl::Status Merge(Session& session, const Args& args) {
  PutTarget target;
  target.project = args.project;
  target.path = args.path;
  target.resolve = true;
  return PutFile(session, target, args.merge, false).status();
}

absl::Status CheckResolve(const Args& args) {
  if (args.take.empty() == args.merge.empty()) {
    return InvalidArgument("say either --take or --merge");
  }
  if (args.all == !args.path.empty()) {
    return InvalidArgument("say either a path or --all");
  }
  if (args.all && !args.merge.empty()) {
    return InvalidArgument("--merge needs a path");
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Resolve(const Invocation& in, const Args& args) {
  SYNCLINE_RETURN_IF_ERROR(CheckResolve(args));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  std::vector<std::string> paths;
  if (!args.merge.empty()) {
    SYNCLINE_RETURN_IF_ERROR(Merge(*session, args));
    paths.push_back(args.path);
  } else if (!args.all) {
    SYNCLINE_RETURN_IF_ERROR(
        Take(*session, args.project, args.path, args.take));
    paths.push_back(args.path);
  } else {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, Ask(*session, args));
    for (const auto conflict : answer->getResult().getValue().getConflicts()) {
      const std::string path = FromKj(conflict.getPath());
      SYNCLINE_RETURN_IF_ERROR(Take(*session, args.project, path, args.take));
      paths.push_back(path);
    }
  }
  if (in.json) {
    boost::json::array out;
    for (const std::string& path : paths) {
      boost::json::object each;
      SetText(each, "path", path);
      out.push_back(std::move(each));
    }
    PrintJson({{"resolved", std::move(out)}});
  }
  return ExitCode::kDone;
}

std::shared_ptr<Args> AddOne(CLI::App* sub, Invocation& in,
                             const std::string& what, bool required, Run run) {
  auto args = std::make_shared<Args>();
  sub->add_option("PROJECT", args->project, "The project")->required(required);
  sub->callback([&in, what, args, run] {
    in.what = "conflicts " + what;
    if (!args->project.empty()) in.what += " " + args->project;
    if (!args->path.empty()) in.what += " " + Shown(args->path);
    in.run = [&in, args, run] { return run(in, *args); };
  });
  return args;
}

}  // namespace

void AddConflictCommands(CLI::App& app, Invocation& in) {
  CLI::App* conflicts =
      AddCommand(app, "conflicts", "Edits that nobody has put together yet",
                 "syncline conflicts ls notes\n"
                 "syncline conflicts resolve notes todo.txt --take local");
  AddOne(
      AddCommand(*conflicts, "ls", "Open conflicts (exit 1 if there are any)",
                 "syncline conflicts ls\n"
                 "syncline conflicts ls notes --json"),
      in, "ls", false, List);
  CLI::App* show = AddCommand(*conflicts, "show", "The values of one conflict",
                              "syncline conflicts show notes todo.txt");
  const auto shown = AddOne(show, in, "show", true, Show);
  show->add_option("PATH", shown->path, "Where it is")->required();
  CLI::App* resolve =
      AddCommand(*conflicts, "resolve", "Settle conflicts",
                 "syncline conflicts resolve notes todo.txt --take remote\n"
                 "syncline conflicts resolve notes todo.txt --merge both.txt\n"
                 "syncline conflicts resolve notes --all --take local");
  const auto chosen = AddOne(resolve, in, "resolve", true, Resolve);
  resolve->add_option("PATH", chosen->path, "Where it is");
  resolve
      ->add_option("--take", chosen->take,
                   "local (first here), remote (last here) or a version")
      ->type_name("WHICH");
  resolve->add_option("--merge", chosen->merge, "Take this file's content")
      ->type_name("FILE");
  resolve->add_flag("--all", chosen->all, "All of the project");
}

}  // namespace syncline::cli
