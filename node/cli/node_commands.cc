// init, status, wait, version.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/version.h"

namespace syncline::cli {
namespace {

absl::StatusOr<ExitCode> Init(const Invocation& in, const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open(name));
  if (!name.empty()) {
    SYNCLINE_RETURN_IF_ERROR(session
                                 ->Call([&](auto& client) {
                                   auto request = client.renameSelfRequest();
                                   request.setName(ToKj(name));
                                   return request.send();
                                 })
                                 .status());
  }
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([](auto& client) {
    return client.deviceRequest().send();
  }));
  const auto device = answer->getResult().getValue();
  if (in.json) {
    boost::json::object out;
    SetText(out, "home", in.Home().string());
    SetText(out, "id", device.getId());
    SetText(out, "name", device.getName());
    PrintJson(out);
  } else {
    PrintLine(fmt::format("{}  {}", FromKj(device.getId()),
                          Shown(FromKj(device.getName()))));
  }
  return ExitCode::kDone;
}

Tone ToneOf(std::string_view state) {
  if (state == "idle" || state == "connected") return Tone::kGood;
  if (state == "error" || state == "refused") return Tone::kBad;
  if (state == "offline" || state == "paused") return Tone::kFaint;
  return Tone::kWarning;
}

std::string State(capnp::Text::Reader state) {
  const std::string text = FromKj(state);
  return Paint(ToneOf(text), text);
}

void PrintProjects(control::Status::Reader status) {
  Table table(
      {"PROJECT", "ITEMS", "SIZE", "LOG", "CONFLICTS", "MISSING", "STRATEGY"});
  for (const auto project : status.getProjects()) {
    table.Add({Shown(FromKj(project.getName())),
               fmt::format("{}", project.getItems()),
               SizeText(project.getBytes()),
               fmt::format("{}", project.getLog().getHead()),
               fmt::format("{}", project.getConflicts()),
               fmt::format("{}", project.getMissingChunks()),
               FromKj(project.getStrategy())});
  }
  if (!table.empty()) table.Print();
  for (const auto project : status.getProjects()) {
    if (project.getError().size() > 0) {
      PrintNote(fmt::format("{}: {}", FromKj(project.getName()),
                            FromKj(project.getError())));
    }
  }
}

void PrintFolders(control::Status::Reader status) {
  Table table({"FOLDER", "PROJECT", "STATE", "FILES", "PENDING", "ERROR"});
  for (const auto project : status.getProjects()) {
    for (const auto mirror : project.getMirrors()) {
      table.Add({Shown(FromKj(mirror.getDir())),
                 Shown(FromKj(project.getName())), State(mirror.getState()),
                 fmt::format("{}", mirror.getScannedFiles()),
                 fmt::format("{}", mirror.getPending()),
                 Shown(FromKj(mirror.getError()))});
    }
  }
  if (table.empty()) return;
  PrintLine("");
  table.Print();
}

void PrintPeers(control::Status::Reader status) {
  Table table(
      {"DEVICE", "NAME", "STATE", "ADDRESS", "SENT", "RECEIVED", "LAST ERROR"});
  for (const auto peer : status.getPeers()) {
    table.Add({FromKj(peer.getId()).substr(0, kShortId),
               Shown(FromKj(peer.getName())), State(peer.getState()),
               FromKj(peer.getAddress()), SizeText(peer.getSentBytes()),
               SizeText(peer.getReceivedBytes()),
               Shown(FromKj(peer.getLastError()))});
  }
  if (table.empty()) return;
  PrintLine("");
  table.Print();
}

