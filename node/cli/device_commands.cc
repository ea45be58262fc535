// device.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

constexpr char kDefaultExpiry[] = "15m";

absl::StatusOr<ExitCode> ShowId(const Invocation& in) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([](auto& client) {
    return client.deviceRequest().send();
  }));
  const auto device = answer->getResult().getValue();
  if (in.json) {
    boost::json::object out;
    SetText(out, "id", device.getId());
    SetText(out, "name", device.getName());
    PrintJson(out);
  } else {
    PrintLine(FromKj(device.getId()));
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ListDevices(const Invocation& in) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([](auto& client) {
    return client.devicesRequest().send();
  }));
  const auto peers = answer->getResult().getValue().getPeers();
  if (in.json) {
    PrintJson(ToJsonList(peers));
    return ExitCode::kDone;
  }
  Table table({"DEVICE", "NAME", "STATE", "ADDRESS", "PROJECTS"});
  for (const auto peer : peers) {
    std::string projects;
    for (const auto name : peer.getProjects()) {
      if (!projects.empty()) projects += ", ";
      projects += Shown(FromKj(name));
    }
    table.Add({FromKj(peer.getId()), Shown(FromKj(peer.getName())),
               FromKj(peer.getState()), FromKj(peer.getAddress()), projects});
  }
  table.Print();
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> RemoveDevice(const Invocation& in,
                                      const std::string& id) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.removeDeviceRequest();
                                 request.setId(ToKj(id));
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"removed", id}});
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Rename(const Invocation& in, const std::string& id,
                                const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.renameDeviceRequest();
                                 request.setId(ToKj(id));
                                 request.setName(ToKj(name));
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"id", id}, {"name", name}});
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> AcceptState(const Invocation& in,
                                     const std::string& project) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.acceptStateRequest();
                                 request.setProject(ToKj(project));
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"accepted", project}});
  return ExitCode::kDone;
}

struct InviteOptions {
  std::vector<std::string> projects;
  std::string expires = kDefaultExpiry;
  std::vector<std::string> addresses;
};

absl::StatusOr<ExitCode> Invite(const Invocation& in,
                                const InviteOptions& options) {
  SYNCLINE_ASSIGN_OR_RETURN(std::int64_t expires_ms,
                            ParseDuration(options.expires));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  const auto set = [](capnp::List<capnp::Text>::Builder list,
                      const std::vector<std::string>& values) {
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, ToKj(values[i]));
  };
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.inviteRequest();
    set(request.initProjects(static_cast<unsigned>(options.projects.size())),
        options.projects);
    set(request.initAddresses(static_cast<unsigned>(options.addresses.size())),
        options.addresses);
    request.setExpiresMs(expires_ms);
    return request.send();
  }));
  const auto invitation = answer->getResult().getValue();
  if (in.json) {
    boost::json::object out;
    SetText(out, "code", invitation.getCode());
    out["expires"] = TimeText(invitation.getExpiresMs());
    PrintJson(out);
    return ExitCode::kDone;
  }
  PrintLine(FromKj(invitation.getCode()), true);
  if (!session->served()) {
    PrintNote("nobody answers until 'syncline serve' runs");
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Join(const Invocation& in, const std::string& code,
                              const std::vector<std::string>& dirs) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.joinRequest();
    request.setCode(ToKj(code));
    auto list = request.initDirs(static_cast<unsigned>(dirs.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list.set(i, ToKj(CanonicalDir(dirs[i])));
    }
    return request.send();
  }));
  const auto joined = answer->getResult().getValue();
  const ExitCode outcome =
      joined.getMissing().size() == 0 ? ExitCode::kDone : ExitCode::kAttention;
  if (in.json) {
    boost::json::object out;
    SetText(out, "device", joined.getPeer().getId());
    SetText(out, "name", joined.getPeer().getName());
    boost::json::array places;
    for (const auto place : joined.getPlaces()) {
      boost::json::object each;
      SetText(each, "project", place.getProject());
      SetText(each, "dir", place.getDir());
      places.push_back(std::move(each));
    }
    out["projects"] = std::move(places);
    boost::json::array missing;
    for (const auto name : joined.getMissing()) {
      boost::json::object each;
      SetText(each, "project", name);
      missing.push_back(std::move(each));
    }
    out["missing"] = std::move(missing);
    PrintJson(out);
    return outcome;
  }
  PrintLine(
      fmt::format("joined {}", Shown(FromKj(joined.getPeer().getName()))));
  for (const auto place : joined.getPlaces()) {
    const std::string dir = FromKj(place.getDir());
    PrintLine(fmt::format("  {}  {}", Shown(FromKj(place.getProject())),
                          dir.empty() ? "(no folder)" : Shown(dir)));
  }
  for (const auto name : joined.getMissing()) {
    PrintNote(fmt::format("'{}' is not shared any more", FromKj(name)));
  }
  if (!session->served()) {
    PrintNote("files arrive while 'syncline serve' runs");
  }
  return outcome;
}

