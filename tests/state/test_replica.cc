#include "tests/state/test_replica.h"

#include <algorithm>

#include "base/check.h"
#include "base/status.h"
#include "base/text.h"
#include "replication/state/staged_state.h"

namespace syncline::testing {
TestReplica::TestReplica(const Origin& self, std::uint64_t seed,
                         CausalState::Options options)
    : self_(self),
      random_(seed),
      seed_(seed),
      options_(options),
      store_(std::make_unique<MemoryStore>()) {
  Open({}, 0);
}

void TestReplica::Open(const VersionVector& frontier, std::int64_t now_ms) {
  auto opened = CausalState::Open(*store_, kProject, self_, frontier, options_);
  SYNCLINE_CHECK(opened.ok(), "the rows were written by this class");
  state_ = *std::move(opened);
  for (const auto& [arrival, entry] : tail_) {
    if (arrival <= state_->flushed()) continue;
    const absl::Status replayed = state_->Replay(entry, arrival, now_ms);
    if (!replayed.ok()) fault_ = replayed.ToString();
  }
}

absl::StatusOr<CausalState::Applied> TestReplica::Apply(const Entry& entry,
                                                        std::int64_t now_ms) {
  auto applied = state_->Apply(entry, arrivals_ + 1, now_ms);
  changes_.clear();
  if (!applied.ok()) return applied;
  if (applied->outcome == ApplyOutcome::kApplied ||
      applied->outcome == ApplyOutcome::kVoid) {
    tail_.emplace_back(++arrivals_, entry);
    changes_ = applied->changes;
  }
  Disturb(now_ms);
  return applied;
}

std::optional<Entry> TestReplica::Commit(std::vector<Effect> effects,
                                         std::int64_t now_ms,
                                         const std::string& cause) {
  changes_.clear();
  if (effects.empty()) return std::nullopt;
  Entry entry = state_->MakeEntry(std::move(effects), cause, now_ms);
  const auto applied = Apply(entry, now_ms);
  if (!applied.ok()) {
    fault_ = applied.status().ToString();
  } else if (applied->outcome != ApplyOutcome::kApplied) {
    fault_ = "an own entry was not applied: " + applied->void_reason;
  }
  return entry;
}

absl::StatusOr<CausalState::Applied> TestReplica::Join(
    const CausalState::Snapshot& theirs, std::int64_t now_ms) {
  auto joined = state_->Join(theirs, arrivals_ + 1, now_ms);
  changes_.clear();
  if (!joined.ok()) return joined;
  ++arrivals_;
  changes_ = joined->changes;
  joined_ = true;
  Disturb(now_ms);
  return joined;
}

absl::Status TestReplica::Stage(TestReplica& theirs) {
  theirs.Flush();
  const StateReader reader(*theirs.store_, kProject, nullptr);
  StageProgress progress;
  for (bool end = false; !end;) {
    SYNCLINE_ASSIGN_OR_RETURN(
        const StatePiece piece,
        reader.Next(progress.last_key, 1 + random_.Below(2'000)));
    WriteBatch rows;
    SYNCLINE_RETURN_IF_ERROR(StagePiece(
        kProject, piece.bytes, theirs.state().frontier(), progress, rows));
    SYNCLINE_RETURN_IF_ERROR(store_->Write(rows, false));
    end = piece.end;
  }
  return progress.digest.ToHash() == theirs.state().Digest()
             ? absl::OkStatus()
             : Internal("the pieces have another digest");
}

absl::StatusOr<bool> TestReplica::JoinParts(const VersionVector& theirs,
                                            std::int64_t now_ms, bool whole) {
  StagedJoin join(*store_, kProject, theirs);
  for (;;) {
    SYNCLINE_ASSIGN_OR_RETURN(const StatePart part,
                              join.Next(1 + random_.Below(5)));
    if (part.size() > 0) {
      SYNCLINE_ASSIGN_OR_RETURN(
          const CausalState::Applied joined,
          state_->JoinPart(part, theirs, arrivals_, now_ms));
      if (on_part) {
        on_part(joined.changes);
      } else {
        changes_.insert(changes_.end(), joined.changes.begin(),
                        joined.changes.end());
      }
      Flush();
    }
    if (part.end) return true;
    if (!whole && random_.Below(10) == 0) {
      Crash(now_ms);
      return false;
    }
  }
}

absl::Status TestReplica::JoinInPieces(TestReplica& theirs,
                                       std::int64_t now_ms) {
  const VersionVector frontier = theirs.state().frontier();
  SYNCLINE_RETURN_IF_ERROR(Stage(theirs));
  Flush();
  changes_.clear();
  ++arrivals_;
  int cuts = seed_ == 0 ? 0 : 3;
  for (;;) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool end,
                              JoinParts(frontier, now_ms, cuts == 0));
    if (end) break;
    --cuts;
  }
  state_->FinishJoin(frontier);
  WriteBatch rows;
  DropStaged(kProject, rows);
  SYNCLINE_RETURN_IF_ERROR(store_->Write(rows, false));
  Flush();
  Disturb(now_ms);
  return absl::OkStatus();
}

void TestReplica::WriteTaken() {
  if (!taken_) return;
  SYNCLINE_CHECK(store_->Write(*taken_, false).ok(), "memory does not fail");
  state_->FlushWritten();
  std::erase_if(tail_, [this](const auto& record) {
    return record.first <= taken_through_;
  });
  taken_.reset();
  ++flushes_;
}

void TestReplica::Flush() {
  joined_ = false;
  WriteTaken();
  taken_ = state_->TakeFlush(arrivals_);
  taken_through_ = arrivals_;
  WriteTaken();
}

void TestReplica::Crash(std::int64_t now_ms) {
  // No record would bring back what came with a state.
  if (joined_) Flush();
  const Hash digest = state_->Digest();
  const Hlc clock = state_->hlc();
  const std::uint64_t items = state_->item_count();
  const std::uint64_t conflicts = state_->conflict_count();
  const VersionVector frontier = state_->frontier();
  // It may come after the batch was written but before anybody knew.
  if (taken_ && seed_ != 0 && random_.Below(2) == 0) {
    SYNCLINE_CHECK(store_->Write(*taken_, false).ok(), "memory does not fail");
  }
  taken_.reset();
  state_.reset();
  Open(frontier, now_ms);
  ++crashes_;
  if (state_->Digest() != digest) fault_ = "a crash changed the digest";
  if (state_->item_count() != items) fault_ = "a crash changed the items";
  if (state_->conflict_count() != conflicts) {
    fault_ = "a crash changed the conflicts";
  }
  if (state_->hlc() != clock) fault_ = "a crash changed the clock";
}

void TestReplica::Disturb(std::int64_t now_ms) {
  if (seed_ == 0) return;
  switch (random_.Below(12)) {
    case 0:
      WriteTaken();
      taken_ = state_->TakeFlush(arrivals_);
      taken_through_ = arrivals_;
      break;
    case 1:
      WriteTaken();
      break;
    case 2:
      Flush();
      break;
    case 3:
      Crash(now_ms);
      break;
    default:
      break;
  }
}

std::unique_ptr<TestReplica> TestReplica::Copy(const Origin& self) {
  Flush();
  auto copy = std::make_unique<TestReplica>(
      self, seed_ == 0 ? 0 : random_.Next() | 1, options_);
  WriteBatch rows;
  for (const Column column : {Column::kHeads, Column::kTree, Column::kChains}) {
    auto at = store_->NewIterator(column);
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      rows.Put(column, std::string(at->key()), std::string(at->value()));
    }
  }
  SYNCLINE_CHECK(copy->store_->Write(rows, false).ok(), "memory never fails");
  copy->arrivals_ = arrivals_;
  copy->Open(state_->frontier(), 0);
  return copy;
}

}  // namespace syncline::testing
