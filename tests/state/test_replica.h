#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/state/causal_state.h"

namespace syncline::testing {

// A causal state over a store in memory, with the part of a log that it needs:
// records since the last flush. Flushes, and crashes that lose what was not
// flushed, come at random after every change; the state must not show it.
class TestReplica {
 public:
  // `seed` 0: no flush and no crash comes by itself.
  TestReplica(const Origin& self, std::uint64_t seed,
              CausalState::Options options = {});

  CausalState& state() { return *state_; }
  const CausalState& state() const { return *state_; }

  absl::StatusOr<CausalState::Applied> Apply(const Entry& entry,
                                             std::int64_t now_ms);
  // Makes an entry of `effects` and applies it; nothing without effects.
  std::optional<Entry> Commit(std::vector<Effect> effects, std::int64_t now_ms,
                              const std::string& cause = "user");
  // Flushed before a crash at the latest: no record stands for a join here.
  absl::StatusOr<CausalState::Applied> Join(const CausalState::Snapshot& theirs,
                                            std::int64_t now_ms);
  // The same as it comes from a peer: in pieces that are staged, then joined
  // part by part. With a seed it is cut short by crashes.
  absl::Status JoinInPieces(TestReplica& theirs, std::int64_t now_ms);
  // Hears of the changes of each part, when the state shows them; they are
  // then none of last_changes().
  std::function<void(const std::vector<PathChange>&)> on_part;
  // The changes of the last Apply, Commit or Join.
  const std::vector<PathChange>& last_changes() const { return changes_; }
  void ForgetChanges() { changes_.clear(); }

  void Flush();
  Store& store() { return *store_; }
  static constexpr ProjectNumber kProject{7};
  // Opens the state again from what was written, and replays.
  void Crash(std::int64_t now_ms);
  // The same state under another origin.
  std::unique_ptr<TestReplica> Copy(const Origin& self);
  // Empty, or what a crash changed.
  const std::string& fault() const { return fault_; }
  std::uint64_t crashes() const { return crashes_; }
  std::uint64_t flushes() const { return flushes_; }

 private:
  void Disturb(std::int64_t now_ms);
  absl::Status Stage(TestReplica& theirs);
  // Whether it went to the end.
  absl::StatusOr<bool> JoinParts(const VersionVector& theirs,
                                 std::int64_t now_ms, bool whole);
  void WriteTaken();
  void Open(const VersionVector& frontier, std::int64_t now_ms);

  Origin self_;
  SeededRandom random_;
  std::uint64_t seed_;
  CausalState::Options options_;
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<CausalState> state_;
  std::vector<std::pair<std::uint64_t, Entry>> tail_;  // Arrival, entry.
  std::uint64_t arrivals_ = 0;
  std::optional<WriteBatch> taken_;  // A flush that is not written yet.
  std::uint64_t taken_through_ = 0;
  bool joined_ = false;  // Since the last flush.
  std::vector<PathChange> changes_;
  std::string fault_;
  std::uint64_t crashes_ = 0;
  std::uint64_t flushes_ = 0;
};

}  // namespace syncline::testing
