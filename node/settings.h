#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "clock/origin.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/sync_thread.h"
#include "node/settings_rows.h"
#include "replication/device_identity.h"
#include "replication/project_id.h"

namespace syncline {

// What a node knows besides its projects' logs: who it is, which projects and
// mirrors it has, which devices it talks to and whom it invited. Rows of the
// store (node/FORMAT.md), all of them in memory too.
//
// A change shows at once; `done` comes when it is durable, and nothing may be
// promised to anybody before that. After a failed write memory and disk may
// differ: the node must be opened again.
//
// Bound to the executor given to Open(); callbacks come there.
class Settings {
 public:
  using Done = std::function<void(absl::Status)>;

  // Number of the row formats; a store with a higher one is refused.
  static constexpr std::uint32_t kFormat = 1;

  // Reads the rows, or makes them (blocking) in a store that has none: a new
  // origin, named `default_name`. Borrows `store` and `sync_thread`.
  //   kFailedPrecondition  written by a newer format than this build knows
  //   kDataLoss            rows that cannot be read
  static absl::StatusOr<std::unique_ptr<Settings>> Open(
      Store& store, SyncThread& sync_thread,
      boost::asio::any_io_executor executor, RandomSource& random,
      std::string_view default_name);

  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  [[nodiscard]] const Origin& origin() const { return origin_; }
  // Takes another origin, durably (blocking), because of `incident`.
  absl::Status TakeOrigin(RandomSource& random, const Incident& incident);
  // The last reason to take another origin, if there was one.
  [[nodiscard]] const std::optional<Incident>& incident() const {
    return incident_;
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  void SetName(std::string name, Done done);

  // ---- projects, by number
  [[nodiscard]] const std::map<ProjectNumber, ProjectRow>& projects() const {
    return projects_;
  }
  [[nodiscard]] const ProjectRow* FindProject(std::string_view name) const;
  [[nodiscard]] const ProjectRow* FindProject(const ProjectId& id) const;
  // Adds a project under a number that was never used before; what `add_rows`
  // adds for that number is written in the same batch (its empty log).
  //   kAlreadyExists    the name or the id is taken
  //   kInvalidArgument  see CheckProjectName
  using AddRows = std::function<void(ProjectNumber, WriteBatch&)>;
  absl::StatusOr<ProjectNumber> AddProject(std::string_view name,
                                           const ProjectId& id, Done done,
                                           const AddRows& add_rows = nullptr);
  // Adds the node's own scope (node/node_scope.h) where that is missing,
  // durably (blocking).
  absl::Status AddNodeScope(const AddRows& add_rows);
  // Deletes every row of the project in every column, its mirrors, and its
  // place in peers and invitations. Its replica must be gone.
  void RemoveProject(ProjectNumber number, Done done);
  // `wanted`, or `wanted` with the least free "-2", "-3", ... behind it.
  [[nodiscard]] std::string FreeProjectName(std::string_view wanted) const;

  // ---- retention, of projects that have a policy
  [[nodiscard]] const std::map<ProjectNumber, RetentionPolicy>& retention()
      const {
    return retention_;
  }
  // A policy that keeps everything is no policy.
  void PutRetention(ProjectNumber number, const RetentionPolicy& policy,
                    Done done);

  // ---- mirrors, by id
  [[nodiscard]] const std::map<std::uint32_t, MirrorRow>& mirrors() const {
    return mirrors_;
  }
  // Gives out the next mirror id of the node.
  std::uint32_t AddMirror(ProjectNumber project, std::string dir, Done done);
  void PutMirror(const MirrorRow& row, Done done);
  // `rows` are deleted in the same batch (the mirror's Base).
  void RemoveMirror(std::uint32_t id, WriteBatch rows, Done done);

  // ---- devices
  [[nodiscard]] const std::map<DeviceId, PeerRow>& peers() const {
    return peers_;
  }
  void PutPeer(const PeerRow& row, Done done);
  void RemovePeer(const DeviceId& id, Done done);

  // What a device was last known to hold of a project, durably; null if it
  // never said.
  [[nodiscard]] const VersionVector* FrontierOf(const DeviceId& device,
                                                const ProjectId& project) const;
  // Writes only what is new. Nothing of devices that are not in peers().
  void PutFrontier(const DeviceId& device, const ProjectId& project,
                   const VersionVector& frontier, Done done);

  // ---- invitations, by id
  [[nodiscard]] const std::map<std::string, InvitationRow>& invitations()
      const {
    return invitations_;
  }
  // Forgets those that expired more than a day before `now_ms`.
  void PutInvitation(const InvitationRow& row, std::int64_t now_ms, Done done);
  // Marks an invitation as used and puts the device it admits, together.
  void UseInvitation(const std::string& id, const PeerRow& peer, Done done);

 private:
  Settings(Store& store, SyncThread& sync_thread,
           boost::asio::any_io_executor executor);
  absl::Status Load();
  absl::Status LoadNode(std::string_view key, std::string_view value);
  absl::Status LoadPeer(std::string_view key, std::string_view value);
  absl::Status Create(RandomSource& random, std::string_view name);
  void Write(WriteBatch batch, Done done);
  void KeepProject(ProjectRow row);
  ProjectNumber StageProject(std::string_view name, const ProjectId& id,
                             const AddRows& add_rows, WriteBatch& batch);
  [[nodiscard]] std::string NodeRow() const;
  // Forgets what is known of the devices that `gone` names.
  using Holder = std::pair<DeviceId, ProjectId>;
  void EraseFrontiers(const std::function<bool(const Holder&)>& gone,
                      WriteBatch& batch);

  Store& store_;
  SyncThread& sync_thread_;
  boost::asio::any_io_executor executor_;

  Origin origin_;
  std::optional<Incident> incident_;
  std::string name_;
  std::uint32_t next_project_ = 1;
  std::uint32_t next_mirror_ = 1;
  std::map<ProjectNumber, ProjectRow> projects_;
  std::map<std::string, ProjectNumber, std::less<>> numbers_;  // By name.
  std::map<ProjectId, ProjectNumber> numbers_of_ids_;
  std::map<std::uint32_t, MirrorRow> mirrors_;
  std::map<DeviceId, PeerRow> peers_;
  std::map<Holder, VersionVector> frontiers_;
  std::map<ProjectNumber, RetentionPolicy> retention_;
  std::map<std::string, InvitationRow> invitations_;
};

}  // namespace syncline
