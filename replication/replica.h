#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/time_source.h"
#include "base/timer.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "proto/event_reader.h"
#include "replication/chain_cuts.h"
#include "replication/conflict_records.h"
#include "replication/content_merge.h"
#include "replication/content_wants.h"
#include "replication/device_identity.h"
#include "replication/fork.h"
#include "replication/project_id.h"
#include "replication/project_settings.h"
#include "replication/segment_check.h"
#include "replication/state/causal_state.h"
#include "replication/state/strategy.h"

namespace syncline {

class Inflow;
class PinnedState;
class StateIntake;

// One project on this node: its log and its causal state, kept in step. All
// changes come in here, from users (Commit) and from peers (Ingest); both
// append one record for each entry, in one batch with everything that must
// change with it.
//
// The state is ahead of the disk by what is being flushed: what leaves the
// node (peers, subscribers, acknowledgements) goes by the log's durable seq.
// After a failed write the replica refuses changes until it is opened again.
//
// Bound to the executor of `commits`; callbacks come there.
class Replica {
 public:
  // Borrowed, all of it; must outlive the replica.
  struct Environment {
    Store& store;
    CommitQueue& commits;  // Of `store`.
    ChunkStore& chunks;
    RandomSource& random;
    const TimeSource& time;
    // Merges content; empty: the executor of `commits` does. Its threads end
    // before what is borrowed here.
    boost::asio::any_io_executor workers = {};
    // See ConflictResolver::Environment. Empty: pins go only when others are
    // asked for.
    MakeTimer timers = {};
  };

  struct Identity {
    ProjectId project;
    ProjectNumber number;
    Origin self;
    std::string device_key;  // Ed25519 public key, 32 bytes.
    // The pair that it belongs to. Without, nothing is signed.
    std::shared_ptr<const DeviceIdentity> device = {};
  };

  struct Options {
    // Instead of the project's settings: a device that goes its own way, as a
    // test may want. The devices end equal all the same.
    std::optional<Strategy> strategy = {};
    // Tried before Syncline's own merge, under the strategy `merge`.
    MergeFunction merge = {};
    // Changed view rows are written back beyond this much memory.
    std::size_t dirty_bytes_max = 8u << 20;
    // Those that did not change are remembered in as much, if they are used.
    std::size_t head_bytes_max = 16u << 20;
    // Off where entries come from a log of this node.
    bool check_signatures = true;
  };

  struct Committed {
    Dot dot;
    Seq seq;
    std::vector<PathChange> changes;
  };
  using CommitDone = std::function<void(absl::Status)>;

  struct Ingested {
    std::uint64_t applied = 0;  // Void ones included.
    std::uint64_t duplicates = 0;
  };

  static absl::StatusOr<std::unique_ptr<Replica>> Open(
      const Environment& environment, const Identity& identity,
      const Options& options);

  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Makes one entry of `effects` and applies it. The state shows it when the
  // call returns; `done` comes once it is as safe as `durability` says. Chunks
  // that it names must be durable already. `rows`, if given, is called after
  // the entry was applied and adds rows to its batch (a mirror's Base).
  //   kInvalidArgument     the entry would be void, or `effects` is empty:
  //                        nothing changed, `done` is not called
  //   kUnavailable         see installing()
  //   as health()          an earlier write failed
  absl::StatusOr<Committed> Commit(
      std::vector<Effect> effects, std::string cause, Durability durability,
      CommitDone done,
      const std::function<void(const Committed&, WriteBatch&)>& rows = {});

  // Makes one entry of each of `events`, in order, all in this turn; as
  // Commit() else. Gives the seq of the first. `done` comes once all are as
  // safe as `durability` says; on an error each may or may not be in the log.
  // Requires: events within EventLimits.
  //   kInvalidArgument     `events` is empty
  //   as health()          an earlier write failed
  absl::StatusOr<Seq> CommitEvents(std::span<const EventView> events,
                                   Durability durability, CommitDone done);

  // Takes in entries that a peer sent, in its log order, once CheckSegment and
  // CheckSignatures have passed them all; the signatures are kept. `done` comes
  // when they are durable. Known entries are skipped. Chunks that came with
  // them must be in the chunk store already. `entries` are what ReadSegment
  // gave, and have no use behind the call.
  //   as these             the peer is broken, or a fork; nothing changed
  //   kAborted             also: it has what was given up here
  //   kUnavailable         see installing(); also: it may be a fork, but there
  //                        is no proof: compare anew, by what is signed
  //   as health()          an earlier write failed
  //   other                this write failed
  void Ingest(SegmentEntries& entries, const std::vector<ChainHead>& heads,
              std::function<void(absl::StatusOr<Ingested>)> done);

