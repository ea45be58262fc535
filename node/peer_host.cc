// What the peer layer asks of a node.

#include <algorithm>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "node/node_core.h"

namespace syncline {
namespace {

void AddProjects(std::vector<ProjectId>& to,
                 const std::vector<ProjectId>& from) {
  to.insert(to.end(), from.begin(), from.end());
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
}

void Update(PeerRow& row, const PeerRecord& record) {
  row.id = record.id;
  if (!record.device_key.empty()) row.key = record.device_key;
  if (!row.renamed && !record.name.empty()) row.name = record.name;
  if (!record.addresses.empty()) row.addresses = record.addresses;
}

}  // namespace

PeerRecord NodeCore::RecordOf(const PeerRow& row) const {
  return {row.key, row.id, row.name, row.addresses};
}

std::vector<ProjectInfo> NodeCore::InfoOf(
    const std::vector<ProjectId>& ids) const {
  std::vector<ProjectInfo> infos;
  for (const ProjectId& id : ids) {
    const ProjectRow* row = settings_->FindProject(id);
    if (row != nullptr) infos.push_back({row->id, row->name});
  }
  return infos;
}

std::optional<std::vector<ProjectInfo>> NodeCore::ProjectsFor(
    const DeviceId& device) const {
  const auto found = settings_->peers().find(device);
  if (found == settings_->peers().end()) return std::nullopt;
  std::vector<ProjectInfo> infos = InfoOf(found->second.projects);
  std::erase_if(infos, [this](const ProjectInfo& info) {
    return !projects_.contains(settings_->FindProject(info.id)->number);
  });
  return infos;
}

Replica* NodeCore::FindReplica(const ProjectId& project) {
  const ProjectRow* row = settings_->FindProject(project);
  ProjectRuntime* runtime = row == nullptr ? nullptr : Find(row->number);
  return runtime == nullptr ? nullptr : runtime->replica.get();
}

absl::StatusOr<InvitationRow> NodeCore::UsableInvitation(
    std::string_view id) const {
  const auto found = settings_->invitations().find(std::string(id));
  if (found == settings_->invitations().end()) {
    return NotFound("there is no such invitation");
  }
  if (found->second.used) {
    return FailedPrecondition("the invitation was used already");
  }
  if (time_.NowMs() >= found->second.expires_ms) {
    return absl::DeadlineExceededError("the invitation has expired");
  }
  return found->second;
}

absl::StatusOr<std::string> NodeCore::InvitationSecret(
    std::string_view invitation_id) const {
  SYNCLINE_ASSIGN_OR_RETURN(InvitationRow row, UsableInvitation(invitation_id));
  return row.secret;
}

void NodeCore::RedeemInvitation(
    std::string_view invitation_id, const PeerRecord& joiner,
    std::function<void(absl::StatusOr<std::vector<ProjectInfo>>)> done) {
  const absl::StatusOr<InvitationRow> row = UsableInvitation(invitation_id);
  if (!row.ok()) return done(row.status());
  if (joiner.id == self_->identity.id()) {
    return done(FailedPrecondition("a device cannot invite itself"));
  }
  PeerRow peer;
  const auto known = settings_->peers().find(joiner.id);
  if (known != settings_->peers().end()) peer = known->second;
  Update(peer, joiner);
  AddProjects(peer.projects, row->projects);
  settings_->UseInvitation(
      row->id, peer,
      [weak = weak_from_this(), projects = row->projects, id = joiner.id,
       done = std::move(done)](const absl::Status& written) {
        const auto self = weak.lock();
        if (!written.ok() || !self || self->closing_) return done(written);
        done(self->InfoOf(projects));
        self->PeerChanged(id);
      });
}

void NodeCore::AcceptProjects(const PeerRecord& inviter,
                              const std::vector<ProjectInfo>& projects,
                              std::function<void(absl::Status)> done) {
  struct Pending {
    std::size_t left = 1;
    absl::Status error;
    std::function<void(absl::Status)> done;
  };
  auto pending = std::make_shared<Pending>();
  pending->done = std::move(done);
  const auto one_done = [pending](const absl::Status& status) {
    pending->error.Update(status);
    if (--pending->left == 0) pending->done(pending->error);
  };
  PeerRow peer;
  const auto known = settings_->peers().find(inviter.id);
  if (known != settings_->peers().end()) peer = known->second;
  Update(peer, inviter);
  std::vector<ProjectId> ids;
  for (const ProjectInfo& info : projects) {
    ids.push_back(info.id);
    if (settings_->FindProject(info.id) != nullptr) continue;
    // A name that cannot be used here is no reason to refuse the project.
    const std::string name =
        CheckProjectName(info.name).ok() ? info.name : ToHex(info.id.bytes);
    ++pending->left;
    AddProject(settings_->FreeProjectName(name), info.id, one_done);
  }
  AddProjects(peer.projects, ids);
  settings_->PutPeer(peer, [weak = weak_from_this(), id = inviter.id,
                            one_done](const absl::Status& written) {
    one_done(written);
    if (const auto self = weak.lock()) self->PeerChanged(id);
  });
}

void NodeCore::RememberPeer(const PeerRecord& peer) {
  const auto known = settings_->peers().find(peer.id);
  if (known == settings_->peers().end()) return;
  PeerRow row = known->second;
  Update(row, peer);
  if (row != known->second) settings_->PutPeer(row, nullptr);
}

void NodeCore::RememberFrontier(const DeviceId& device,
                                const ProjectId& project,
                                const VersionVector& frontier) {
  settings_->PutFrontier(device, project, frontier, nullptr);
  NotePublished(project, frontier);
}

void NodeCore::RememberFrontiers() {
  if (!peers_) return;
  for (const PeerStatus& peer : peers_->Status()) {
    for (const ProjectLink::Status& link : peer.projects) {
      if (link.theirs) RememberFrontier(peer.id, link.project, *link.theirs);
    }
  }
}

void NodeCore::PeerChanged(const DeviceId& id) {
  Later([weak = weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self || !self->serving_) return;
    const auto row = self->settings_->peers().find(id);
    if (row != self->settings_->peers().end()) {
      self->peers_->AddPeer(self->RecordOf(row->second));
    }
    self->peers_->ProjectsChanged();
  });
}

}  // namespace syncline
