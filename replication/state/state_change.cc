#include "replication/state/state_change.h"

#include <algorithm>

#include "base/status.h"

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
  ItemChange& change = items_[item];
  change.before = LoadItem(rows_, core_.keys, item);
  change.after = change.before;
  item_order_.push_back(item);
  return change;
}

void StateChange::IsNew(const ItemId& item) {
  if (!items_.try_emplace(item).second) return;
  item_order_.push_back(item);
  if (item.IsDirectory()) created_.push_back(item);
}

std::pair<StoredHeads&, bool&> StateChange::HeadsOf(const RegisterId& reg) {
  if (reg.field == Field::kDoc) {
    auto [at, added] = docs_.try_emplace({reg.name_space, reg.key});
    DocChange& doc = at->second;
    if (added) {
      doc.before = LoadDoc(rows_, core_.keys, reg.name_space, reg.key);
      doc.after = doc.before;
    }
    return {doc.after, doc.changed};
  }
  ItemChange& item = ItemOf(reg.item);
  switch (reg.field) {
    case Field::kPlace:
      return {item.after.places, item.changed};
    case Field::kContent:
      return {item.after.contents, item.changed};
    default:
      return {item.after.attrs[reg.key], item.changed};
  }
}

void StateChange::Supersede(const RegisterId& reg, const Dots& dots) {
  auto [heads, changed] = HeadsOf(reg);
  for (const Dot& dot : dots) {
    const HeadPtr taken = heads.Take(dot);
    if (taken == nullptr) continue;
    Remove(reg, *taken);
    changed = true;
  }
  if (reg.field == Field::kAttr && heads.empty()) {
    ItemOf(reg.item).after.attrs.erase(reg.key);
  }
}

void StateChange::Add(const RegisterId& reg, StoredHead head) {
  auto [heads, changed] = HeadsOf(reg);
  if (const HeadPtr same = heads.Take(head.order.dot())) Remove(reg, *same);
  head.lanes = LanesOf(reg, head);
  digest_.Add(*head.lanes);
  heads.Insert(std::move(head));
  changed = true;
}

void StateChange::Remove(const RegisterId& reg, const StoredHead& head) {
  digest_.Remove(head.lanes ? *head.lanes : LanesOf(reg, head));
}

std::shared_ptr<const StoredLocation> StateChange::Store(const Location& at) {
  StoredLocation stored{at.parent, at.name, core_.chains.Add(rows_, at.chain)};
  // An entry says most locations twice.
  if (!last_stored_ || *last_stored_ != stored) {
    last_stored_ = std::make_shared<const StoredLocation>(std::move(stored));
  }
  return last_stored_;
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
    const std::optional<Placed> before = OwnPlacement(item, change.before);
    const std::optional<Placed> after = OwnPlacement(item, change.after);
    if (!item.IsDirectory()) {
      keys.push_back({1, 0, item});
    } else if (after) {
      keys.push_back({0, after->chain.length, item});
    } else {
      const std::int64_t depth = before ? before->chain.length : 0;
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
    if (change.after.empty()) {
      rows_.Delete(Column::kHeads, core_.keys.Item(item));
    } else {
      rows_.Put(Column::kHeads, core_.keys.Item(item),
                EncodeItemHeads(change.after));
    }
    const std::optional<Placed> before = OwnPlacement(item, change.before);
    const std::optional<Placed> after = OwnPlacement(item, change.after);
    if (after != before) placement.Change(item, before, after);
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
  for (const auto& [name, change] : docs_) {
    if (!change.changed) continue;
    touched_.docs.insert(name);
    const auto& [name_space, key] = name;
    const StoredHeads& heads = change.after;
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
  absl::StatusOr<PathDiff> diff = Stage(order);
  if (diff.ok()) Commit(*diff);
  return diff;
}

absl::StatusOr<PathDiff> StateChange::Stage(PlaceOrder order) {
  WriteItems(order);
  WriteDocs();
  touched_.ranks = ranks_.has_value() && *ranks_ != core_.ranks;

  ReadScope before(core_);
  std::optional<PathDiff> diff;
  if (core_.counts.made_up == 0 && !touched_.ranks) {
    diff = PlainDiff(before.tree, rows_, touched_, items_, docs_);
  }
  if (!diff) {
    diff = Diff(before);
  } else if (core_.check_short_way && !SameDiff(before, *diff)) {
    return Internal("causal state: the short way finds another difference");
  }
  if (!before.status().ok()) return before.status();
  if (!rows_.status().ok()) return rows_.status();
  return *std::move(diff);
}

// The long way.
PathDiff StateChange::Diff(ReadScope& before) {
  // What was known before holds if no class of before is another now.
  ClassCache classes(KeepsClasses(before) ? &core_.classes : nullptr);
  TreeView tree(rows_, core_.keys, classes, counts_.made_up);
  ViewRows view(tree, ranks_ ? *ranks_ : core_.ranks);
  RowChanges changes({&before.tree, &before.view}, {&tree, &view}, rows_,
                     counts_, touched_);
  changes.Run();
  reclassified_ = changes.directories();
  return DiffPaths(changes, before.tree, tree);
}

bool StateChange::SameDiff(ReadScope& before, const PathDiff& plain) {
  const RowCounts counts = counts_;
  const std::size_t rows = rows_.layer().size();
  const PathDiff diff = Diff(before);
  return diff == plain && counts == counts_ && rows == rows_.layer().size() &&
         reclassified_.empty();
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

void StateChange::Commit(const PathDiff& diff) {
  // Nothing can be in a directory before it is created: whoever puts something
  // there has seen it.
  for (const ItemId& directory : created_) {
    core_.rows.groups().Scanned(core_.keys.ChildrenOf(directory), 0, true);
  }
  rows_.Commit();
  core_.chains.Committed();
  core_.digest = digest_;
  core_.counts = counts_;
  if (ranks_) core_.ranks = *std::move(ranks_);
  if (diff.moved_directories) core_.classes.Clear();
  for (const ItemId& directory : reclassified_) core_.classes.Forget(directory);
  if (!touched_.directories.empty()) core_.directories.clear();
}

}  // namespace syncline
