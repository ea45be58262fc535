#include "replication/state/row_changes.h"

#include <algorithm>
#include <deque>

#include "kv/keys.h"

namespace syncline {
namespace {

std::string SeveralValue(const Row& row) {
  return std::string(row.conflict() ? kOpenConflict : kSeveralOnly);
}

}  // namespace

void RowChanges::Run() {
  if (touched_.ranks) TouchRanked();
  FindMerged();
  Close();
  UpdateMadeUp();
  Rows before;
  Rows after;
  ShowRows(kBefore, before);
  ShowRows(kAfter, after);
  ShowDocs(kBefore, before);
  ShowDocs(kAfter, after);
  const auto open = [](const Rows& rows) {
    return static_cast<std::uint64_t>(std::count_if(
        rows.begin(), rows.end(),
        [](const auto& row) { return row.second == kOpenConflict; }));
  };
  counts_.conflicts += open(after) - open(before);
  std::uint64_t uncounted = 0;
  Replace(before, after, uncounted);
}

// A rank can change what any row with several siblings shows.
void RowChanges::TouchRanked() {
  TreeView& tree = *sides_[kBefore].tree;
  std::vector<ItemId> items;
  tree.rows().ForEach(Column::kTree, tree.keys().AllSeveral(),
                      [&](std::string_view rest, std::string_view) {
                        if (auto item = ParseItemKey(rest)) {
                          items.push_back(*item);
                        }
                        return true;
                      });
  for (const ItemId& item : items) {
    const std::optional<Placed> placed =
        OwnPlacement(item, LoadItem(tree.rows(), tree.keys(), item));
    if (placed) touched_.names.emplace(placed->parent, placed->name);
  }
  tree.rows().ForEach(Column::kTree, tree.keys().AllSeveralDocs(),
                      [&](std::string_view rest, std::string_view) {
                        if (auto doc = ParseDocKey(rest)) {
                          touched_.docs.emplace(std::move(doc->name_space),
                                                std::move(doc->key));
                        }
                        return true;
                      });
}

void RowChanges::FindMerged() {
  directories_ = touched_.directories;
  std::vector<ItemId> pending(directories_.begin(), directories_.end());
  std::array<std::vector<ClassPtr>, 2> merged;
  while (!pending.empty()) {
    const ItemId directory = pending.back();
    pending.pop_back();
    for (const Which which : {kBefore, kAfter}) {
      const ClassPtr found = sides_[which].tree->ClassOf(directory);
      if (!found) continue;
      if (found->ids.size() > 1) merged[which].push_back(found);
      for (const ItemId& id : found->ids) {
        if (directories_.insert(id).second) pending.push_back(id);
      }
    }
  }
  for (const Which which : {kBefore, kAfter}) {
    for (const ClassPtr& found : merged[which]) ExpandMerged(which, found);
  }
}

// Directories that are merged on one side but not equally on the other: the
// names that several of them have are shown differently, and so on below.
void RowChanges::ExpandMerged(Which which, const ClassPtr& merged) {
  const Which other = which == kBefore ? kAfter : kBefore;
  std::vector<ClassPtr> pending = {merged};
  while (!pending.empty() && rows_.status().ok()) {
    const ClassPtr next = pending.back();
    pending.pop_back();
    if (!expanded_[which].insert(next->ids.front()).second) continue;
    const ClassPtr there = sides_[other].tree->ClassOf(next->ids.front());
    if (there && there->ids == next->ids) continue;
    TouchShared(which, next, pending);
  }
}

// Goes through the children of all members in step until only the largest is
// left: a name that two of them have is then known from a smaller one.
void RowChanges::TouchShared(Which which, const ClassPtr& merged,
                             std::vector<ClassPtr>& below) {
  TreeView& tree = *sides_[which].tree;
  std::vector<std::set<std::string>> names(merged->ids.size());
  std::size_t left = merged->ids.size();
  {
    std::vector<RowCursor> cursors;
    std::size_t skip = 0;
    for (const ItemId& id : merged->ids) {
      const std::string prefix = tree.keys().ChildrenOf(id);
      skip = prefix.size();
      cursors.push_back(
          tree.rows().Cursor(Column::kTree, prefix, PrefixEnd(prefix)));
    }
    std::vector<bool> ended(cursors.size(), false);
    while (left > 1) {
      for (std::size_t i = 0; i < cursors.size(); ++i) {
        if (ended[i]) continue;
        if (!cursors[i].Valid()) {
          ended[i] = true;
          --left;
          continue;
        }
        const auto key = ParseChildKey(cursors[i].key().substr(skip));
        if (key) names[i].emplace(key->name);
        cursors[i].Next();
      }
    }
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      tree.rows().Fail(cursors[i].status());
      if (!ended[i]) names[i].clear();
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const std::string& name : names[i]) {
      touched_.names.emplace(merged->ids[i], name);
      const NameGroup& group = Group(which, merged, name);
      if (group.directories.size() < 2) continue;
      if (const ClassPtr inner = tree.ClassOf(group.directories.front())) {
        below.push_back(inner);
      }
    }
  }
}

