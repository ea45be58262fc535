#include "replication/state/placement.h"

#include <algorithm>

#include "base/bytes.h"
#include "replication/state/head_cache.h"

namespace syncline {

std::optional<Placed> OwnPlacement(const ItemId& item, const ItemHeads& heads) {
  if (!item.IsDirectory() && heads.contents.empty()) return std::nullopt;
  if (item.IsDirectory() && heads.places.empty()) return std::nullopt;
  const StoredHead& head =
      NewestOf(heads.places.empty() ? heads.contents : heads.places);
  return Placed{head.order, head.at->parent, head.at->name, head.at->chain,
                item};
}

std::string EncodeUpRow(const ItemId& item, const UpRow& row) {
  const Placed& placed = row.placed;
  std::string out;
  out.push_back(row.away ? '\1' : '\0');
  placed.parent.AppendKey(out);
  AppendSized(out, placed.name);
  AppendU64(out, placed.order.hlc.packed);
  out += placed.order.origin.view();
  AppendVarint(out, placed.order.counter);
  AppendVarint(out, placed.order.index);
  AppendVarint(out, placed.chain.length);
  if (placed.chain.length > 0) out += placed.chain.hash.view();
  if (row.Revived(item)) placed.source.AppendKey(out);
  return out;
}

std::optional<UpRow> DecodeUpRow(const ItemId& item, std::string_view bytes) {
  ByteReader reader(bytes);
  UpRow row;
  Placed& placed = row.placed;
  row.away = reader.U8() == 1;
  const auto parent = ItemId::FromKey(reader.Bytes(ItemId::kKeyBytes));
  placed.name = reader.Sized();
  placed.order.hlc.packed = reader.U64();
  const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
  placed.order.counter = reader.Varint();
  placed.order.index = static_cast<std::uint32_t>(reader.Varint());
  placed.chain.length = static_cast<std::uint32_t>(reader.Varint());
  if (placed.chain.length > 0) {
    const auto hash = Hash::FromBytes(reader.Bytes(Hash::kBytes));
    if (hash) placed.chain.hash = *hash;
  }
  if (!parent || !origin || !reader.ok()) return std::nullopt;
  placed.parent = *parent;
  placed.order.origin = *origin;
  placed.source = item;
  if (!reader.AtEnd()) {
    const auto source = ItemId::FromKey(reader.rest());
    if (!source) return std::nullopt;
    placed.source = *source;
  }
  return row;
}

std::optional<UpRow> LoadUpRow(RowReader& rows, const RowKeys& keys,
                               const ItemId& directory) {
  const std::optional<std::string> bytes =
      rows.Get(Column::kTree, keys.Up(directory));
  if (!bytes) return std::nullopt;
  std::optional<UpRow> row = DecodeUpRow(directory, *bytes);
  if (!row) rows.FailRow("row of directory " + directory.ToText());
  return row;
}

void Placement::Change(const ItemId& item, const std::optional<Placed>& before,
                       const std::optional<Placed>& after) {
  item_ = item;
  own_ = after;
  file_shown_ = before;
  doubtful_.clear();
  before_.clear();
  if (item.IsDirectory()) doubtful_.insert(item);
  AddAncestorsInDoubt(item, before);
  AddAncestorsInDoubt(item, after);
  PutItem(std::nullopt);
  if (doubtful_.empty()) {
    PutItem(own_);
    return;
  }
  while (rows_.status().ok() && !Revive()) {
  }
}

std::optional<UpRow> Placement::Up(const ItemId& directory) {
  return LoadUpRow(rows_, keys_, directory);
}

std::optional<Placed> Placement::BeforeRow(const ItemId& directory) {
  if (auto at = before_.find(directory); at != before_.end()) {
    return at->second;
  }
  const std::optional<UpRow> up = Up(directory);
  return up ? std::optional(up->placed) : std::nullopt;
}

bool Placement::AliveByItself(const ItemId& directory) {
  if (directory == item_) return own_.has_value();
  const std::optional<UpRow> up = Up(directory);
  return up && !up->Revived(directory);
}

void Placement::AddAncestors(const Placed& placed, std::set<ItemId>& to) {
  for (const auto& [directory, name] : chains_.Load(rows_, placed.chain)) {
    to.insert(directory);
  }
}

// An item whose parent is alive by itself revives nothing, so it puts nothing
// above it in doubt, and its chain need not be read.
void Placement::AddAncestorsInDoubt(const ItemId& item,
                                    const std::optional<Placed>& placed) {
  if (!placed || placed->parent == kRoot) return;
  if (placed->parent != item) {
    const std::optional<UpRow> up = Up(placed->parent);
    if (up && !up->Revived(placed->parent)) return;
  }
  AddAncestors(*placed, doubtful_);
}

// For a revived directory in doubt, those on the chain of its source are too.
void Placement::CloseDoubt() {
  std::vector<ItemId> pending(doubtful_.begin(), doubtful_.end());
  while (!pending.empty() && rows_.status().ok()) {
    const ItemId directory = pending.back();
    pending.pop_back();
    const std::optional<Placed> row = BeforeRow(directory);
    if (!row || row->source == directory) continue;
    std::set<ItemId> above;
    AddAncestors(*row, above);
    for (const ItemId& id : above) {
      if (doubtful_.insert(id).second) pending.push_back(id);
    }
  }
}

// Places the dead directories in doubt anew. False: one more is in doubt,
// start again.
bool Placement::Revive() {
  CloseDoubt();
  std::vector<ItemId> dead;
  for (const ItemId& directory : doubtful_) {
    if (!AliveByItself(directory)) dead.push_back(directory);
  }
  for (const ItemId& directory : dead) PutDirectory(directory, std::nullopt);
  if (own_) PutItem(own_);
  for (const Child& child : PlacedChildren(dead)) {
    if (const auto joins = ReviveAbove(child)) {
      doubtful_.insert(*joins);
      return false;
    }
  }
  return true;
}

// Walks from `child` up its chain and revives the dead. Returns a directory
// that was revived by an older item, if the walk meets one.
std::optional<ItemId> Placement::ReviveAbove(const Child& child) {
  std::optional<Chain> chain;
  ItemId parent = child.placed.parent;
  std::size_t length = child.placed.chain.length;
  while (parent != kRoot && !AliveByItself(parent)) {
    if (const std::optional<UpRow> there = Up(parent)) {
      if (there->placed.order >= child.placed.order) break;
      return parent;
    }
    if (!chain) chain = chains_.Load(rows_, child.placed.chain);
    if (length == 0 || length > chain->size()) {
      rows_.FailRow("chain of item " + child.item.ToText());
      break;
    }
    --length;
    Placed revived{child.placed.order,
                   length > 0 ? (*chain)[length - 1].first : kRoot,
                   (*chain)[length].second,
                   {},
                   child.placed.source};
    if (length > 0) {
      revived.chain = {child.placed.chain.hash,
                       static_cast<std::uint32_t>(length)};
    }
    PutDirectory(parent, revived);
    doubtful_.insert(parent);
    parent = revived.parent;
  }
  return std::nullopt;
}

// By descending order.
std::vector<Placement::Child> Placement::PlacedChildren(
    const std::vector<ItemId>& directories) {
  std::vector<Child> children;
  for (const ItemId& directory : directories) {
    std::vector<ItemId> items;
    rows_.ForEach(Column::kTree, keys_.ChildrenOf(directory),
                  [&](std::string_view rest, std::string_view value) {
                    const auto key = ParseChildKey(rest);
                    if (key && value != kChildGuest) items.push_back(key->item);
                    return true;
                  });
    for (const ItemId& item : items) {
      std::optional<Placed> placed;
      if (item.IsDirectory()) {
        if (const auto up = Up(item)) placed = up->placed;
      } else {
        placed = OwnPlacement(item, LoadItem(rows_, keys_, item));
      }
      if (placed) {
        children.push_back({item, *std::move(placed)});
      } else {
        rows_.FailRow("row of item " + item.ToText());
      }
    }
  }
  std::sort(children.begin(), children.end(),
            [](const Child& a, const Child& b) {
              return std::tie(b.placed.order, b.item) <
                     std::tie(a.placed.order, a.item);
            });
  return children;
}

void Placement::PutItem(const std::optional<Placed>& placed) {
  if (item_.IsDirectory()) {
    PutDirectory(item_, placed);
  } else {
    PutFile(placed);
  }
}

void Placement::PutFile(const std::optional<Placed>& placed) {
  if (file_shown_) {
    rows_.Delete(Column::kTree,
                 keys_.Child(file_shown_->parent, file_shown_->name, item_));
    Touch(file_shown_->parent, file_shown_->name);
    --item_count_;
  }
  file_shown_ = placed;
  if (!placed) return;
  rows_.Put(Column::kTree, keys_.Child(placed->parent, placed->name, item_),
            std::string(kChildPlain));
  Touch(placed->parent, placed->name);
  ++item_count_;
}

void Placement::PutDirectory(const ItemId& directory,
                             const std::optional<Placed>& placed) {
  const std::optional<UpRow> old = Up(directory);
  before_.try_emplace(directory,
                      old ? std::optional(old->placed) : std::nullopt);
  if (!old && !placed) return;
  touched_.directories.insert(directory);
  if (old) {
    for (const ItemId& id : Cycle(directory, false)) SetAway(id, false);
    rows_.Delete(Column::kTree,
                 keys_.Child(old->placed.parent, old->placed.name, directory));
    rows_.Delete(Column::kTree, keys_.Up(directory));
    Touch(old->placed.parent, old->placed.name);
    --item_count_;
  }
  if (!placed) return;
  rows_.Put(Column::kTree, keys_.Up(directory),
            EncodeUpRow(directory, {*placed, false}));
  rows_.Put(Column::kTree, keys_.Child(placed->parent, placed->name, directory),
            std::string(kChildPlain));
  Touch(placed->parent, placed->name);
  ++item_count_;
  BreakCycle(Cycle(directory, true));
}

// The directories on the cycle of parents (before T4) that `from` lies on;
// empty if it lies on none.
std::vector<ItemId> Placement::Cycle(const ItemId& from, bool stop_at_away) {
  std::vector<ItemId> way;
  std::set<ItemId> seen;
  ItemId at = from;
  while (seen.insert(at).second) {
    const std::optional<UpRow> up = Up(at);
    if (!up || (stop_at_away && up->away)) return {};
    way.push_back(at);
    at = up->placed.parent;
  }
  if (at != from) return {};
  return way;
}

void Placement::BreakCycle(const std::vector<ItemId>& cycle) {
  std::optional<std::pair<HeadOrder, ItemId>> largest;
  for (const ItemId& id : cycle) {
    const std::optional<UpRow> up = Up(id);
    if (!up) return;
    std::pair<HeadOrder, ItemId> candidate{up->placed.order, id};
    if (!largest || *largest < candidate) largest = std::move(candidate);
  }
  if (largest) SetAway(largest->second, true);
}

void Placement::SetAway(const ItemId& directory, bool away) {
  std::optional<UpRow> up = Up(directory);
  if (!up || up->away == away) return;
  before_.try_emplace(directory, up->placed);
  up->away = away;
  const Placed& placed = up->placed;
  touched_.directories.insert(directory);
  rows_.Put(Column::kTree, keys_.Up(directory), EncodeUpRow(directory, *up));
  rows_.Put(Column::kTree, keys_.Child(placed.parent, placed.name, directory),
            std::string(away ? kChildAway : kChildPlain));
  const std::string guest = keys_.Child(kRoot, placed.name, directory);
  if (away) {
    rows_.Put(Column::kTree, guest, std::string(kChildGuest));
  } else {
    rows_.Delete(Column::kTree, guest);
  }
  Touch(placed.parent, placed.name);
  Touch(kRoot, placed.name);
}

void Placement::Touch(const ItemId& parent, const std::string& name) {
  touched_.names.emplace(parent, name);
}

}  // namespace syncline
