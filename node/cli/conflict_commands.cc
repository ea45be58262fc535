// conflicts.

#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/cli/put.h"
#include "node/cli/read_whole.h"
#include "replication/state/strategy.h"

namespace syncline::cli {
namespace {

struct ConflictArgs {
  std::string project;
  std::string path;
  std::string take;
  std::string merge;
  bool all = false;
  bool resolved = false;
};
using ConflictCommand = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                                     const ConflictArgs&);

auto Ask(Session& session, const ConflictArgs& args, std::uint64_t after = 0) {
  return session.Call([&](auto& client) {
    auto request = client.conflictsRequest();
    request.setProject(ToKj(args.project));
    request.setPath(ToKj(args.path));
    request.setResolved(args.resolved);
    request.setAfter(after);
    return request.send();
  });
}

// With the project's name if conflicts of several are listed.
boost::json::object Describe(control::Conflict::Reader conflict,
                             const ConflictArgs& args) {
  boost::json::object out = ToJson(conflict);
  if (args.project.empty()) SetText(out, "project", conflict.getProject());
  return out;
}

void AddConflict(Table& table, control::Conflict::Reader conflict,
                 const ConflictArgs& args) {
  std::vector<std::string> cells = {
      Shown(FromKj(conflict.getProject())),
      fmt::format("{}", conflict.getSiblings().size())};
  if (args.resolved) {
    const auto end = conflict.getResolution()[0];
    cells.push_back(fmt::format("{}", end.getSeq()));
    cells.push_back(FromKj(end.getCause()));
    cells.push_back(FromKj(end.getDevice()).substr(0, kShortId));
  }
  cells.push_back(Shown(FromKj(conflict.getPath())));
  table.Add(std::move(cells));
}

absl::StatusOr<ExitCode> ListConflicts(const Invocation& in,
                                       const ConflictArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  boost::json::array out;
  Table table(args.resolved
                  ? std::vector<std::string>{"PROJECT", "VALUES", "AT", "HOW",
                                             "DEVICE", "PATH"}
                  : std::vector<std::string>{"PROJECT", "VALUES", "PATH"});
  std::size_t count = 0;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, Ask(*session, args, after));
    const auto conflicts = answer->getResult().getValue().getConflicts();
    for (const auto conflict : conflicts) {
      if (in.json) {
        out.push_back(Describe(conflict, args));
      } else {
        AddConflict(table, conflict, args);
      }
      after = conflict.getSeq();
    }
    count += conflicts.size();
    // Pages are of one project.
    more = args.resolved && !args.project.empty() && conflicts.size() > 0;
  }
  if (in.json) {
    PrintJson(out);
  } else if (!table.empty()) {
    table.Print();
  }
  return count == 0 || args.resolved ? ExitCode::kDone : ExitCode::kAttention;
}

void PrintDetail(control::ConflictDetail::Reader detail) {
  const auto conflict = detail.getConflict();
  PrintLine(Shown(FromKj(conflict.getPath())));
  Table table({"", "VERSION", "DEVICE", "TIME", "SIZE", "HASH"});
  const auto add = [&table](control::Sibling::Reader sibling,
                            const std::string& what) {
    table.Add({what, FromKj(sibling.getVersion()),
               FromKj(sibling.getDevice()).substr(0, kShortId),
               TimeText(sibling.getTimeMs()), SizeText(sibling.getSize()),
               FromKj(sibling.getHash()).substr(0, kShortId)});
  };
  for (const auto ancestor : conflict.getAncestor()) add(ancestor, "ancestor");
  for (const auto sibling : conflict.getSiblings()) {
    add(sibling, sibling.getShown() ? "shown" : "");
  }
  table.Print();
  for (const auto diff : detail.getDiffs()) {
    const std::string from = FromKj(diff.getFrom());
    PrintLine("");
    PrintLine(
        Paint(Tone::kStrong, "--- " + (from.empty() ? "the first" : from)));
    PrintLine(Paint(Tone::kStrong, "+++ " + FromKj(diff.getTo())));
    if (!diff.getKnown()) {
      PrintLine("no text, or its content is not here");
      continue;
    }
    const std::string text = FromKj(diff.getText());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      const Tone tone = line.starts_with('+')   ? Tone::kGood
                        : line.starts_with('-') ? Tone::kBad
                                                : Tone::kPlain;
      PrintLine(Paint(tone, Shown(line)));
      at = end + 1;
    }
  }
}

absl::StatusOr<ExitCode> ShowConflict(const Invocation& in,
                                      const ConflictArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.showConflictRequest();
    request.setProject(ToKj(args.project));
    request.setPath(ToKj(args.path));
    return request.send();
  }));
  const auto detail = answer->getResult().getValue();
  if (in.json) {
    PrintJson(ToJson(detail));
  } else {
    PrintDetail(detail);
  }
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