absl::StatusOr<ExitCode> ShowStatus(const Invocation& in) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([](auto& client) {
    return client.statusRequest().send();
  }));
  const auto status = answer->getResult().getValue();
  if (in.json) {
    PrintJson(ToJson(status));
    return ExitCode::kDone;
  }
  PrintLine(fmt::format(
      "{} ({}), {}",
      Paint(Tone::kStrong, Shown(FromKj(status.getDevice().getName()))),
      FromKj(status.getDevice().getId()),
      session->served() ? fmt::format("serving for {} s", status.getUptimeS())
                        : std::string("not serving")));
  if (status.getIncident().size() > 0) {
    PrintLine(Paint(Tone::kBad, fmt::format("attention, {}: ",
                                            TimeText(status.getIncidentMs()))) +
              Shown(FromKj(status.getIncident())));
  }
  if (status.getProjects().size() > 0) PrintLine("");
  PrintProjects(status);
  PrintFolders(status);
  PrintPeers(status);
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Wait(const Invocation& in, double timeout_s,
                              const std::vector<std::string>& projects) {
  constexpr double kMsPerS = 1000;
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.waitRequest();
    request.setTimeoutMs(
        timeout_s < 0 ? -1 : static_cast<std::int64_t>(timeout_s * kMsPerS));
    auto names = request.initProjects(static_cast<unsigned>(projects.size()));
    for (unsigned i = 0; i < names.size(); ++i) {
      names.set(i, ToKj(projects[i]));
    }
    return request.send();
  }));
  const auto settled = answer->getResult().getValue();
  const std::uint64_t conflicts = settled.getConflicts();
  const std::uint64_t failed = settled.getFailed();
  const std::uint64_t paused = settled.getPaused();
  if (in.json) {
    PrintJson(
        {{"conflicts", conflicts}, {"failed", failed}, {"paused", paused}});
  }
  if (paused > 0 && !in.json) {
    PrintNote(fmt::format("{} paused folders were not waited for", paused));
  }
  if (failed > 0 && !in.json) {
    PrintNote(
        fmt::format("{} paths that could not be read or written (see "
                    "'syncline mirror scan PROJECT')",
                    failed));
  }
  if (conflicts > 0 && !in.json) {
    PrintNote(fmt::format("{} open conflicts (see 'syncline conflicts ls')",
                          conflicts));
  }
  return conflicts + failed == 0 ? ExitCode::kDone : ExitCode::kAttention;
}

absl::StatusOr<ExitCode> Version(const Invocation& in) {
  if (in.json) {
    PrintJson({{"version", kProgramVersion}});
  } else {
    PrintLine(fmt::format("syncline {}", kProgramVersion));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddNodeCommands(CLI::App& app, Invocation& in) {
  CLI::App* init = AddCommand(app, "init", "Make the node's home",
                              "syncline init\n"
                              "syncline init --name laptop");
  auto name = std::make_shared<std::string>();
  init->add_option("--name", *name, "What other devices are shown")
      ->type_name("NAME");
  init->callback([&in, name] {
    in.what = "init";
    in.run = [&in, name] { return Init(in, *name); };
  });

  CLI::App* status = AddCommand(app, "status", "Projects, mirrors and devices",
                                "syncline status\n"
                                "syncline status --json");
  status->callback([&in] {
    in.what = "status";
    in.run = [&in] { return ShowStatus(in); };
  });

  CLI::App* wait = AddCommand(
      app, "wait",
      "Wait until folders and connected devices are in sync (exit 1 if "
      "conflicts or failed paths are left)",
      "syncline wait\n"
      "syncline wait --timeout 60 notes");
  auto timeout = std::make_shared<double>(-1);
  auto projects = std::make_shared<std::vector<std::string>>();
  wait->add_option("--timeout", *timeout, "Give up after this long (exit 4)")
      ->type_name("SECONDS")
      ->check(Seconds());
  wait->add_option("PROJECT", *projects, "Only these");
  wait->callback([&in, timeout, projects] {
    in.what = "wait";
    in.run = [&in, timeout, projects] { return Wait(in, *timeout, *projects); };
  });

  AddCommand(app, "version", "The version of this program", "syncline version")
      ->callback([&in] {
        in.what = "version";
        in.run = [&in] { return Version(in); };
      });
}

}  // namespace syncline::cli
