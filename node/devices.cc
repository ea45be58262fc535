// The devices of a node: listing, inviting, joining.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/status.h"
#include "node/device_match.h"
#include "node/node_core.h"
#include "node/paths.h"
#include "replication/mirror/paths.h"
#include "replication/peer/endpoint.h"

namespace syncline {
namespace {

// Null if it has not said whether it shares the project.
const ProjectLink::Status* LinkOf(const PeerStatus& peer,
                                  const ProjectId& project) {
  for (const ProjectLink::Status& link : peer.projects) {
    if (link.project == project) return &link;
  }
  return nullptr;
}

// Where `syncline serve` listens unless it is told otherwise.
constexpr char kDefaultAddress[] = "127.0.0.1:22067";
constexpr std::size_t kNameBytesMax = 255;

absl::Status CheckDeviceName(const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return InvalidArgument("a device's name has 1 to 255 bytes");
  }
  return absl::OkStatus();
}

// Nothing but folders is where `dir` is, or is to be made.
absl::Status CheckFolder(const std::filesystem::path& dir) {
  std::error_code error;
  std::filesystem::path there = dir;
  while (there.has_relative_path() && !std::filesystem::exists(there, error)) {
    there = there.parent_path();
  }
  if (std::filesystem::is_directory(there, error)) return absl::OkStatus();
  return FailedPrecondition(there.string() + " is no folder");
}

// An answer of the inviter, as it is to be understood by the joiner.
absl::Status JoinError(const absl::Status& status) {
  if (absl::IsNotFound(status)) {
    return absl::PermissionDeniedError(
        "the other device does not know the invitation (ask for a new one)");
  }
  if (absl::IsDeadlineExceeded(status)) {
    return FailedPrecondition(FromAbsl(status.message()));
  }
  if (absl::IsUnimplemented(status)) {
    return absl::UnavailableError(std::string(FromAbsl(status.message())) +
                                  " (update the older of the two)");
  }
  return status;
}

}  // namespace

void NodeCore::SetName(std::string name, StatusCallback done) {
  const absl::Status valid = CheckDeviceName(name);
  if (!valid.ok()) return done(valid);
  self_->name = name;
  settings_->SetName(std::move(name), std::move(done));
}

absl::StatusOr<PeerRow> NodeCore::FindPeer(const std::string& id) const {
  std::optional<PeerRow> found;
  for (const auto& [device, row] : settings_->peers()) {
    if (!IsStartOf(id, device)) continue;
    if (found) {
      return FailedPrecondition("'" + id + "' stands for several devices");
    }
    found = row;
  }
  if (!found) return NotFound("no device '" + id + "'");
  return *std::move(found);
}

absl::StatusOr<DeviceId> NodeCore::FindDevice(const std::string& id) const {
  if (IsStartOf(id, self_->identity.id())) return self_->identity.id();
  SYNCLINE_ASSIGN_OR_RETURN(const PeerRow row, FindPeer(id));
  return row.id;
}

void NodeCore::RemoveDevice(const std::string& id, StatusCallback done) {
  const absl::StatusOr<PeerRow> row = FindPeer(id);
  if (!row.ok()) return done(row.status());
  settings_->RemovePeer(row->id, std::move(done));
  if (serving_) peers_->RemovePeer(row->id);
}

void NodeCore::RenameDevice(const std::string& id, const std::string& name,
                            StatusCallback done) {
  absl::StatusOr<PeerRow> row = FindPeer(id);
  if (row.ok()) {
    const absl::Status valid = CheckDeviceName(name);
    if (!valid.ok()) return done(valid);
    row->name = name;
    row->renamed = true;
    settings_->PutPeer(*row, std::move(done));
    PeerChanged(row->id);
    return;
  }
  done(row.status());
}

