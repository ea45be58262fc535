#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "kv/memory_store.h"
#include "proto/kj_loop.h"
#include "replication/fork.h"
#include "replication/peer/peer_manager.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/replica_rig.h"

namespace syncline::testing {

// The loop that all nodes of a test live on, and their worker.
struct PeerWorld {
  PeerWorld();
  ~PeerWorld();

  // Runs the loop until `done()`; fails the test if that takes very long.
  void RunUntil(const std::function<bool()>& done);
  // Runs what is ready, a few turns, so that what must not happen could.
  void RunAWhile();

  boost::asio::io_context io;
  boost::asio::thread_pool worker{1};
  std::unique_ptr<KjLoop> loop;
};

// A node with one replica (project "p", see ReplicaRig) and its peer layer.
// Nodes of one name are the same device: copies of one another.
class PeerNode final : public PeerHost {
 public:
  struct Invited {
    std::string secret;
    bool used = false;
    bool expired = false;
  };

  PeerNode(PeerWorld& world, std::string_view name,
           PeerManager::Options options = FastOptions());
  ~PeerNode() override;

  // Short waits, so that tests of retries do not take long.
  static PeerManager::Options FastOptions();
  static ProjectId TheProject() { return {std::string(16, 'p')}; }

  // Lets `other` have the project, and knows it. Dials it if it listens.
  void Trust(PeerNode& other);
  std::string Listen();
  Invitation Invite();
  // Drops the peer layer and starts it anew, as after a restart.
  void Restart();
  void Stop() { manager_.reset(); }

  // Both hold the same durable entries, and all content is there.
  bool InSyncWith(PeerNode& other);
  // The status of a peer; fails the test if it is not known.
  PeerStatus StatusOf(PeerNode& other);
  ProjectLink::Status LinkTo(PeerNode& other);

  FaultyStore& store() { return store_; }
  ReplicaRig& rig() { return rig_; }
  PeerManager& manager() { return *manager_; }
  const DeviceId& id() const { return self_.identity.id(); }
  const std::string& address() const { return address_; }
  PeerRecord Record() const;

  // PeerHost.
  const Self& self() const override { return self_; }
  std::optional<std::vector<ProjectInfo>> ProjectsFor(
      const DeviceId& device) const override;
  Replica* FindReplica(const ProjectId& project) override;
  absl::StatusOr<std::string> InvitationSecret(
      std::string_view invitation_id) const override;
  void RedeemInvitation(
      std::string_view invitation_id, const PeerRecord& joiner,
      std::function<void(absl::StatusOr<std::vector<ProjectInfo>>)> done)
      override;
  void AcceptProjects(const PeerRecord& inviter,
                      const std::vector<ProjectInfo>& projects,
                      std::function<void(absl::Status)> done) override;
  void RememberPeer(const PeerRecord& peer) override;
  void RememberFrontier(const DeviceId& device, const ProjectId& project,
                        const VersionVector& frontier) override;
  // Does it, if `gives_up`, and starts again as after a restart.
  void GiveUp(const ProjectId& project, const Fork& fork) override;
  // Takes another origin.
  void CopyFound() override;

  // What the host answers; tests change it.
  std::map<DeviceId, std::set<ProjectId>> authorised;
  std::map<ProjectId, Replica*> open;
  std::map<std::string, Invited> invitations;
  std::vector<ProjectInfo> accepted;
  std::map<DeviceId, PeerRecord> remembered;
  std::map<DeviceId, VersionVector> frontiers;  // Of TheProject().
  Self self_;
  std::vector<Fork> forks;  // It was asked to give up.
  bool gives_up = true;
  int copies_found = 0;

 private:
  PeerWorld& world_;
  PeerManager::Options options_;
  MemoryStore memory_;
  FaultyStore store_{memory_};
  ReplicaRig rig_;
  SystemRandom random_;
  SystemTime time_;
  std::string address_;
  std::unique_ptr<PeerManager> manager_;
};

// Equal trees, frontiers and digests, nothing missing.
void RequireEqual(PeerNode& left, PeerNode& right);

}  // namespace syncline::testing
