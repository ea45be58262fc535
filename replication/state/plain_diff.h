#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "replication/state/path_diff.h"

namespace syncline {

// An item, or a document, that a change loaded: its heads without the change
// and with it.
template <typename Heads>
struct ChangedHeads {
  Heads before;
  Heads after;
  bool changed = false;
};
using ItemChanges = std::map<ItemId, ChangedHeads<ItemHeads>>;
using DocChanges =
    std::map<std::pair<std::string, std::string>, ChangedHeads<StoredHeads>>;

// What RowChanges and DiffPaths find, by a short way for most changes: at each
// name there is, before and after, at most one file with one content, of each
// document at most one value, and no directory changed. Then no other name
// and no row `b`, `c` or `e` changes. Nothing: take the long way.
// Requires: no row `b`, and no rank changed.
std::optional<PathDiff> PlainDiff(TreeView& before, RowReader& after,
                                  const Touched& touched,
                                  const ItemChanges& items,
                                  const DocChanges& docs);

}  // namespace syncline
