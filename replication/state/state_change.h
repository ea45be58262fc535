#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replication/state/path_diff.h"
#include "replication/state/placement.h"
#include "replication/state/plain_diff.h"
#include "replication/state/state_core.h"

namespace syncline {

// One change of the registers, staged beside the state: all of it takes effect
// with Finish(), or none.
class StateChange {
 public:
  // Borrows `core`; one change at a time.
  explicit StateChange(StateCore& core);
  ~StateChange();
  StateChange(const StateChange&) = delete;
  StateChange& operator=(const StateChange&) = delete;

  // An item that cannot have heads: it is created now.
  void IsNew(const ItemId& item);
  // Removes the heads of `reg` with `dots`, those that are there.
  void Supersede(const RegisterId& reg, const Dots& dots);
  // Adds a head, over one of the same dot.
  void Add(const RegisterId& reg, StoredHead head);
  // The stored form of a location.
  std::shared_ptr<const StoredLocation> Store(const Location& at);

  // In which order the items that changed are placed. The result is the same;
  // the cost is not.
  enum class PlaceOrder {
    kAsTouched,     // An author lists parents before what he puts into them,
                    // and removes them last.
    kParentsFirst,  // Sorts so.
  };
  // Brings all rows up to date and commits them.
  absl::StatusOr<PathDiff> Finish(PlaceOrder order);
  // The same without committing them.
  absl::StatusOr<PathDiff> Stage(PlaceOrder order);

  // As they are with what is staged.
  [[nodiscard]] const RowLayer& rows() const { return rows_.layer(); }
  [[nodiscard]] const HeadDigest& digest() const { return digest_; }
  [[nodiscard]] const RowCounts& counts() const { return counts_; }

 private:
  using ItemChange = ItemChanges::mapped_type;
  using DocChange = DocChanges::mapped_type;

  ItemChange& ItemOf(const ItemId& item);
  // The heads of `reg`, and whether its row changed.
  std::pair<StoredHeads&, bool&> HeadsOf(const RegisterId& reg);
  void Remove(const RegisterId& reg, const StoredHead& head);
  std::vector<ItemId> Ordered(PlaceOrder order) const;
  void WriteItems(PlaceOrder order);
  void TouchShown(const ItemId& item, const std::optional<Placed>& placed);
  void WriteDocs();
  void UpdateRank(const std::string& key, const StoredHeads& heads);
  bool KeepsClasses(ReadScope& before);
  PathDiff Diff(ReadScope& before);
  bool SameDiff(ReadScope& before, const PathDiff& plain);
  void Commit(const PathDiff& diff);

  StateCore& core_;
  RowWriter rows_;
  HeadDigest digest_;
  RowCounts counts_;
  std::optional<Ranks> ranks_;  // If they change.
  Touched touched_;
  std::shared_ptr<const StoredLocation> last_stored_;
  ItemChanges items_;
  std::vector<ItemId> item_order_;
  DocChanges docs_;
  std::vector<ItemId> created_;    // Directories.
  std::set<ItemId> reclassified_;  // Directories of another class, perhaps.
};

}  // namespace syncline