  // Changes Options::strategy and proposes anew for all open conflicts.
  void SetStrategy(std::optional<Strategy> strategy);
  // The project's settings, of which Options::strategy is none.
  [[nodiscard]] const ProjectSettings& settings() const;
  // What happens to an open conflict at `path` here.
  [[nodiscard]] Strategy StrategyFor(std::string_view path) const;

  // Writes changed view rows back; `done` when they are written.
  void Flush(std::function<void(absl::Status)> done);

  // Drops the log's records up to `through`, see AppendLog::TruncateThrough.
  // The view is written back first where a crash would make it again from
  // them. Blocks on the disk for the truncation itself; `done` may come from
  // within the call.
  void Truncate(Seq through, std::function<void(absl::Status)> done);

  // ---- states of peers (state_pins.h, state_intake.h)
  // The state as it is, for a peer that the log cannot serve; or the pin with
  // that id, if it is still there. `done` may come from within the call.
  //   kUnavailable  a state is being installed
  //   other         as health(), or this write failed
  using PinDone =
      std::function<void(absl::StatusOr<std::shared_ptr<const PinnedState>>)>;
  void PinState(std::string_view id, PinDone done);
  [[nodiscard]] StateIntake& intake();
  // Who of the peers that send segments leads.
  [[nodiscard]] Inflow& inflow();
  // A peer's state is being installed: changes are refused with kUnavailable,
  // and what state() shows is between the two.
  [[nodiscard]] bool installing() const;
  // Calls `ready` once it is not: at once, or later.
  void WhenReady(std::function<void()> ready);

  [[nodiscard]] const Identity& identity() const;
  [[nodiscard]] const CausalState& state() const;
  [[nodiscard]] AppendLog& log();
  [[nodiscard]] const AppendLog& log() const;
  [[nodiscard]] ContentWants& wants();
  [[nodiscard]] const ConflictRecords& conflicts() const;
  // Whether open conflicts are being looked at or merged now. Those whose
  // content is on its way are not among them.
  [[nodiscard]] bool resolving() const;
  [[nodiscard]] ChunkStore& chunks();
  // The device of an origin, if its first entry was seen: a public key.
  [[nodiscard]] std::string DeviceOf(const Origin& origin) const;
  // What proves to others the entries of this device's `dot.origin` up to
  // `dot`; which is signed now.
  //   kFailedPrecondition  another device's origin, or there is no key
  //   as ChainAt           the log does not reach there, or cannot be read
  [[nodiscard]] absl::StatusOr<ChainHead> SignedHead(const Dot& dot) const;
  // The newest such proof that there is for `origin`, whosever it is: up to the
  // newest entry of it, which may not be durable yet. Nothing if there is none.
  [[nodiscard]] absl::StatusOr<std::optional<ChainHead>> NewestHead(
      const Origin& origin) const;
  // Where the log may be cut for others, see replication/chain_cuts.h.
  [[nodiscard]] CutReader CutsBehind(Seq since) const;
  [[nodiscard]] bool IsOwn(const Origin& origin) const;
  // Every origin of `device`, a public key, whose first entry was seen.
  [[nodiscard]] std::vector<Origin> OriginsOf(std::string_view device) const;
  // The forks that were given up here, see replication/rebuild.h. What was
  // given up does not come in again.
  [[nodiscard]] const std::vector<SettledFork>& settled() const;
  // Whether `head` is of such a history, and not of the one that stayed.
  [[nodiscard]] absl::StatusOr<bool> GaveUp(const ChainHead& head) const;

  // Others may hold other entries under the names of `origin`. Until that fork
  // is settled: of this device's own, whoever has more of it than this node is
  // a contradiction; of any, nobody goes on where the two cannot be compared.
  // Durable with what is synced next, so before another origin is taken.
  //   other  the store cannot be written: as after any such failure
  absl::Status Doubt(const Origin& origin);
  [[nodiscard]] bool InDoubt(const Origin& origin) const;
  // Whether that was found here, rather than told by the state of a peer.
  [[nodiscard]] bool FoundForked(const Origin& origin) const;
  // Settles `fork`, of an origin of this device's, in favour of what is here:
  // where nothing was made under that name here, as all came from others after
  // the project was removed. Durable when it returns; sessions must begin anew.
  //   other  as Doubt()
  absl::Status SettleAsIs(const Fork& fork);
  // Takes another origin for the entries that are made from now on, in this
  // turn. It must be durable that no other will be taken again.
  void TakeOrigin(const Origin& fresh);
  // OK, or the error of the write that failed: nothing is taken any more.
  [[nodiscard]] absl::Status health() const;

 private:
  struct Impl;
  explicit Replica(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
