#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kv/chunk_store.h"
#include "kv/memory_store.h"
#include "log/commit_queue.h"
#include "log/subscription.h"
#include "replication/fork.h"
#include "replication/peer/peer_host.h"
#include "replication/peer/peer_session.h"
#include "replication/replica.h"
#include "tests/sim/sim_archive.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_damage.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_feed.h"
#include "tests/sim/sim_user.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {

// One device with one replica of the project. Its disk outlives it.
class SimNode final : public PeerHost {
 public:
  // Adds all that it ever holds to `archive`, which outlives it.
  SimNode(SimClock& clock, SimArchive& archive, int number);
  ~SimNode() override;

  // Empty, or why it cannot start.
  std::string Boot();
  // The process dies. With `keep` the machine loses its power too: of what
  // was not synced only that many of the oldest writes are left.
  // Requires: it has no session.
  void Crash(std::optional<std::size_t> keep);
  [[nodiscard]] bool running() const { return replica_ != nullptr; }

  // Entries by name.
  using Entries = std::map<Dot, std::string>;
  // What it holds durably, also what its log does not have any more.
  // Requires: it runs.
  Entries Holds();

  // Keeps an image of the disk; the last one is what SetBack() goes back to.
  // Requires: it runs.
  void KeepImage();
  // The machine is set back to its image and knows nothing of it. `others` is
  // what the others hold: the rest of what it had acknowledged is lost with
  // reason. False if there is no image. Requires: it does not run.
  bool SetBack(const std::vector<Entries>& others);
  // The machine is set up anew, as another origin; `others` as above.
  // Requires: it does not run.
  void Wipe(const std::vector<Entries>& others);
  // What was on a device that is gone, `gone`, and nowhere else, `others`, is
  // lost with reason, whoever had acknowledged it.
  void Forget(const Entries& gone, const std::vector<Entries>& others);

  // What people can take out of the project: files and directories by path,
  // in the order of paths, and documents.
  struct Copy {
    std::map<std::string, std::optional<std::string>> files;
    std::map<std::pair<std::string, std::string>, std::string> documents;
  };
  // Requires: it runs, as below.
  [[nodiscard]] Copy TakeCopy() const;
  // Puts it into the project beside what is there, and acknowledges it.
  void PutBack(const Copy& copy);

  // `other` is no device of this one's any more; what is here of what it had
  // acknowledged must stay.
  void Remove(const SimNode& other);
  void Admit(const SimNode& other) { removed_.erase(other.id()); }
  [[nodiscard]] bool Knows(const SimNode& other) const {
    return !removed_.contains(other.id());
  }
  [[nodiscard]] const DeviceId& id() const { return self_.identity.id(); }

  // Called when the node is to give up a side of a fork: it must be crashed
  // and booted again, which does it.
  void OnGiveUp(std::function<void()> then) { on_give_up_ = std::move(then); }
  [[nodiscard]] std::size_t forks() const { return forks_; }
  // It was told to, and cannot: people must remove the project here and join
  // again. It will be told again if that is still so.
  [[nodiscard]] bool stuck() const { return stuck_; }
  void LookAgain() { stuck_ = false; }

  [[nodiscard]] int number() const { return number_; }
  Replica& replica() { return *replica_; }
  ChunkStore& chunks() { return *chunks_; }
  SimTime& time() { return time_; }
  SimDamage& damage() { return damage_; }
  FaultyStore& store() { return faulty_; }
  CrashStore& disk() { return disk_; }
  SimSync& sync() { return sync_; }
  void SetStrategy(Strategy strategy);
  [[nodiscard]] Strategy strategy() const { return strategy_; }

  // Does what a user might; `seed` decides what.
  void Edit(std::uint64_t seed);
  // Drops so many thousandths of the log that the follower has read, but
  // nothing that one of `others` lacks.
  void Truncate(std::uint64_t thousandths,
                const std::vector<VersionVector>& others);
  // Of entries that were acknowledged and must never be lost: hashes of their
  // bytes.
  [[nodiscard]] const std::map<Dot, Hash>& acknowledged() const {
    return acknowledged_;
  }