void NodeCore::Invite(const std::vector<std::string>& projects,
                      std::int64_t expires_ms,
                      std::vector<std::string> addresses,
                      Callback<InvitationReport> done) {
  for (const std::string& address : addresses) {
    const absl::Status valid = ParseLoopbackEndpoint(address).status();
    if (!valid.ok()) return done(valid);
  }
  Invitation invitation;
  invitation.device_name = settings_->name();
  invitation.device = self_->identity.id();
  if (addresses.empty()) addresses = listening_;
  if (addresses.empty()) addresses.emplace_back(kDefaultAddress);
  invitation.addresses = std::move(addresses);
  InvitationRow row;
  for (const std::string& name : projects) {
    const ProjectRow* project = settings_->FindProject(name);
    if (project == nullptr) return done(NotFound("no project '" + name + "'"));
    invitation.projects.push_back({project->id, project->name});
    row.projects.push_back(project->id);
  }
  invitation.secret = NewInvitationSecret(random_);
  const absl::StatusOr<std::string> code = invitation.Encode();
  if (!code.ok()) return done(code.status());
  row.id = InvitationIdOf(invitation.secret);
  row.secret = invitation.secret;
  row.expires_ms = time_.NowMs() + expires_ms;
  const InvitationReport report{*code, row.expires_ms};
  settings_->PutInvitation(row, time_.NowMs(),
                           [done, report](const absl::Status& written) {
                             if (!written.ok()) return done(written);
                             done(report);
                           });
}

absl::Status NodeCore::CheckJoinDirs(
    const Invitation& invitation, const std::vector<std::string>& dirs) const {
  if (dirs.size() > invitation.projects.size()) {
    return InvalidArgument("there are more folders than projects");
  }
  for (std::size_t i = 0; i < dirs.size(); ++i) {
    const std::string dir = CanonicalDir(dirs[i]);
    // Who pairs again has the folder already.
    const ProjectRow* known = settings_->FindProject(invitation.projects[i].id);
    if (known != nullptr && IsMirrored(known->number, dir)) continue;
    SYNCLINE_RETURN_IF_ERROR(CheckMirrorDir(dir));
    SYNCLINE_RETURN_IF_ERROR(CheckFolder(dir));
    for (std::size_t k = 0; k < i; ++k) {
      if (PathsOverlap(CanonicalDir(dirs[k]), dir)) {
        return FailedPrecondition("a folder inside another mirrored folder");
      }
    }
  }
  return absl::OkStatus();
}

void NodeCore::Join(const std::string& code,
                    const std::vector<std::string>& dirs,
                    Callback<JoinReport> done) {
  const absl::StatusOr<Invitation> invitation = Invitation::Decode(code);
  if (!invitation.ok()) return done(invitation.status());
  // Before the invitation is spent.
  const absl::Status allowed = CheckJoinDirs(*invitation, dirs);
  if (!allowed.ok()) return done(allowed);
  peers_->Join(*invitation, [weak = weak_from_this(), dirs,
                             promised = invitation->projects,
                             done](absl::StatusOr<PeerManager::Joined> joined) {
    const auto self = weak.lock();
    if (!self || self->closing_) {
      return done(NodeClosed());
    }
    if (!joined.ok()) return done(JoinError(joined.status()));
    JoinReport report;
    report.device_id = joined->inviter.id.ToText();
    report.device_name = joined->inviter.name;
    for (std::size_t i = 0; i < promised.size(); ++i) {
      const ProjectRow* row = self->settings_->FindProject(promised[i].id);
      const bool given = std::any_of(
          joined->projects.begin(), joined->projects.end(),
          [&](const ProjectInfo& info) { return info.id == promised[i].id; });
      if (!given || row == nullptr) {
        report.missing.push_back(promised[i].name);
        continue;
      }
      report.places.push_back({row->name, i < dirs.size() ? dirs[i] : ""});
    }
    self->PeerChanged(joined->inviter.id);
    self->MirrorJoined(std::move(report), 0, done);
  });
}

void NodeCore::MirrorJoined(JoinReport report, std::size_t next,
                            Callback<JoinReport> done) {
  for (; next < report.places.size(); ++next) {
    JoinReport::Place& place = report.places[next];
    if (place.dir.empty()) continue;
    const ProjectRow* project = settings_->FindProject(place.project);
    std::string dir = CanonicalDir(place.dir);
    if (project == nullptr || !IsMirrored(project->number, dir)) break;
    place.dir = std::move(dir);
  }
  if (next == report.places.size()) {
    // Who pairs again may have a folder already.
    for (JoinReport::Place& place : report.places) {
      const ProjectRow* project = settings_->FindProject(place.project);
      if (!place.dir.empty() || project == nullptr) continue;
      for (const auto& [id, row] : settings_->mirrors()) {
        if (row.project == project->number) place.dir = row.dir;
      }
    }
    return done(std::move(report));
  }
  const JoinReport::Place place = report.places[next];
  AddMirror(place.project, place.dir, true,
            [weak = weak_from_this(), report = std::move(report), next,
             done](const absl::StatusOr<MirrorReport>& mirror) {
              const auto self = weak.lock();
              if (!mirror.ok() || !self) {
                return done(Annotate(mirror.status(),
                                     "joined, but the folder cannot be used"));
              }
              JoinReport so_far = report;
              so_far.places[next].dir = mirror->dir;
              self->MirrorJoined(std::move(so_far), next + 1, done);
            });
}

