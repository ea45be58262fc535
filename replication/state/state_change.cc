#include "replication/state/state_change.h"

#include <algorithm>

#include "base/check.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

}  // namespace

StateChange::StateChange(StateCore& core)
    : core_(core),
      rows_(core.rows),
      digest_(core.digest),
      counts_(core.counts) {}

StateChange::~StateChange() { core_.chains.Discarded(); }

StateChange::ItemChange& StateChange::ItemOf(const ItemId& item) {
  auto at = items_.find(item);
  if (at != items_.end()) return at->second;
  ItemChange change;
  change.heads = LoadItem(rows_, core_.keys, item);
  change.before = OwnPlacement(item, change.heads);
  item_order_.push_back(item);
  return items_.emplace(item, std::move(change)).first->second;
}

void StateChange::IsNew(const ItemId& item) {
  if (items_.try_emplace(item).second) item_order_.push_back(item);
}

StoredHeads& StateChange::HeadsOf(const RegisterId& reg) {
  switch (reg.field) {
    case Field::kPlace:
      return ItemOf(reg.item).heads.places;
    case Field::kContent:
      return ItemOf(reg.item).heads.contents;
    case Field::kAttr:
      return ItemOf(reg.item).heads.attrs[reg.key];
    case Field::kDoc:
      break;
  }
  auto [at, added] = docs_.try_emplace(DocName(reg.name_space, reg.key));
  if (added) {
    at->second = LoadDoc(rows_, core_.keys, reg.name_space, reg.key);
  }
  return at->second;
}

void StateChange::MarkChanged(const RegisterId& reg) {
  if (reg.field == Field::kDoc) {
    touched_.docs.emplace(reg.name_space, reg.key);
  } else {
    ItemOf(reg.item).changed = true;
  }
}

void StateChange::Supersede(const RegisterId& reg, const Dots& dots) {
  StoredHeads& heads = HeadsOf(reg);
  for (const Dot& dot : dots) {
    const std::optional<StoredHead> taken = TakeHead(heads, dot);
    if (!taken) continue;
    digest_.Remove(reg, *taken);
    MarkChanged(reg);
  }
  if (reg.field == Field::kAttr && heads.empty()) {
    ItemOf(reg.item).heads.attrs.erase(reg.key);
  }
}

void StateChange::Add(const RegisterId& reg, StoredHead head) {
  StoredHeads& heads = HeadsOf(reg);
  if (const auto same = TakeHead(heads, head.order.dot())) {
    digest_.Remove(reg, *same);
  }
  digest_.Add(reg, head);
  InsertHead(heads, std::move(head));
  MarkChanged(reg);
}

StoredLocation StateChange::Store(const Location& at) {
  return {at.parent, at.name, core_.chains.Add(rows_, at.chain)};
}

std::vector<ItemId> StateChange::Ordered(PlaceOrder order) const {
  if (order == PlaceOrder::kAsTouched) return item_order_;
  // Directories that are there, from the top; files; directories that are
  // gone, from below.
  struct Key {
    int group;
    std::int64_t depth;
    ItemId item;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> keys;
  for (const auto& [item, change] : items_) {
    const std::optional<Placed> after = OwnPlacement(item, change.heads);
    if (!item.IsDirectory()) {
      keys.push_back({1, 0, item});
    } else if (after) {
      keys.push_back({0, after->chain.length, item});
    } else {
      const std::int64_t depth =
          change.before ? change.before->chain.length : 0;
      keys.push_back({2, -depth, item});
    }
  }
  std::sort(keys.begin(), keys.end());
  std::vector<ItemId> items;
  for (const Key& key : keys) items.push_back(key.item);
  return items;
}

void StateChange::WriteItems(PlaceOrder order) {
  Placement placement(rows_, core_.keys, core_.chains, touched_, counts_.items);
  for (const ItemId& item : Ordered(order)) {
    const ItemChange& change = items_.at(item);
    if (!change.changed) continue;
    if (change.heads.empty()) {
      rows_.Delete(Column::kHeads, core_.keys.Item(item));
    } else {
      rows_.Put(Column::kHeads, core_.keys.Item(item),
                EncodeItemHeads(change.heads));
    }
    const std::optional<Placed> after = OwnPlacement(item, change.heads);
    if (after != change.before) placement.Change(item, change.before, after);
    TouchShown(item, after);
  }
}

// The row that shows the item changes with its content and attributes.
void StateChange::TouchShown(const ItemId& item,
                             const std::optional<Placed>& placed) {
  if (!item.IsDirectory()) {
    if (placed) touched_.names.emplace(placed->parent, placed->name);
    return;
  }
  const std::optional<UpRow> up = LoadUpRow(rows_, core_.keys, item);
  if (up) touched_.names.emplace(up->parent(), up->placed.name);
}

void StateChange::WriteDocs() {
  for (const auto& [name, heads] : docs_) {
    if (!touched_.docs.contains(name)) continue;
    const auto& [name_space, key] = name;
    if (heads.empty()) {
      rows_.Delete(Column::kHeads, core_.keys.Doc(name_space, key));
    } else {
      rows_.Put(Column::kHeads, core_.keys.Doc(name_space, key),
                EncodeDocHeads(heads));
    }
    if (name_space == kSystemNamespace && key.starts_with(kRankPrefix)) {
      UpdateRank(key.substr(kRankPrefix.size()), heads);
    }
  }
}

void StateChange::UpdateRank(const std::string& key, const StoredHeads& heads) {
  if (!ranks_) ranks_ = core_.ranks;
  ranks_->erase(key);
  if (heads.empty()) return;
  if (const auto rank = ParseRank(NewestOf(heads).value)) {
    ranks_->emplace(key, *rank);
  }
}

absl::StatusOr<PathDiff> StateChange::Finish(PlaceOrder order) {
  WriteItems(order);
  WriteDocs();
  touched_.ranks = ranks_.has_value() && *ranks_ != core_.ranks;

  ReadScope before(core_);
  // What was known before holds if no class of before is another now.
  ClassCache classes(KeepsClasses(before) ? &core_.classes : nullptr);
  TreeView tree(rows_, core_.keys, classes, counts_.made_up);
  ViewRows view(tree, ranks_ ? *ranks_ : core_.ranks);
  RowChanges changes({&before.tree, &before.view}, {&tree, &view}, rows_,
                     counts_, touched_);
  changes.Run();
  PathDiff diff = DiffPaths(changes, before.tree, tree);
  if (!before.status().ok()) return before.status();
  if (!rows_.status().ok()) return rows_.status();
  Commit(diff, changes);
  return diff;
}

// True if directories only came, and none of them joined one that was there.
bool StateChange::KeepsClasses(ReadScope& before) {
  for (const ItemId& directory : touched_.directories) {
    if (before.tree.ClassOf(directory)) return false;
    const std::optional<UpRow> up = LoadUpRow(rows_, core_.keys, directory);
    if (!up) continue;
    const ClassPtr parent = before.tree.ClassOf(up->parent());
    if (parent &&
        !before.tree.Group(parent->ids, up->placed.name).directories.empty()) {
      return false;
    }
  }
  return true;
}

void StateChange::Commit(const PathDiff& diff, const RowChanges& changes) {
  rows_.Commit();
  core_.chains.Committed();
  core_.digest = digest_;
  core_.counts = counts_;
  if (ranks_) core_.ranks = *std::move(ranks_);
  if (diff.moved_directories) core_.classes.Clear();
  for (const ItemId& directory : changes.directories()) {
    core_.classes.Forget(directory);
  }
}

}  // namespace syncline