absl::Status Merge(Session& session, const ConflictArgs& args) {
  if (const auto name = DocOfPath(args.path)) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::string value, ReadWhole(args.merge));
    return session
        .Call([&](auto& client) {
          auto request = client.putDocumentRequest();
          request.setProject(ToKj(args.project));
          request.setNameSpace(ToKj(std::string(name->first)));
          request.setKey(ToKj(std::string(name->second)));
          request.setValue(ToData(value));
          request.setResolve(true);
          return request.send();
        })
        .status();
  }
  PutTarget target;
  target.project = args.project;
  target.path = args.path;
  target.resolve = true;
  return PutFile(session, target, args.merge, false).status();
}

absl::Status CheckResolve(const ConflictArgs& args) {
  if (args.take.empty() == args.merge.empty()) {
    return InvalidArgument("say either --take or --merge");
  }
  if (args.all == !args.path.empty()) {
    return InvalidArgument("say either a path or --all");
  }
  if (args.all && !args.merge.empty()) {
    return InvalidArgument("--merge needs a path");
  }
  if (!args.all && args.project.empty()) {
    return InvalidArgument("say which project");
  }
  return absl::OkStatus();
}

boost::json::object Named(const std::string& project, const std::string& path) {
  boost::json::object each;
  SetText(each, "project", project);
  SetText(each, "path", path);
  return each;
}

// Settles all that are open now. One that cannot be settled does not keep back
// the others.
absl::StatusOr<ExitCode> ResolveAll(const Invocation& in,
                                    const ConflictArgs& args,
                                    Session& session) {
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, Ask(session, args));
  boost::json::array resolved;
  boost::json::array failed;
  for (const auto conflict : answer->getResult().getValue().getConflicts()) {
    const std::string project = FromKj(conflict.getProject());
    const std::string path = FromKj(conflict.getPath());
    const absl::Status taken = Take(session, project, path, args.take);
    if (taken.ok()) {
      resolved.push_back(Named(project, path));
    } else if (!absl::IsNotFound(taken) ||
               args.take.find('.') != args.take.npos) {
      boost::json::object each = Named(project, path);
      SetText(each, "why", Explain(taken));
      failed.push_back(std::move(each));
      PrintError(in.what + " " + Shown(path), Explain(taken));
    }  // Else somebody was faster.
  }
  const bool all = failed.empty();
  if (in.json) {
    PrintJson(
        {{"resolved", std::move(resolved)}, {"failed", std::move(failed)}});
  }
  return all ? ExitCode::kDone : ExitCode::kAttention;
}

absl::StatusOr<ExitCode> Resolve(const Invocation& in,
                                 const ConflictArgs& args) {
  SYNCLINE_RETURN_IF_ERROR(CheckResolve(args));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  if (args.all) return ResolveAll(in, args, *session);
  SYNCLINE_RETURN_IF_ERROR(
      args.merge.empty() ? Take(*session, args.project, args.path, args.take)
                         : Merge(*session, args));
  if (in.json) {
    boost::json::array resolved;
    resolved.push_back(Named(args.project, args.path));
    PrintJson(
        {{"resolved", std::move(resolved)}, {"failed", boost::json::array()}});
  }
  return ExitCode::kDone;
}

std::shared_ptr<ConflictArgs> AddConflictCommand(CLI::App* sub, Invocation& in,
                                                 const std::string& what,
                                                 bool required,
                                                 ConflictCommand run) {
  auto args = std::make_shared<ConflictArgs>();
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
  CLI::App* list =
      AddCommand(*conflicts, "ls", "Open conflicts (exit 1 if there are any)",
                 "syncline conflicts ls\n"
                 "syncline conflicts ls notes --json\n"
                 "syncline conflicts ls notes --resolved");
  const auto listed = AddConflictCommand(list, in, "ls", false, ListConflicts);
  list->add_option("PATH", listed->path, "Only this one");
  list->add_flag("--resolved", listed->resolved,
                 "Those that ended, as long as the log knows, instead");
  CLI::App* show = AddCommand(*conflicts, "show",
                              "The values of one conflict, and how they differ",
                              "syncline conflicts show notes todo.txt");
  const auto shown = AddConflictCommand(show, in, "show", true, ShowConflict);
  show->add_option("PATH", shown->path, "Where it is")->required();
  CLI::App* resolve =
      AddCommand(*conflicts, "resolve", "Settle conflicts",
                 "syncline conflicts resolve notes todo.txt --take remote\n"
                 "syncline conflicts resolve notes todo.txt --merge both.txt\n"
                 "syncline conflicts resolve notes --all --take local\n"
                 "syncline conflicts resolve --all --take remote");
  const auto chosen =
      AddConflictCommand(resolve, in, "resolve", false, Resolve);
  resolve->add_option("PATH", chosen->path, "Where it is");
  resolve
      ->add_option("--take", chosen->take,
                   "local (first here), remote (last here) or a version")
      ->type_name("WHICH");
  resolve->add_option("--merge", chosen->merge, "Take this file's content")
      ->type_name("FILE");
  resolve->add_flag("--all", chosen->all,
                    "All that are open, of the project or of all");
}

}  // namespace syncline::cli
