#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/state/causal_state.h"
#include "replication/state/head_cache.h"
#include "replication/state/head_codec.h"
#include "replication/state/plain_view.h"
#include "replication/state/tree_view.h"

namespace syncline {

// Origins in hex -> rank, from the documents ("sys", "rank/<origin>"); 0 if
// absent. Read by rule T9 alone.
using Ranks = std::map<std::string, int>;
inline constexpr std::string_view kSystemNamespace = "sys";
inline constexpr std::string_view kRankPrefix = "rank/";
// At most nine digits with an optional '-'; nothing otherwise.
std::optional<int> ParseRank(std::string_view text);

// Rule T10 for one item: its newest attribute heads, over `hint`.
Attrs AttributesOf(const ItemHeads& heads, const Attrs& hint);

// Rules T8 to T10: what is visible at a name.
class ViewRows {
 public:
  // Borrows both.
  ViewRows(TreeView& tree, const Ranks& ranks) : tree_(tree), ranks_(ranks) {}

  Row DirectoryRow(TreeView::Ids ids);
  // Nothing if none of `items` has content.
  std::optional<Row> SlotRow(const std::vector<ItemId>& items);
  // The row `name` below one (merged) directory.
  std::optional<Row> RowAt(TreeView::Ids parents, std::string_view name);
  // Nothing without heads.
  std::optional<Row> DocRow(std::string_view name_space, std::string_view key,
                            const StoredHeads& heads);

  std::optional<Row> DocRowAt(std::string_view name_space,
                              std::string_view key);

  std::optional<Row> Lookup(std::string_view path);
  // The only file at `path`, if it and its row are of the usual form. Nothing:
  // Lookup() knows.
  std::optional<PlainItem> PlainAt(std::string_view path);
  // Rows below one (merged) directory by name, from after `after`, until
  // `visit` returns false.
  using Visitor = std::function<bool(std::string name, Row row)>;
  void List(TreeView::Ids parents, std::string_view after,
            const Visitor& visit);
  // Where an item is shown; nothing if it is not alive.
  std::optional<std::string> PathOf(const ItemId& item);

  TreeView& tree() { return tree_; }

 private:
  ClassPtr ParentOf(std::string_view path, std::string_view& name);
  std::optional<PlainItem> PlainAt(TreeView::Ids parents,
                                   std::string_view name);
  [[nodiscard]] int RankOf(const Origin& origin) const;
  void Show(Row& row, bool ranked);
  std::optional<std::string> NextName(std::vector<RowCursor>& cursors);

  TreeView& tree_;
  const Ranks& ranks_;
};

}  // namespace syncline