  // Empty, or what went wrong here.
  [[nodiscard]] const std::string& fault() const { return fault_; }

  // What a follower of the log was given, record by record, from behind
  // since(): hashes of the entries. It keeps its cursor when the node does not.
  [[nodiscard]] const std::vector<Hash>& followed() const {
    return follower_.records;
  }
  // 0, unless it came to a log that had been truncated, and began there.
  [[nodiscard]] Seq since() const { return follower_.since; }
  // The entries among them, also those that were truncated since.
  [[nodiscard]] const Entries& entries() const { return follower_.entries; }
  // What it knows of the paths from them.
  [[nodiscard]] const SimFeed& feed() const { return follower_.feed; }
  // And how many came with a state, without an entry.
  [[nodiscard]] std::uint64_t joined() const { return follower_.joined; }
  // What of a record a follower compares.
  static Hash HashOf(const RecordView& record) {
    return Sha256(record.joined() ? record.changes : record.entry);
  }

  std::unique_ptr<PeerSession> NewSession(
      SimNode& other, PeerCalls& peer, std::function<std::uint64_t()> received,
      std::function<void(absl::Status)> ended);

  // PeerHost.
  const Self& self() const override { return self_; }
  std::optional<std::vector<ProjectInfo>> ProjectsFor(
      const DeviceId& device) const override;
  Replica* FindReplica(const ProjectId&) override { return replica_.get(); }
  absl::StatusOr<std::string> InvitationSecret(std::string_view) const override;
  void RedeemInvitation(
      std::string_view, const PeerRecord&,
      std::function<void(absl::StatusOr<std::vector<ProjectInfo>>)>) override {}
  void AcceptProjects(const PeerRecord&, const std::vector<ProjectInfo>&,
                      std::function<void(absl::Status)>) override {}
  void RememberPeer(const PeerRecord&) override {}
  void RememberFrontier(const DeviceId&, const ProjectId&,
                        const VersionVector&) override {}
  void GiveUp(const ProjectId&, const Fork& fork) override;
  void CopyFound() override {}

 private:
  // To `disk`, with `origin`; content stays.
  void Restore(const MemoryStore& disk, const Origin& origin,
               const std::vector<Entries>& others);
  absl::Status Commit(std::vector<Effect> effects, Durability durability);
  void Remember(const Dot& dot);
  // What Boot() has to do first, and what comes of it.
  absl::Status RebuildFirst();
  void Follow();
  void TakeRecords();
  void TakeRecord(const RecordView& record);
  void Archive(const RecordView& record);
  // Behind the last record that it was given.
  [[nodiscard]] Seq Cursor() const {
    return {follower_.since.value + follower_.records.size()};
  }

  SimClock& clock_;
  SimArchive& archive_;
  const int number_;
  Self self_;
  SeededRandom random_;
  SimTime time_;
  SimDamage damage_;
  TemporaryDirectory directory_{MemoryDirectory()};
  CrashStore disk_;
  FaultyStore faulty_{disk_};
  SimSync sync_;
  Strategy strategy_ = Strategy::kKeepBoth;
  std::unique_ptr<ChunkStore> chunks_;
  std::unique_ptr<CommitQueue> commits_;
  std::unique_ptr<Replica> replica_;
  std::map<Dot, Hash> acknowledged_;
  std::deque<SeenPath> seen_;
  struct Follower {
    LogId log;
    Seq since;
    std::vector<Hash> records;
    Entries entries;
    std::map<Origin, ChainHead> heads;  // Of them.
    std::uint64_t joined = 0;
    SimFeed feed;
  };
  Follower follower_;
  bool stuck_ = false;
  struct Image {
    std::unique_ptr<MemoryStore> disk;
    Origin origin;
    Follower follower;
  };
  std::optional<Image> image_;
  std::set<Hash> given_up_;  // Entries that must not come again.
  std::set<DeviceId> removed_;
  std::optional<Fork> fork_;  // To be given up.
  std::size_t forks_ = 0;
  std::vector<Dot> reissued_;  // Acknowledged under another name.
  std::function<void()> on_give_up_;
  std::unique_ptr<Subscription> subscription_;
  std::string fault_;
};

}  // namespace syncline::testing
