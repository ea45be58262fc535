#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clock/origin.h"
#include "clock/version_vector.h"
#include "replication/device_identity.h"
#include "replication/peer/invitation.h"
#include "replication/project_id.h"

namespace syncline {

class Replica;
struct Fork;

// A device that this node may talk to.
struct PeerRecord {
  std::string device_key;  // Ed25519 public key; empty until it was seen.
  DeviceId id;
  std::string name;
  std::vector<std::string> addresses;  // "HOST:PORT"; empty: it calls us.
  friend bool operator==(const PeerRecord&, const PeerRecord&) = default;
};

// What the peer layer needs from the node. Called on the node's loop only;
// calls must not block on the disk, callbacks may come at once or later, on
// that loop.
class PeerHost {
 public:
  struct Self {
    DeviceIdentity identity;
    std::string name;
    Origin origin;
    std::string instance_nonce;  // 16 bytes, drawn at every start.
  };

  virtual ~PeerHost() = default;

  [[nodiscard]] virtual const Self& self() const = 0;

  // The projects that `device` may replicate; nothing if it is a stranger.
  [[nodiscard]] virtual std::optional<std::vector<ProjectInfo>> ProjectsFor(
      const DeviceId& device) const = 0;
  // The open project; null if there is none. It stays open until
  // PeerManager::ProjectsChanged() was called with this answering null.
  [[nodiscard]] virtual Replica* FindReplica(const ProjectId& project) = 0;

  // The secret of an invitation that was given out (see InvitationIdOf).
  //   kNotFound            none such
  //   kFailedPrecondition  used
  //   kDeadlineExceeded    expired
  [[nodiscard]] virtual absl::StatusOr<std::string> InvitationSecret(
      std::string_view invitation_id) const = 0;
  // `joiner` has proven to know the secret: marks the invitation used,
  // remembers and authorises the device, all of it durably, then gives the
  // invitation's projects. Same codes; of two calls one fails.
  virtual void RedeemInvitation(
      std::string_view invitation_id, const PeerRecord& joiner,
      std::function<void(absl::StatusOr<std::vector<ProjectInfo>>)> done) = 0;
  // This node redeemed an invitation: remembers and authorises `inviter` for
  // `projects`, creating those that are not here.
  virtual void AcceptProjects(const PeerRecord& inviter,
                              const std::vector<ProjectInfo>& projects,
                              std::function<void(absl::Status)> done) = 0;
  // This node is to give up what it holds behind `fork` (replication/rebuild.h
  // does it): it was set back, or a copy of it ran, or the owner of the origin
  // has settled that something else is right. The node must take a new origin
  // before its next entry and begin all sessions anew. If it is not known where
  // the histories part (Fork::kUnknown) nothing can be given up: it takes a new
  // origin if this one is its own, and stays fenced. In a turn of its own; may
  // come again until it did.
  virtual void GiveUp(const ProjectId& project, const Fork& fork) = 0;
  // A copy of this node's home is running, with the same origin: the node must
  // take another, and begin all sessions anew. In a turn of its own.
  virtual void CopyFound() = 0;
  // A known device told its current name and addresses.
  virtual void RememberPeer(const PeerRecord& peer) = 0;
  // What a connected device holds durably of a project: told from time to time
  // while it moves, and when they part. Only after it was heard in this
  // session; it may be less than before (a device that lost its store).
  virtual void RememberFrontier(const DeviceId& device,
                                const ProjectId& project,
                                const VersionVector& frontier) = 0;
};

}  // namespace syncline
