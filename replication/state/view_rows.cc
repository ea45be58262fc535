#include "replication/state/view_rows.h"

#include <algorithm>
#include <charconv>
#include <deque>

#include "kv/keys.h"

namespace syncline {
namespace {

Head WithoutLocation(const StoredHead& stored) {
  Head head;
  head.order = stored.order;
  head.generation = stored.generation;
  head.value = stored.value;
  head.attrs = stored.attrs;
  head.sources = stored.sources;
  head.arrival = stored.arrival;
  return head;
}

void SortByOrder(std::vector<Sibling>& siblings) {
  std::sort(siblings.begin(), siblings.end(),
            [](const Sibling& a, const Sibling& b) {
              return a.head.order < b.head.order;
            });
}

// Keeps the newest head of each attribute key.
void TakeNewest(const ItemHeads& heads,
                std::map<std::string, const StoredHead*>& newest) {
  for (const auto& [key, values] : heads.attrs) {
    const StoredHead& head = NewestOf(values);
    auto [at, added] = newest.try_emplace(key, &head);
    if (!added && at->second->order < head.order) at->second = &head;
  }
}

Attrs Merged(const Attrs& hint,
             const std::map<std::string, const StoredHead*>& newest) {
  std::map<std::string, std::string> merged(hint.begin(), hint.end());
  for (const auto& [key, head] : newest) merged[key] = head->value;
  return {merged.begin(), merged.end()};
}

}  // namespace

std::optional<int> ParseRank(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.size() > 9 ||
      !std::all_of(digits.begin(), digits.end(),
                   [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Attrs AttributesOf(const ItemHeads& heads, const Attrs& hint) {
  std::map<std::string, const StoredHead*> newest;
  TakeNewest(heads, newest);
  return Merged(hint, newest);
}

int ViewRows::RankOf(const Origin& origin) const {
  if (ranks_.empty()) return 0;
  auto at = ranks_.find(origin.ToHex());
  return at == ranks_.end() ? 0 : at->second;
}

// T9: the maximum of one total order over the whole set, which is sorted.
void ViewRows::Show(Row& row, bool ranked) {
  row.shown = row.siblings.size() - 1;
  if (!ranked || ranks_.empty()) return;
  for (std::size_t i = row.siblings.size(); i-- > 0;) {
    if (RankOf(row.siblings[i].head.order.origin) >
        RankOf(row.siblings[row.shown].head.order.origin)) {
      row.shown = i;
    }
  }
}

Row ViewRows::DirectoryRow(TreeView::Ids ids) {
  Row row;
  row.kind = ItemKind::kDirectory;
  row.items.assign(ids.begin(), ids.end());
  if (row.items.size() == 1 && row.items[0] == kRoot) return row;
  row.revived = true;
  std::deque<ItemHeads> loaded;  // `newest` refers into it.
  std::map<std::string, const StoredHead*> newest;
  for (const ItemId& id : ids) {
    loaded.push_back(LoadItem(tree_.rows(), tree_.keys(), id));
    if (!loaded.back().places.empty()) row.revived = false;
    TakeNewest(loaded.back(), newest);
  }
  row.attrs = Merged({}, newest);
  return row;
}

std::optional<Row> ViewRows::SlotRow(const std::vector<ItemId>& items) {
  Row row;
  std::map<ItemId, ItemHeads> loaded;
  for (const ItemId& item : items) {
    ItemHeads heads = LoadItem(tree_.rows(), tree_.keys(), item);
    if (heads.contents.empty()) {
      tree_.rows().FailRow("placed item " + item.ToText());
      continue;
    }
    for (const StoredHead& head : heads.contents) {
      row.siblings.push_back(
          {{RegisterId::Field::kContent, item, {}, {}}, WithoutLocation(head)});
    }
    row.items.push_back(item);
    loaded.emplace(item, std::move(heads));
  }
  if (row.siblings.empty()) return std::nullopt;
  SortByOrder(row.siblings);
  Show(row, true);
  const Sibling& shown = row.siblings[row.shown];
  const ItemHeads& heads = loaded.at(shown.reg.item);
  row.kind = shown.reg.item.kind;
  row.attrs = AttributesOf(heads, shown.head.attrs);
  row.revived = heads.places.empty();
  return row;
}

std::optional<Row> ViewRows::RowAt(TreeView::Ids parents,
                                   std::string_view name) {
  if (const auto plain = PlainAt(parents, name)) return RowOf(*plain);
  const NameGroup group = tree_.Group(parents, name);
  if (!group.directories.empty()) return DirectoryRow(group.directories);
  return SlotRow(tree_.SlotItems(parents, name, group));
}

std::optional<Row> ViewRows::DocRow(std::string_view name_space,
                                    std::string_view key,
                                    const StoredHeads& heads) {
  if (heads.empty()) return std::nullopt;
  Row row;
  for (const StoredHead& head : heads) {
    row.siblings.push_back({{RegisterId::Field::kDoc,
                             {},
                             std::string(name_space),
                             std::string(key)},
                            WithoutLocation(head)});
  }
  SortByOrder(row.siblings);
  Show(row, name_space != kSystemNamespace);
  return row;
}

std::optional<Row> ViewRows::DocRowAt(std::string_view name_space,
                                      std::string_view key) {
  const auto row = tree_.rows().Heads(tree_.keys().Doc(name_space, key));
  if (!row) return std::nullopt;
  if (const auto plain = ParsePlainDocument(*row)) {
    return RowOf(name_space, key, *plain);
  }
  return DocRow(name_space, key,
                LoadDoc(tree_.rows(), tree_.keys(), name_space, key));
}

std::optional<Row> ViewRows::Lookup(std::string_view path) {
  if (path.empty()) return DirectoryRow(std::vector<ItemId>{kRoot});
  std::string_view name;
  const ClassPtr parent = ParentOf(path, name);
  if (!parent) return std::nullopt;
  return RowAt(parent->ids, name);
}

std::optional<PlainItem> ViewRows::PlainAt(std::string_view path) {
  std::string_view name;
  const ClassPtr parent = ParentOf(path, name);
  if (!parent) return std::nullopt;
  return PlainAt(parent->ids, name);
}

// Null: nothing is at `path`.
ClassPtr ViewRows::ParentOf(std::string_view path, std::string_view& name) {
  const std::size_t split = path.rfind('/');
  const bool top = split == std::string_view::npos;
  name = top ? path : path.substr(split + 1);
  if (split == 0 || name.empty()) return nullptr;
  return tree_.ClassAt(top ? std::string_view() : path.substr(0, split));
}

std::optional<PlainItem> ViewRows::PlainAt(TreeView::Ids parents,
                                           std::string_view name) {
  if (parents.size() != 1 || tree_.has_made_up()) return std::nullopt;
  return PlainItemAt(tree_.rows(), tree_.keys(), parents[0], name);
}

// The least name that a cursor stands on, which all cursors then leave.
std::optional<std::string> ViewRows::NextName(std::vector<RowCursor>& cursors) {
  std::optional<std::string> least;
  const std::size_t prefix = tree_.keys().ChildrenOf(kRoot).size();
  const auto name_at = [&](const RowCursor& cursor) {
    const std::string_view rest = cursor.key().substr(prefix);
    return rest.substr(0, rest.find('\0'));
  };
  for (const RowCursor& cursor : cursors) {
    if (cursor.Valid() && (!least || name_at(cursor) < *least)) {
      least = std::string(name_at(cursor));
    }
  }
  for (RowCursor& cursor : cursors) {
    while (least && cursor.Valid() && name_at(cursor) == *least) cursor.Next();
    tree_.rows().Fail(cursor.status());
  }
  return least;
}

void ViewRows::List(TreeView::Ids parents, std::string_view after,
                    const Visitor& visit) {
  std::vector<RowCursor> cursors;
  // Behind all keys of the name `after`, before those of any larger name.
  const std::string behind = std::string(after) + '\1';
  const auto open = [&](const std::string& prefix) {
    cursors.push_back(tree_.rows().Cursor(
        Column::kTree, after.empty() ? prefix : prefix + behind,
        PrefixEnd(prefix)));
  };
  for (const ItemId& parent : parents) {
    open(tree_.keys().ChildrenOf(parent));
    if (tree_.has_made_up()) open(tree_.keys().MadeUpIn(parent));
  }
  while (std::optional<std::string> name = NextName(cursors)) {
    if (!tree_.rows().status().ok()) return;
    std::optional<Row> row = RowAt(parents, *name);
    if (row && !visit(*std::move(name), *std::move(row))) return;
  }
}

std::optional<std::string> ViewRows::PathOf(const ItemId& item) {
  if (item.IsDirectory()) {
    const ClassPtr own = tree_.ClassOf(item);
    if (!own) return std::nullopt;
    return own->path;
  }
  const std::optional<Placed> placed =
      OwnPlacement(item, LoadItem(tree_.rows(), tree_.keys(), item));
  if (!placed) return std::nullopt;
  const ClassPtr parent = tree_.ClassOf(placed->parent);
  if (!parent) return std::nullopt;
  const NameGroup group = tree_.Group(parent->ids, placed->name);
  return JoinPath(parent->path,
                  tree_.ShownName(parent->ids, placed->name, group));
}

}  // namespace syncline