void AddInvite(CLI::App& device, Invocation& in) {
  CLI::App* sub =
      AddCommand(device, "invite", "Print a code that admits one device, once",
                 "syncline device invite notes\n"
                 "syncline device invite notes work --expires 1h\n"
                 "syncline device invite notes --address 127.0.0.1:22067");
  auto options = std::make_shared<InviteOptions>();
  sub->add_option("PROJECT", options->projects, "What to share")->required();
  sub->add_option("--expires", options->expires, "How long it can be used")
      ->type_name("TIME");
  sub->add_option("--address", options->addresses,
                  "Where this node is reached (default: where it listens)")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  sub->callback([&in, options] {
    in.what = "device invite";
    in.run = [&in, options] { return Invite(in, *options); };
  });
}

void AddJoin(CLI::App& device, Invocation& in) {
  CLI::App* sub = AddCommand(device, "join", "Pair with who gave the code",
                             "syncline device join SYNC-... --dir ~/notes");
  auto code = std::make_shared<std::string>();
  auto dirs = std::make_shared<std::vector<std::string>>();
  sub->add_option("CODE", *code, "From 'syncline device invite'")->required();
  sub->add_option("--dir", *dirs, "Folder for the next of its projects")
      ->type_name("DIR")
      ->allow_extra_args(false);
  sub->callback([&in, code, dirs] {
    in.what = "device join";
    in.run = [&in, code, dirs] { return Join(in, *code, *dirs); };
  });
}

void AddAcceptState(CLI::App& device, Invocation& in) {
  CLI::App* sub =
      AddCommand(device, "accept-state",
                 "Install another device's state though it removes much",
                 "syncline status\nsyncline device accept-state notes");
  auto project = std::make_shared<std::string>();
  sub->add_option("PROJECT", *project, "Where a state is held back")
      ->required();
  sub->callback([&in, project] {
    in.what = "device accept-state " + *project;
    in.run = [&in, project] { return AcceptState(in, *project); };
  });
}

}  // namespace

void AddDeviceCommands(CLI::App& app, Invocation& in) {
  CLI::App* device = AddCommand(app, "device", "This device and its peers",
                                "syncline device id\n"
                                "syncline device invite notes\n"
                                "syncline device ls");
  AddCommand(*device, "id", "The id of this device", "syncline device id")
      ->callback([&in] {
        in.what = "device id";
        in.run = [&in] { return ShowId(in); };
      });
  AddCommand(*device, "ls", "Devices that projects are shared with",
             "syncline device ls --json")
      ->callback([&in] {
        in.what = "device ls";
        in.run = [&in] { return ListDevices(in); };
      });
  auto id = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  CLI::App* remove = AddCommand(*device, "rm", "Stop sharing with a device",
                                "syncline device rm ABCD-EFGH");
  remove->add_option("ID", *id, "Its id, or the start of it")->required();
  remove->callback([&in, id] {
    in.what = "device rm " + *id;
    in.run = [&in, id] { return RemoveDevice(in, *id); };
  });
  CLI::App* rename = AddCommand(*device, "rename", "Name a device, here only",
                                "syncline device rename ABCD-EFGH phone");
  rename->add_option("ID", *id, "Its id, or the start of it")->required();
  rename->add_option("NAME", *name, "Its new name")->required();
  rename->callback([&in, id, name] {
    in.what = "device rename " + *id;
    in.run = [&in, id, name] { return Rename(in, *id, *name); };
  });
  AddInvite(*device, in);
  AddJoin(*device, in);
  AddAcceptState(*device, in);
}

}  // namespace syncline::cli
