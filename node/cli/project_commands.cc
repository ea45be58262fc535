// project, add.

#include <fmt/format.h>

#include <filesystem>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

void PrintTable(capnp::List<control::Project>::Reader projects) {
  Table table({"PROJECT", "ITEMS", "SIZE", "LOG", "CONFLICTS", "FOLDERS"});
  for (const auto project : projects) {
    std::string folders;
    for (const auto mirror : project.getMirrors()) {
      if (!folders.empty()) folders += ", ";
      folders += Shown(FromKj(mirror.getDir()));
    }
    table.Add({Shown(FromKj(project.getName())),
               fmt::format("{}", project.getItems()),
               SizeText(project.getBytes()),
               fmt::format("{}", project.getLog().getHead()),
               fmt::format("{}", project.getConflicts()), folders});
  }
  table.Print();
}

void PrintProject(const Invocation& in, control::Project::Reader project) {
  if (in.json) return PrintJson(ToJson(project));
  const auto line = [](std::string_view name, const std::string& value) {
    PrintLine(fmt::format("{:<12}{}", name, value));
  };
  line("name", Shown(FromKj(project.getName())));
  line("id", FromKj(project.getId()));
  line("strategy", FromKj(project.getStrategy()));
  line("items", fmt::format("{}", project.getItems()));
  line("size", SizeText(project.getBytes()));
  line("log",
       fmt::format("{} (durable {}, horizon {}, id {})",
                   project.getLog().getHead(), project.getLog().getDurable(),
                   project.getLog().getHorizon(),
                   FromKj(project.getLog().getId())));
  line("digest", FromKj(project.getDigest()));
  line("conflicts", fmt::format("{}", project.getConflicts()));
  line("missing", fmt::format("{}", project.getMissingChunks()));
  for (const auto mirror : project.getMirrors()) {
    line("folder", fmt::format("{} ({})", Shown(FromKj(mirror.getDir())),
                               FromKj(mirror.getState())));
  }
}

absl::StatusOr<ExitCode> Create(const Invocation& in, const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.createProjectRequest();
    request.setName(ToKj(name));
    return request.send();
  }));
  if (in.json) PrintJson(ToJson(answer->getResult().getValue()));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ListProjects(const Invocation& in) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([](auto& client) {
    return client.projectsRequest().send();
  }));
  const auto projects = answer->getResult().getValue().getProjects();
  if (in.json) {
    PrintJson(ToJsonList(projects));
  } else {
    PrintTable(projects);
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ShowProject(const Invocation& in,
                                     const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.projectRequest();
    request.setName(ToKj(name));
    return request.send();
  }));
  PrintProject(in, answer->getResult().getValue());
  return ExitCode::kDone;
}

absl::Status RemoveProject(Session& session, const std::string& name) {
  return session
      .Call([&](auto& client) {
        auto request = client.removeProjectRequest();
        request.setName(ToKj(name));
        return request.send();
      })
      .status();
}

absl::StatusOr<ExitCode> RemoveProject(const Invocation& in,
                                       const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(RemoveProject(*session, name));
  if (in.json) PrintJson({{"removed", name}});
  return ExitCode::kDone;
}

// Makes the project unless it was named and is there; true if it was made.
absl::StatusOr<bool> EnsureProject(Session& session, const std::string& name,
                                   bool named) {
  const absl::Status created = session
                                   .Call([&](auto& client) {
                                     auto request =
                                         client.createProjectRequest();
                                     request.setName(ToKj(name));
                                     return request.send();
                                   })
                                   .status();
  if (absl::IsAlreadyExists(created) && named) return false;
  if (absl::IsAlreadyExists(created)) {
    return FailedPrecondition("a project '" + name +
                              "' is here already (choose with --project)");
  }
  SYNCLINE_RETURN_IF_ERROR(created);
  return true;
}

absl::StatusOr<ExitCode> AddDir(const Invocation& in, const std::string& dir,
                                const std::string& project) {
  const std::string path = CanonicalDir(dir);
  const std::string name = project.empty()
                               ? std::filesystem::path(path).filename().string()
                               : project;
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(bool created,
                            EnsureProject(*session, name, !project.empty()));
  auto answer = session->Call([&](auto& client) {
    auto request = client.addMirrorRequest();
    request.setProject(ToKj(name));
    request.setDir(ToKj(path));
    return request.send();
  });
  if (!answer.ok()) {
    if (created) (void)RemoveProject(*session, name);
    return answer.status();
  }
  if (in.json) {
    boost::json::object out;
    SetText(out, "project", name);
    out["mirror"] = ToJson((*answer)->getResult().getValue());
    PrintJson(out);
  } else if (!session->served()) {
    PrintNote(
        "the folder is looked at by 'syncline serve' or 'syncline "
        "mirror scan'");
  }
  return ExitCode::kDone;
}

using NameCommand = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                                 const std::string&);

void AddNamed(CLI::App& parent, Invocation& in, const std::string& command,
              const std::string& description, NameCommand run) {
  CLI::App* sub = AddCommand(parent, command, description,
                             "syncline project " + command + " notes");
  auto name = std::make_shared<std::string>();
  sub->add_option("NAME", *name, "The project")->required();
  sub->callback([&in, command, name, run] {
    in.what = "project " + command + " " + *name;
    in.run = [&in, name, run] { return run(in, *name); };
  });
}

}  // namespace

void AddProjectCommands(CLI::App& app, Invocation& in) {
  CLI::App* project = AddCommand(app, "project", "Make, list, remove projects",
                                 "syncline project create notes\n"
                                 "syncline project ls");
  AddNamed(*project, in, "create", "Make a project", Create);
  AddNamed(*project, in, "show", "One project in detail", ShowProject);
  AddNamed(*project, in, "rm",
           "Forget a project here; folders keep their files", RemoveProject);
  AddCommand(*project, "ls", "All projects", "syncline project ls --json")
      ->callback([&in] {
        in.what = "project ls";
        in.run = [&in] { return ListProjects(in); };
      });

  CLI::App* add = AddCommand(app, "add", "Make a project of a folder",
                             "syncline add ~/notes\n"
                             "syncline add . --project work");
  auto dir = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  add->add_option("DIR", *dir, "The folder")->required();
  add->add_option("--project", *name,
                  "Its project (default: the folder's name)")
      ->type_name("NAME");
  add->callback([&in, dir, name] {
    in.what = "add " + *dir;
    in.run = [&in, dir, name] { return AddDir(in, *dir, *name); };
  });
}

}  // namespace syncline::cli
