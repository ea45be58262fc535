#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "replication/state/chain_rows.h"
#include "replication/state/head_codec.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/path_diff.h"
#include "replication/state/row_changes.h"
#include "replication/state/row_keys.h"
#include "replication/state/view_rows.h"

namespace syncline {

// What is asked of a directory for each file in it; until any directory comes,
// goes or moves.
struct DirectoryFacts {
  ClassPtr shown;            // Null: it is not placed.
  bool settled = false;      // Alive by itself: children put nothing in doubt.
  std::optional<Chain> way;  // See WayTo, if it was asked for.
};

// The registers of one project and the rows that show them: everything that a
// change replaces at once.
struct StateCore {
  StateCore(Store& store, ProjectNumber project,
            std::size_t head_bytes_max = 16u << 20)
      : keys(project), rows(store, head_bytes_max) {}

  RowKeys keys;
  OverlayRows rows;
  ChainRows chains;
  ClassCache classes;
  HeadDigest digest;
  RowCounts counts;
  Ranks ranks;
  absl::flat_hash_map<ItemId, DirectoryFacts, ItemIdHash> directories;
  struct {
    std::string key, value, child, attrs;
  } scratch;                     // Of ShortWay, for its memory.
  bool check_short_way = false;  // Go the long way too, and compare.
};

// One read of the rows as they are.
struct ReadScope {
  explicit ReadScope(StateCore& core)
      : rows(core.rows),
        tree(rows, core.keys, core.classes, core.counts.made_up),
        view(tree, core.ranks) {}

  [[nodiscard]] const absl::Status& status() const { return rows.status(); }

  RowReader rows;
  TreeView tree;
  ViewRows view;
};

// A head as the interface has it, chains included.
Head LoadHead(RowReader& rows, ChainRows& chains, RegisterId::Field field,
              const StoredHead& stored);
// Visits every register that has rows, items before documents, with its live
// heads; stops at a row that cannot be read (`rows.status()` then).
void ForEachRegister(
    StateCore& core, RowReader& rows,
    absl::FunctionRef<void(const RegisterId&, const StoredHeads&)> visit);
// All live heads, with their registers.
std::vector<std::pair<RegisterId, Head>> LoadAllHeads(StateCore& core,
                                                      RowReader& rows);

// Reads the documents that rank origins; stops at a row that cannot be read.
void LoadRanks(StateCore& core, RowReader& rows);

// Row `m`: what the rows in the store cover.
struct FlushMark {
  std::uint64_t covered = 0;
  Hlc hlc;
  HeadDigest digest;
  RowCounts counts;
};
std::string EncodeFlushMark(const FlushMark& mark);
//   kDataLoss  malformed
absl::StatusOr<FlushMark> DecodeFlushMark(std::string_view bytes);

// Of `rows`, whose status() tells whether it can be used.
const DirectoryFacts& FactsOf(StateCore& core, RowReader& rows,
                              const ItemId& directory);

// Ancestors of `directory` in the view, itself included, from the top.
Chain WayTo(StateCore& core, RowReader& rows, const ItemId& directory);

// Rule A4: the effects of an entry that is not void.
absl::StatusOr<PathDiff> ApplyEffects(StateCore& core, const Entry& entry,
                                      std::uint64_t arrival);
// Rule X4 between the registers under `frontier` and those of `theirs`.
// `taken` is told the order of each head that comes in.
//   kInvalidArgument  a head that no entry could have made, or one that
//                     their frontier does not cover
absl::StatusOr<PathDiff> JoinHeads(
    StateCore& core, const VersionVector& frontier,
    const CausalState::Snapshot& theirs, std::uint64_t arrival,
    const std::function<void(const HeadOrder&)>& taken);

// The same for the registers of `part` alone.
absl::StatusOr<PathDiff> JoinStaged(
    StateCore& core, const VersionVector& frontier, const StatePart& part,
    const VersionVector& theirs, std::uint64_t arrival,
    const std::function<void(const HeadOrder&)>& taken);

// Compares the rows of `core` with ones made anew from its heads alone.
//   kInternal  they differ: a defect; the message names the first difference
absl::Status CheckRebuild(StateCore& core, ProjectNumber project);

}  // namespace syncline