std::vector<PeerReport> NodeCore::Peers() const {
  std::map<DeviceId, PeerStatus> running;
  if (serving_) {
    for (PeerStatus& status : peers_->Status()) {
      running.emplace(status.id, std::move(status));
    }
  }
  std::vector<PeerReport> reports;
  for (const auto& [id, row] : settings_->peers()) {
    PeerReport report;
    report.id = id.ToText();
    report.name = row.name;
    report.state = PeerStateName(PeerStatus::State::kOffline);
    if (!row.addresses.empty()) report.address = row.addresses.front();
    for (const ProjectInfo& info : InfoOf(row.projects)) {
      report.projects.push_back(info.name);
    }
    const auto found = running.find(id);
    if (found != running.end()) {
      const PeerStatus& status = found->second;
      report.state = PeerStateName(status.state);
      if (!status.address.empty()) report.address = status.address;
      report.last_error = FromAbsl(status.last_error.message());
      report.retry_at_ms = status.retry_at_ms.value_or(0);
      report.rtt_ms = status.rtt_ms.value_or(-1);
      report.sent_bytes = status.sent_bytes;
      report.received_bytes = status.received_bytes;
    }
    reports.push_back(std::move(report));
  }
  std::sort(reports.begin(), reports.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return reports;
}

NodeCore::Left NodeCore::PeerLag(const ProjectId& project, bool grace) const {
  if (!serving_) return {};
  for (const PeerStatus& peer : peers_->Status()) {
    const std::string name = SharerName(peer, project);
    if (name.empty()) continue;
    if (peer.state == PeerStatus::State::kConnecting) {
      return {"connecting to " + name};
    }
    if (peer.state != PeerStatus::State::kConnected) continue;
    const ProjectLink::Status* link = LinkOf(peer, project);
    const bool lags = link == nullptr ? grace : !link->in_sync;
    if (!lags) continue;
    Left left = {name + " is not in sync"};
    if (link == nullptr) return left;
    if (link->lacking > 0) left.what = name + " has not got all content yet";
    if (!link->error.ok()) {
      left.what += " (" + std::string(FromAbsl(link->error.message())) + ")";
    }
    if (link->fenced) left.needs = absl::StatusCode::kFailedPrecondition;
    if (absl::IsResourceExhausted(link->error)) {
      left.needs = absl::StatusCode::kResourceExhausted;
    }
    return left;
  }
  return {};
}

NodeCore::Left NodeCore::MissingContent(Replica& replica) const {
  Left left = {std::to_string(replica.wants().size()) +
               " pieces of content are missing"};
  const ProjectId& project = replica.identity().project;
  bool connected = false;
  if (serving_) {
    for (const PeerStatus& peer : peers_->Status()) {
      if (SharerName(peer, project).empty()) continue;
      if (peer.state == PeerStatus::State::kConnecting) return left;
      if (peer.state != PeerStatus::State::kConnected) continue;
      const ProjectLink::Status* link = LinkOf(peer, project);
      if (link != nullptr && absl::IsResourceExhausted(link->error)) {
        left.needs = absl::StatusCode::kResourceExhausted;
        left.what += " (" + std::string(FromAbsl(link->error.message())) + ")";
        return left;
      }
      if (link == nullptr || link->lacking == 0) return left;
      connected = true;
    }
  }
  left.needs = absl::StatusCode::kUnavailable;
  left.what += connected ? ", and no device that is connected has them"
                         : ", and no device that may have them is connected";
  return left;
}

// Quoted; empty if it does not share the project.
std::string NodeCore::SharerName(const PeerStatus& peer,
                                 const ProjectId& project) const {
  const auto row = settings_->peers().find(peer.id);
  if (row == settings_->peers().end()) return {};
  const std::vector<ProjectId>& shared = row->second.projects;
  if (std::find(shared.begin(), shared.end(), project) == shared.end()) {
    return {};
  }
  return "'" + row->second.name + "'";
}

}  // namespace syncline
