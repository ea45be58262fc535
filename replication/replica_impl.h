#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "proto/event_writer.h"
#include "replication/chain_cuts.h"
#include "replication/conflict_records.h"
#include "replication/conflict_resolver.h"
#include "replication/inflow.h"
#include "replication/project_rows.h"
#include "replication/project_settings.h"
#include "replication/replica.h"
#include "replication/state_intake.h"
#include "replication/state_pins.h"

namespace syncline {

// What stands behind a Replica: replica.cc, and replica_states.cc for what
// writes the view back, pins it and takes in others' states.
struct Replica::Impl final : StateIntake::Host {
  Impl(const Environment& environment, const Identity& id, const Options& opts)
      : env(environment),
        identity(id),
        options(opts),
        own_device(Sha256(id.device_key).ToHex()),
        cuts(id.number) {}

  absl::Status OpenParts();
  absl::StatusOr<std::map<Origin, std::string>> RowsByOrigin(
      ProjectRow row) const;
  absl::Status ReplayTail();

  absl::StatusOr<Committed> Commit(
      std::vector<Effect> effects, std::string cause, Durability durability,
      CommitDone done,
      const std::function<void(const Committed&, WriteBatch&)>& add_rows);
  absl::StatusOr<Seq> CommitEvents(std::span<const EventView> events,
                                   Durability durability, CommitDone done);
  void AppendEvents(std::span<const EventView> events, Durability durability,
                    AppendLog::AppendDone done);
  // What the log is to hold of the entries of `segment`, which they borrow
  // from, and from `changes`: the path changes, encoded.
  absl::StatusOr<std::vector<Draft>> ApplyAll(const CheckedSegment& segment,
                                              WriteBatch& rows,
                                              std::string& changes);
  // What a segment with `heads` shows by `found`, a contradiction: only what is
  // signed counts. kUnavailable: it is not; compare anew.
  absl::Status Proven(const absl::Status& found,
                      const std::vector<ChainHead>& heads) const;
  // Whether what `heads` speak for can be compared with what is here, where
  // others may hold something else.
  //   kUnavailable  it cannot, as it was truncated here; compare anew
  absl::Status CheckDoubts(const std::vector<ChainHead>& heads) const;
  // Whether `segment` has entries that were given up here.
  absl::Status CheckNotGivenUp(const CheckedSegment& segment) const;
  void NoteDevice(const Origin& origin, const std::string& key,
                  WriteBatch& rows);

  // ---- replica_proofs.cc
  absl::StatusOr<bool> GaveUp(const ChainHead& head) const;
  bool IsOwn(const Origin& origin) const;
  // Of a state's sender. What is settled here is not in doubt for others' sake.
  void NoteDoubts(const std::vector<Origin>& origins, WriteBatch& rows);
  std::string DeviceOf(const Origin& origin) const;
  // Keeps what proves the entries to others.
  void KeepSignatures(const CheckedSegment& segment, WriteBatch& rows);
  // Those of other devices that are signed.
  std::vector<ChainHead> OthersOf(const std::vector<ChainHead>& all) const;
  // With this device's signature, which is the origin's.
  absl::StatusOr<ChainHead> Signed(ChainHead head) const;
  absl::StatusOr<std::optional<ChainHead>> NewestHead(
      const Origin& origin) const;

  // What an entry did, after it was applied: `rows` go with its record.
  absl::Status NoteApplied(const CausalState::Applied& applied,
                           const ConflictRecords::Cause& cause,
                           WriteBatch& rows);
  // Reads the settings anew if one of `changes` is about them, or nullptr.
  absl::Status ReadSettings(const std::vector<PathChange>* changes);
  ConflictResolver& Resolver();  // Made when it is needed.
  Strategy StrategyFor(std::string_view path) const;
  void FlushIfLarge();
  void Flush(std::function<void(absl::Status)> done);
  // Writes `drafts` (without entries), `rows` and the changed view rows in one
  // batch. Requires: no other is under way.
  void WriteBack(std::span<const Draft> drafts, WriteBatch rows,
                 Durability durability, std::function<void(absl::Status)> done);
  void OnWrittenBack(Seq through, const absl::Status& written,
                     const std::function<void(absl::Status)>& done);
  void Truncate(Seq through, std::function<void(absl::Status)> done);
  // Those that speak for records that are gone.
  void PruneRows();
  // The state no longer matches the log: nothing may be added to either.
  absl::Status Break(const absl::Status& why);
  absl::Status Health() const;
  // Health(), and whether entries can be taken now.
  absl::Status Ready() const;

  //   kFailedPrecondition  there is no signature of some entries
  absl::StatusOr<StateHeader> HeaderNow();
  void PinState(std::string id, PinDone done);
  // Lets go of pins that are too old, and comes again for the others.
  void ExpirePins();

  // StateIntake::Host
  void WriteJoined(std::span<const Draft> drafts, WriteBatch rows,
                   StateIntake::Done done) override;
  void WriteJoinEnd(const StateHeader& header, WriteBatch rows,
                    StateIntake::Done done) override;
  void BeginInstall(StateIntake::Done ready) override;
  void EndInstall() override;
  absl::Status WantContent(std::string_view payload, WriteBatch& rows) override;
  absl::Status NoteJoined(const CausalState::Applied& joined,
                          WriteBatch& rows) override;
  absl::Status CheckProofs(const StateHeader& header) override;
  bool InDoubt(const Origin& origin) const override {
    return doubted.contains(origin);
  }
  void Failed(const absl::Status& why) override;

  Environment env;
  Identity identity;
  Options options;
  std::unique_ptr<AppendLog> log;
  std::unique_ptr<CausalState> state;
  std::unique_ptr<ContentWants> wants;
  std::unique_ptr<ConflictRecords> records;
  std::unique_ptr<ConflictResolver> resolver;  // Once there is a conflict.
  ProjectSettings settings;
  std::string own_device;  // As the setting "authority" may name it.
  std::map<Origin, std::string> devices;
  std::vector<SettledFork> settled;
  std::map<Origin, std::string> doubted;  // Values say who found out.
  ChainCuts cuts;
  // For the frontier as it is; nothing once others' entries came in.
  std::optional<EventWriter> event_writer;
  bool flushing = false;
  Seq flushed;  // The rows in the store cover the log up to there.
  std::vector<std::function<void(absl::Status)>> flush_waiters;
  absl::Status broken;
  StatePins pins;
  std::unique_ptr<Timer> pin_timer;  // Runs while there are pins.
  std::unique_ptr<StateIntake> intake;
  Inflow inflow;
  bool installing = false;
  std::vector<std::function<void()>> ready_waiters;
};

}  // namespace syncline
