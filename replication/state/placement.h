#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/state/chain_rows.h"
#include "replication/state/head_codec.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/row_keys.h"

namespace syncline {

// Where an item is before cycles are broken (rules T1 to T3). A dead directory
// that something below it needs is revived: placed by the chain of another
// item, its source.
struct Placed {
  HeadOrder order;
  ItemId parent;
  std::string name;
  ChainRef chain;
  ItemId source;  // The item itself, or the one that revived it.
  friend bool operator==(const Placed&, const Placed&) = default;
};

// Rules T1 and T2: where its own heads put an item; nothing if it is not alive
// by itself.
std::optional<Placed> OwnPlacement(const ItemId& item, const ItemHeads& heads);

// Row `u` of a placed directory. `away`: rule T4 shows it below the root.
struct UpRow {
  Placed placed;
  bool away = false;

  [[nodiscard]] bool Revived(const ItemId& item) const {
    return placed.source != item;
  }
  // After T4.
  [[nodiscard]] const ItemId& parent() const {
    return away ? kRoot : placed.parent;
  }
};
std::string EncodeUpRow(const ItemId& item, const UpRow& row);
std::optional<UpRow> DecodeUpRow(const ItemId& item, std::string_view bytes);
// Nothing if `directory` is not placed (or its row fails `rows`).
std::optional<UpRow> LoadUpRow(RowReader& rows, const RowKeys& keys,
                               const ItemId& directory);

// Values of rows `n`: a guest row is the second row of an item that is away.
inline constexpr std::string_view kChildPlain{"\0", 1};
inline constexpr std::string_view kChildAway{"\1", 1};
inline constexpr std::string_view kChildGuest{"\2", 1};

// What one entry touched: where rows below a name came, went or changed, and
// the directories that moved, came or went.
struct Touched {
  std::set<std::pair<ItemId, std::string>> names;  // (parent, name).
  std::set<ItemId> directories;
  std::set<std::pair<std::string, std::string>> docs;
  bool ranks = false;
};

// Keeps the rows `n` and `u` equal to rules T3 and T4 while items change one
// by one. See README.md, "Placement".
class Placement {
 public:
  // Borrows all of it. `item_count` is that of placed items.
  Placement(RowWriter& rows, const RowKeys& keys, ChainRows& chains,
            Touched& touched, std::uint64_t& item_count)
      : rows_(rows),
        keys_(keys),
        chains_(chains),
        touched_(touched),
        item_count_(item_count) {}

  // The item's own placement changed from `before` to `after`. Its head row
  // must show `after` already, those of other items what was told here last.
  void Change(const ItemId& item, const std::optional<Placed>& before,
              const std::optional<Placed>& after);

 private:
  struct Child {
    ItemId item;
    Placed placed;
  };

  std::optional<UpRow> Up(const ItemId& directory);
  std::optional<Placed> BeforeRow(const ItemId& directory);
  [[nodiscard]] bool AliveByItself(const ItemId& directory);
  void AddAncestors(const Placed& placed, std::set<ItemId>& to);
  void AddAncestorsInDoubt(const ItemId& item,
                           const std::optional<Placed>& placed);
  void CloseDoubt();
  bool Revive();
  std::optional<ItemId> ReviveAbove(const Child& child);
  std::vector<Child> PlacedChildren(const std::vector<ItemId>& directories);
  void PutItem(const std::optional<Placed>& placed);
  void PutFile(const std::optional<Placed>& placed);
  void PutDirectory(const ItemId& directory,
                    const std::optional<Placed>& placed);
  std::vector<ItemId> Cycle(const ItemId& from, bool stop_at_away);
  void SetAway(const ItemId& directory, bool away);
  void BreakCycle(const std::vector<ItemId>& cycle);
  void Touch(const ItemId& parent, const std::string& name);

  RowWriter& rows_;
  const RowKeys& keys_;
  ChainRows& chains_;
  Touched& touched_;
  std::uint64_t& item_count_;

  // Of the change under way.
  ItemId item_;
  std::optional<Placed> own_;         // New placement of `item_`.
  std::optional<Placed> file_shown_;  // Where `item_`, a file, has its row.
  std::set<ItemId> doubtful_;
  // Directory rows as they were before the change, of those it wrote.
  std::map<ItemId, std::optional<Placed>> before_;
};

}  // namespace syncline