// A name is touched where its files are shown, where rule T7 had tried it for
// other files, and in whatever its directory is or was merged with.
void RowChanges::Close() {
  std::deque<Name> pending(touched_.names.begin(), touched_.names.end());
  const auto touch = [&](const ItemId& directory, const std::string& name) {
    if (touched_.names.emplace(directory, name).second) {
      pending.emplace_back(directory, name);
    }
  };
  while (!pending.empty() && rows_.status().ok()) {
    const auto [directory, name] = pending.front();
    pending.pop_front();
    for (const Which which : {kBefore, kAfter}) {
      TreeView& tree = *sides_[which].tree;
      const ClassPtr parent = tree.ClassOf(directory);
      if (!parent) continue;
      if (!directories_.empty()) {
        for (const ItemId& id : parent->ids) touch(id, name);
      }
      const NameGroup& group = Group(which, parent, name);
      if (group.clash()) {
        touch(directory, tree.ShownName(parent->ids, name, group));
      }
      // Rows `b` are still those of before.
      for (const std::string& tried :
           sides_[kBefore].tree->TriedBy(parent->ids, name)) {
        touch(directory, tried);
      }
    }
  }
}

void RowChanges::UpdateMadeUp() {
  std::array<Rows, 2> rows;
  for (const auto& [directory, name] : touched_.names) {
    for (const Which which : {kBefore, kAfter}) {
      TreeView& tree = *sides_[which].tree;
      const ClassPtr parent = tree.ClassOf(directory);
      if (!parent) continue;
      const NameGroup& group = Group(which, parent, name);
      if (!group.clash()) continue;
      const std::vector<std::string> tried =
          tree.MadeUpNames(parent->ids, name, group);
      for (const NameGroup::File& file : group.files) {
        for (const std::string& made_up : tried) {
          rows[which][tree.keys().MadeUp(file.parent, made_up, file.item)] =
              EncodeMadeUpRow({made_up == tried.back(), name});
        }
      }
    }
  }
  Replace(rows[kBefore], rows[kAfter], counts_.made_up);
}

void RowChanges::ShowRows(Which which, Rows& several) {
  const ViewSide& side = sides_[which];
  std::map<std::string, Row>& shown = visible_[which].paths;
  for (const auto& [directory, name] : touched_.names) {
    const ClassPtr parent = side.tree->ClassOf(directory);
    if (!parent) continue;
    std::string path = JoinPath(parent->path, name);
    if (shown.contains(path)) continue;
    const NameGroup& group = Group(which, parent, name);
    if (!group.directories.empty()) {
      shown.emplace(std::move(path),
                    side.view->DirectoryRow(group.directories));
      continue;
    }
    std::optional<Row> row =
        side.view->SlotRow(side.tree->SlotItems(parent->ids, name, group));
    if (!row) continue;
    if (row->siblings.size() > 1) {
      several[side.tree->keys().Several(row->items.front())] =
          SeveralValue(*row);
    }
    shown.emplace(std::move(path), *std::move(row));
  }
}

void RowChanges::ShowDocs(Which which, Rows& several) {
  const ViewSide& side = sides_[which];
  for (const auto& [name_space, key] : touched_.docs) {
    std::optional<Row> row = side.view->DocRow(
        name_space, key,
        LoadDoc(side.tree->rows(), side.tree->keys(), name_space, key));
    if (!row) continue;
    if (row->siblings.size() > 1) {
      several[side.tree->keys().SeveralDoc(name_space, key)] =
          SeveralValue(*row);
    }
    visible_[which].docs.emplace(std::pair(name_space, key), *std::move(row));
  }
}

// Rows that should have been there by rows that should be there now.
void RowChanges::Replace(const Rows& before, const Rows& after,
                         std::uint64_t& count) {
  for (const auto& [key, value] : before) {
    if (after.contains(key)) continue;
    rows_.Delete(Column::kTree, key);
    --count;
  }
  for (const auto& [key, value] : after) {
    auto at = before.find(key);
    if (at == before.end()) ++count;
    if (at == before.end() || at->second != value) {
      rows_.Put(Column::kTree, key, value);
    }
  }
}

const NameGroup& RowChanges::Group(Which which, const ClassPtr& parent,
                                   const std::string& name) {
  const Name key(parent->ids.front(), name);
  auto at = groups_[which].find(key);
  if (at == groups_[which].end()) {
    at = groups_[which]
             .emplace(key, sides_[which].tree->Group(parent->ids, name))
             .first;
  }
  return at->second;
}

}  // namespace syncline
