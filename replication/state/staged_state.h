#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clock/version_vector.h"
#include "kv/store.h"
#include "replication/state/state_piece.h"

namespace syncline {

// Another replica's state on its way in: first staged in the store piece by
// piece, then joined part by part. Rows are in column kHeads under a tag of
// their own (README.md), so that a restart finds them.

// How far staging is; kept by the caller, durably with each piece.
struct StageProgress {
  std::string last_key;
  HeadDigest digest;
  std::uint64_t rows = 0;
};

// Adds the rows of a piece that came behind `progress.last_key` to `batch`.
//   as DecodePiece  nothing was added
absl::Status StagePiece(ProjectNumber project, std::string_view bytes,
                        const VersionVector& frontier, StageProgress& progress,
                        WriteBatch& batch);
// Forgets all that is staged.
void DropStaged(ProjectNumber project, WriteBatch& batch);

// Registers to join, each with all heads that the other replica has of it.
struct StatePart {
  struct Item {
    ItemId id;
    ItemHeads heads;
    bool is_new = false;  // There is nothing of it here, so nothing to look up.
  };
  std::vector<Item> items;
  std::vector<std::pair<DocKey, StoredHeads>> docs;
  bool end = false;  // Nothing is left behind it.

  [[nodiscard]] std::size_t size() const { return items.size() + docs.size(); }
};

// Goes once through what is staged and what is here, and gives the registers
// that may differ in an order that disturbs the view little: files that they
// have seen die, directories from the top, files, documents, and last the
// directories that they have seen die, from below. Starting over is harmless.
//
// The rows here must be written back (CausalState::TakeFlush) before each
// call. Borrows all.
class StagedJoin {
 public:
  // Rows that one call looks at, at most.
  static constexpr std::size_t kScanRowsMax = 4096;

  StagedJoin(const Store& store, ProjectNumber project,
             const VersionVector& theirs);

  // The next at most `max` registers; possibly none though it is not the end.
  //   kDataLoss, other  a row cannot be read
  absl::StatusOr<StatePart> Next(std::size_t max);

 private:
  enum class Phase : std::uint8_t {
    kDead,
    kDirectories,
    kFiles,
    kDocs,
    kDeadDocs,
    kDeadDirectories,
    kEnd,
  };

  absl::Status Step(std::size_t max, StatePart& part);
  // My items that are not staged, with heads that they have seen die: files
  // at once, directories are kept for the end. What is joined in between does
  // not touch them.
  absl::Status ScanDead(std::size_t max, StatePart& part);
  absl::Status ScanDirectories(std::size_t max, StatePart& part);
  absl::Status ScanFiles(std::size_t max, StatePart& part);
  absl::Status ScanDocs(std::size_t max, StatePart& part);
  absl::Status ScanDeadDocs(std::size_t max, StatePart& part);
  void TakeDeadDirectories(std::size_t max, StatePart& part);
  void Enter(Phase phase);
  [[nodiscard]] bool HasDead(const ItemHeads& mine) const;
  [[nodiscard]] bool HasDead(const StoredHeads& mine) const;

  const Store& store_;
  const ProjectNumber project_;
  const VersionVector& theirs_;
  const RowKeys keys_;
  Phase phase_ = Phase::kDead;
  std::string at_;  // Behind the prefix of the phase; "" at its start.
  // Depth downwards, item.
  std::vector<std::pair<std::uint32_t, ItemId>> dead_directories_;
};

// What a join would drop, for the guard against a wrong state.
struct JoinLoss {
  std::uint64_t items = 0;    // Alive here.
  std::uint64_t dropped = 0;  // Of those, what the join would remove.
};
// Counts it bit by bit: call it until true.
class JoinCensus {
 public:
  JoinCensus(const Store& store, ProjectNumber project,
             const VersionVector& theirs)
      : store_(store), project_(project), theirs_(theirs), keys_(project) {}

  absl::StatusOr<bool> Step();
  [[nodiscard]] const JoinLoss& loss() const { return loss_; }

 private:
  const Store& store_;
  const ProjectNumber project_;
  const VersionVector& theirs_;
  const RowKeys keys_;
  std::string at_;
  JoinLoss loss_;
};

}  // namespace syncline
