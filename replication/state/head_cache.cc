#include "replication/state/head_cache.h"

#include <optional>
#include <utility>

namespace syncline {
namespace {

// What a head takes beyond its bytes, its share of the table included.
constexpr std::size_t kHeadOverhead = sizeof(StoredHead) + 100;
constexpr std::size_t kLocationOverhead = sizeof(StoredLocation) + 40;
constexpr std::size_t kStringOverhead = sizeof(std::string) + 16;

std::size_t BytesOf(const StoredHeads& heads) {
  std::size_t bytes = 0;
  for (const StoredHead& head : heads) {
    bytes += kHeadOverhead + head.value.size();
    bytes += head.sources.size() * sizeof(Dot);
    for (const auto& [key, value] : head.attrs) {
      bytes += 2 * kStringOverhead + key.size() + value.size();
    }
  }
  return bytes;
}

std::size_t BytesOf(const ItemHeads& heads) {
  // Most heads of an item share their location.
  std::size_t bytes = sizeof(ItemHeads) + kLocationOverhead;
  bytes += BytesOf(heads.places) + BytesOf(heads.contents);
  for (const auto& [key, values] : heads.attrs) {
    bytes += kHeadOverhead + key.size() + BytesOf(values);
  }
  return bytes;
}

}  // namespace

void HeadCache::Set(const ItemId& item, ItemHeads heads) {
  const std::size_t bytes = BytesOf(heads);
  items_.Set(item, std::move(heads), bytes);
}

void HeadCache::Set(std::string_view doc_row, StoredHeads heads) {
  const std::size_t bytes = kStringOverhead + doc_row.size() + BytesOf(heads);
  docs_.Set(doc_row, std::move(heads), bytes);
}

ItemHeads LoadItem(RowReader& rows, const RowKeys& keys, const ItemId& item) {
  const std::string key = keys.Item(item);
  const bool staged = rows.Stages(Column::kHeads, key);
  if (!staged) {
    if (const ItemHeads* known = rows.heads().Find(item)) return *known;
  }
  const std::optional<std::string> bytes = rows.Get(Column::kHeads, key);
  if (!rows.status().ok()) return {};
  std::optional<ItemHeads> heads = ItemHeads();
  if (bytes) heads = DecodeItemHeads(*bytes);
  if (!heads) {
    rows.FailRow("heads of item " + item.ToText());
    return {};
  }
  if (!staged) rows.heads().Set(item, *heads);
  return *std::move(heads);
}

StoredHeads LoadDoc(RowReader& rows, const RowKeys& keys,
                    std::string_view name_space, std::string_view key) {
  const std::string row = keys.Doc(name_space, key);
  const bool staged = rows.Stages(Column::kHeads, row);
  if (!staged) {
    if (const StoredHeads* known = rows.heads().Find(row)) return *known;
  }
  const std::optional<std::string> bytes = rows.Get(Column::kHeads, row);
  if (!rows.status().ok()) return {};
  std::optional<StoredHeads> heads = StoredHeads();
  if (bytes) heads = DecodeDocHeads(*bytes);
  if (!heads) {
    rows.FailRow("heads of a document");
    return {};
  }
  if (!staged) rows.heads().Set(row, *heads);
  return *std::move(heads);
}

}  // namespace syncline
