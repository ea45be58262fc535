#include "replication/state/plain_view.h"

#include <utility>

#include "replication/state/head_cache.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

Head HeadOf(const PlainHead& plain, std::string_view value) {
  Head head;
  head.order = plain.order;
  head.generation = plain.generation;
  head.value = std::string(value);
  head.sources = {plain.order.dot()};
  head.arrival = plain.arrival;
  return head;
}

// The only item of a name; nothing if there are others, or none.
std::optional<ItemId> OnlyItem(RowReader& rows, const std::string& group) {
  std::optional<ItemId> only;
  int count = 0;
  rows.ForEachOf(group, [&](std::string_view rest, std::string_view) {
    only = ParseItemKey(rest);
    return ++count == 1;
  });
  if (count != 1 || !rows.status().ok()) return std::nullopt;
  return only;
}

}  // namespace

std::optional<PlainItem> PlainItemAt(RowReader& rows, const RowKeys& keys,
                                     const ItemId& parent,
                                     std::string_view name) {
  if (rows.stages()) return std::nullopt;
  HeadRow* row = rows.FindAlone(parent, name);
  const bool known = row != nullptr;
  if (!known) {
    const auto item = OnlyItem(rows, keys.Named(parent, name));
    if (!item || item->IsDirectory()) return std::nullopt;
    row = rows.Unstaged(keys.Item(*item));
  }
  if (row == nullptr || !row->value()) return std::nullopt;
  const std::optional<PlainFile> file = ParsePlainFile(*row->value());
  const auto item = ParseItemKey(RowKeys::ItemOf(row->key()));
  if (!file || !item || file->at.parent != parent || file->at.name != name) {
    return std::nullopt;
  }
  if (!known) rows.heads().SetAlone(*row, parent, name);
  return PlainItem{*item, *file};
}

Row RowOf(const PlainItem& plain) {
  Row row;
  row.kind = plain.item.kind;
  row.items = {plain.item};
  row.attrs = UnpackAttrs(plain.file.attrs);
  Sibling& sibling = row.siblings.emplace_back();
  sibling.reg = {Field::kContent, plain.item, {}, {}};
  sibling.head = HeadOf(plain.file.content, plain.file.payload);
  sibling.head.attrs = row.attrs;
  return row;
}

Row RowOf(std::string_view name_space, std::string_view key,
          const PlainDocument& document) {
  Row row;
  Sibling& sibling = row.siblings.emplace_back();
  sibling.reg = {Field::kDoc, {}, std::string(name_space), std::string(key)};
  sibling.head = HeadOf(document.head, document.payload);
  return row;
}

Token TokenOf(const PlainItem& plain, Location at) {
  Token token;
  token.item = plain.item;
  token.items = {plain.item};
  token.locations.push_back(std::move(at));
  token.attrs = UnpackAttrs(plain.file.attrs);
  token.heads.reserve(2);
  token.heads.emplace_back(RegisterId{Field::kContent, plain.item, {}, {}},
                           plain.file.content.order.dot());
  token.heads.emplace_back(RegisterId{Field::kPlace, plain.item, {}, {}},
                           plain.file.place.order.dot());
  return token;
}

}  // namespace syncline
