#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/commit_queue.h"
#include "node/home.h"
#include "node/node_options.h"
#include "node/open_reads.h"
#include "node/project_runtime.h"
#include "node/settings.h"
#include "node/types.h"
#include "node/witness.h"
#include "proto/kj_loop.h"
#include "replication/peer/peer_host.h"
#include "replication/peer/peer_manager.h"

namespace syncline {

class LogKeeper;

// What is behind Node: everything it owns, in the order in which it is to be
// destroyed from the bottom up, and the operations on it. The control service
// and the facade call these; each is implemented once.
//
// Bound to the loop of its io_context; callbacks come there. Held by a
// shared_ptr so that work which is still under way can find out that the node
// is gone.
class NodeCore final : public PeerHost,
                       public std::enable_shared_from_this<NodeCore> {
 public:
  static absl::StatusOr<std::shared_ptr<NodeCore>> Open(
      boost::asio::io_context& io, const NodeOptions& options);
  ~NodeCore() override;

  // Ends everything in the order that node/README.md gives; `done` when the
  // store may be closed by destroying this. Callable once.
  void Close(StatusCallback done);
  [[nodiscard]] bool closing() const { return closing_; }

  // Listens at `listen` ("HOST:PORT", port 0: a free one) and dials peers from
  // now on. The addresses that were bound. See PeerManager::Listen.
  absl::StatusOr<std::vector<std::string>> Serve(
      const std::vector<std::string>& listen);

  // ---- projects (node/projects.cc)
  //   kNotFound  no project of that name
  //   kDataLoss  it could not be opened
  absl::StatusOr<ProjectRuntime*> Find(std::string_view name);
  ProjectRuntime* Find(ProjectNumber number);
  [[nodiscard]] const std::string& NameOf(const ProjectRuntime& project) const;
  // Those named; all that could be opened if `names` is empty.
  absl::StatusOr<std::vector<ProjectRuntime*>> Select(
      const std::vector<std::string>& names);
  void CreateProject(const std::string& name, StatusCallback done);
  void RemoveProject(const std::string& name, StatusCallback done);

  // ---- mirrors (node/mirrors.cc)
  void AddMirror(const std::string& project, const std::string& dir,
                 bool create, Callback<MirrorReport> done);
  [[nodiscard]] std::vector<MirrorReport> Mirrors(
      const ProjectRuntime& project) const;
  void RemoveMirror(const std::string& project, const std::string& dir,
                    StatusCallback done);
  void PauseMirror(const std::string& project, const std::string& dir,
                   bool paused, StatusCallback done);
  // Sweeps and puts what is found in the log; `dir` empty: all mirrors.
  void ScanMirrors(const std::string& project, const std::string& dir,
                   Callback<ScanReport> done);
  // Starts all mirrors that are not paused (a node opened without them).
  void StartMirrors(ProjectRuntime& project);

  // ---- devices (node/devices.cc)
  void SetName(std::string name, StatusCallback done);
  void RemoveDevice(const std::string& id, StatusCallback done);
  void RenameDevice(const std::string& id, const std::string& name,
                    StatusCallback done);
  void Invite(const std::vector<std::string>& projects, std::int64_t expires_ms,
              std::vector<std::string> addresses,
              Callback<InvitationReport> done);
  void Join(const std::string& code, const std::vector<std::string>& dirs,
            Callback<JoinReport> done);
  [[nodiscard]] std::vector<PeerReport> Peers() const;
  // This device or one that it knows, by its id or the start of it.
  [[nodiscard]] absl::StatusOr<DeviceId> FindDevice(
      const std::string& id) const;

  // ---- the whole node
  void Report(const std::vector<std::string>& names, bool with_peers,
              Callback<NodeReport> done);  // node/report.cc
  // Gives what ends it before it answers; then it does not.
  std::function<void()> Wait(const std::vector<std::string>& names,
                             std::int64_t timeout_ms,
                             Callback<WaitReport> done);  // node/wait.cc
  void Verify(const std::vector<std::string>& names, bool repair,
              Callback<VerifyReport> done);  // node/verify.cc

  // ---- PeerHost (node/peer_host.cc)
  [[nodiscard]] const Self& self() const override { return *self_; }
  [[nodiscard]] std::optional<std::vector<ProjectInfo>> ProjectsFor(
      const DeviceId& device) const override;
  [[nodiscard]] Replica* FindReplica(const ProjectId& project) override;
  [[nodiscard]] absl::StatusOr<std::string> InvitationSecret(
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
  void GiveUp(const ProjectId& project, const Fork& fork) override;
  void CopyFound() override;
  // Peers hold these entries of this node.
  void NotePublished(const ProjectId& project, const VersionVector& frontier);
  void RememberFrontiers();  // Of those connected.

  // ---- parts
  Settings& settings() { return *settings_; }
  ChunkStore& chunks() { return *chunks_; }
  Store& store() { return *store_; }
  LogKeeper& keeper() { return *keeper_; }
  // Long jobs on workers look at it.
  const std::atomic<bool>& stop_work() const { return stop_work_; }
  // Everything of Cap'n Proto in this node runs here.
  KjLoop& loop() { return *loop_; }
  [[nodiscard]] const TimeSource& time() const { return time_; }
  RandomSource& random() { return random_; }
  boost::asio::io_context& io() { return io_; }
  [[nodiscard]] const NodeOptions& options() const { return options_; }
  std::map<ProjectNumber, ProjectRuntime>& projects() { return projects_; }
  // What reads logs, to be ended before they go.
  OpenReads& reads() { return reads_; }

  // Runs `work` on a worker thread, then `then` with its result on the loop.
  // `work` may use the stores; `then` must not assume that the node is there.
  template <typename T>
  void OnPool(std::function<absl::StatusOr<T>()> work, Callback<T> then) {
    if (!pool_) return then(NodeClosed());
    boost::asio::post(*pool_, [work = std::move(work), then = std::move(then),
                               executor = io_.get_executor()]() mutable {
      auto result = std::make_shared<absl::StatusOr<T>>(work());
      work = nullptr;  // On the worker: it may be what is expensive.
      boost::asio::post(executor, [then = std::move(then), result] {
        then(std::move(*result));
      });
    });
  }
  // Calls `then` on the loop, but not from within this call.
  void Later(std::function<void()> then) {
    boost::asio::post(io_, std::move(then));
  }

 private:
  class Reporter;
  class Settling;
  class Verification;
  class Waiter;

  NodeCore(boost::asio::io_context& io, NodeOptions options);
  absl::Status OpenAll();
  absl::Status OpenProject(const ProjectRow& row);
  // ---- node/identity.cc
  // Takes another origin if this is not the store that was closed last.
  absl::Status CheckIdentity();
  absl::Status TakeNewLogIds();
  // Takes another origin, for all projects, durably; sessions begin anew.
  absl::Status TakeOrigin(const std::string& why);
  // Before that: entries may have been made under this one by two.
  absl::Status DoubtOrigin();
  // Makes the project anew without what is behind `fork`.
  void Remake(ProjectRuntime& project, const Fork& fork);
  void RebuildClosed(ProjectNumber number, const Fork& fork);
  void Reopen(ProjectNumber number, absl::Status status);
  // What a new project is written with: an empty log.
  Settings::AddRows NewLog();
  [[nodiscard]] bool IsUnusedScope(const ProjectRuntime& project) const;
  void AddProject(const std::string& name, const ProjectId& id,
                  StatusCallback done);
  void ForgetProject(ProjectNumber number,
                     const std::vector<MirrorRow>& mirrors,
                     StatusCallback done);
  void FlushViews();
  void DrainCommits();
  void CloseStore();
  [[nodiscard]] PeerRecord RecordOf(const PeerRow& row) const;
  [[nodiscard]] std::vector<ProjectInfo> InfoOf(
      const std::vector<ProjectId>& ids) const;
  // The invitation, if it can still be used.
  [[nodiscard]] absl::StatusOr<InvitationRow> UsableInvitation(
      std::string_view id) const;
  // `peer` and its projects may have changed.
  void PeerChanged(const DeviceId& id);
  absl::Status CheckJoinDirs(const Invitation& invitation,
                             const std::vector<std::string>& dirs) const;
  void MirrorJoined(JoinReport report, std::size_t next,
                    Callback<JoinReport> done);
  void Trace(std::string_view step) const;

  [[nodiscard]] absl::Status CheckMirrorDir(const std::string& dir) const;
  // Whether `dir` is that of a mirror of that project.
  [[nodiscard]] bool IsMirrored(ProjectNumber project,
                                const std::string& dir) const;
  absl::Status StartMirror(ProjectRuntime& project, const MirrorRow& row,
                           bool create);
  // Lets nothing come in from peers before the project's mirrors have looked.
  void AwaitFirstLook(ProjectRuntime& project);
  // `done` once the mirror has nothing left that it wants to look at.
  void Settle(const MirrorRow& row, std::function<void()> done);
  void AddScan(const MirrorRow& row, const absl::Status& scanned,
               ScanReport& report);
  void OpenNewMirror(std::uint32_t id, bool create,
                     Callback<MirrorReport> done);
  [[nodiscard]] MirrorReport ReportMirror(const ProjectRuntime& project,
                                          const MirrorRow& row) const;
  [[nodiscard]] absl::StatusOr<std::vector<MirrorRow>> SelectMirrors(
      const ProjectRuntime& project, const std::string& dir) const;
  [[nodiscard]] absl::StatusOr<ProjectReport> ReportProject(
      const ProjectRuntime& project) const;
  [[nodiscard]] absl::StatusOr<PeerRow> FindPeer(const std::string& id) const;
  // What keeps something from being in sync.
  struct Left {
    std::string what;  // Empty: nothing.
    // It needs somebody: whoever would wait for ever is told so by this code.
    absl::StatusCode needs = absl::StatusCode::kOk;
    [[nodiscard]] bool passes() const { return needs == absl::StatusCode::kOk; }
  };
  // What connected devices still lack of the project, or it of theirs.
  // `grace`: also of those that have not said yet whether they share it.
  [[nodiscard]] Left PeerLag(const ProjectId& project, bool grace) const;
  [[nodiscard]] std::string SharerName(const PeerStatus& peer,
                                       const ProjectId& project) const;
  // Requires: `replica` wants content.
  [[nodiscard]] Left MissingContent(Replica& replica) const;

  boost::asio::io_context& io_;
  NodeOptions options_;
  SystemTime time_;
  SystemRandom random_;
  std::int64_t opened_at_ms_ = 0;
  std::optional<Self> self_;
  std::shared_ptr<const DeviceIdentity> device_;  // Of `self_`.
  bool closing_ = false;
  bool serving_ = false;
  std::atomic<bool> stop_work_ = false;
  std::optional<std::int64_t> copy_found_ms_;  // Steady clock.
  bool witnessing_ = false;                    // A worker writes the witness.
  StatusCallback closed_;
  absl::Status close_error_;  // The first one.
  std::size_t closing_left_ = 0;

  std::vector<std::string> listening_;
  std::unique_ptr<KjLoop> loop_;
  std::unique_ptr<HomeLock> lock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<ChunkStore> chunks_;
  std::unique_ptr<boost::asio::thread_pool> pool_;
  std::unique_ptr<SyncThread> sync_thread_;
  std::unique_ptr<CommitQueue> commits_;
  std::unique_ptr<Settings> settings_;
  std::map<ProjectNumber, ProjectRuntime> projects_;
  // Those that are not open because of damage, or because they are being made
  // anew, and why. The others go on; these are told by name, and may be
  // removed.
  std::map<ProjectNumber, absl::Status> damaged_;
  // Those that are being made anew; null once they are closed for it.
  std::map<ProjectNumber, std::unique_ptr<Replica>> remade_;
  bool close_waits_ = false;  // For them.
  std::unique_ptr<PeerManager> peers_;
  OpenReads reads_;
  std::unique_ptr<LogKeeper> keeper_;
};

}  // namespace syncline
