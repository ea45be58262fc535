#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replication/state/path_diff.h"
#include "replication/state/placement.h"
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
  StoredLocation Store(const Location& at);

  // In which order the items that changed are placed. The result is the same;
  // the cost is not.
  enum class PlaceOrder {
    kAsTouched,     // An author lists parents before what he puts into them,
                    // and removes them last.
    kParentsFirst,  // Sorts so.
  };
  // Brings all rows up to date and commits them.
  absl::StatusOr<PathDiff> Finish(PlaceOrder order);

 private:
  struct ItemChange {
    ItemHeads heads;
    std::optional<Placed> before;
    bool changed = false;
  };
  using DocName = std::pair<std::string, std::string>;

  ItemChange& ItemOf(const ItemId& item);
  StoredHeads& HeadsOf(const RegisterId& reg);
  void MarkChanged(const RegisterId& reg);
  std::vector<ItemId> Ordered(PlaceOrder order) const;
  void WriteItems(PlaceOrder order);
  void TouchShown(const ItemId& item, const std::optional<Placed>& placed);
  void WriteDocs();
  void UpdateRank(const std::string& key, const StoredHeads& heads);
  bool KeepsClasses(ReadScope& before);
  void Commit(const PathDiff& diff, const RowChanges& changes);

  StateCore& core_;
  RowWriter rows_;
  HeadDigest digest_;
  RowCounts counts_;
  std::optional<Ranks> ranks_;  // If they change.
  Touched touched_;
  std::map<ItemId, ItemChange> items_;
  std::vector<ItemId> item_order_;
  std::map<DocName, StoredHeads> docs_;
};

}  // namespace syncline
