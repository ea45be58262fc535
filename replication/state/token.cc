#include "replication/state/row.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::uint8_t kTokenFormat = 1;

void AppendItem(std::string& out, const ItemId& item) { item.AppendKey(out); }

void AppendLocation(std::string& out, const Location& at) {
  AppendItem(out, at.parent);
  AppendSized(out, at.name);
  AppendVarint(out, at.chain.size());
  for (const auto& [item, name] : at.chain) {
    AppendItem(out, item);
    AppendSized(out, name);
  }
}

ItemId TakeItem(ByteReader& reader, bool& ok) {
  const auto item = ItemId::FromKey(reader.Bytes(ItemId::kKeyBytes));
  ok = ok && item.has_value();
  return item.value_or(kRoot);
}

Location TakeLocation(ByteReader& reader, bool& ok) {
  Location at;
  at.parent = TakeItem(reader, ok);
  at.name = reader.Sized();
  const std::uint64_t count = reader.Varint();
  for (std::uint64_t i = 0; i < count && ok && reader.ok(); ++i) {
    const ItemId item = TakeItem(reader, ok);
    at.chain.emplace_back(item, reader.Sized());
  }
  return at;
}

std::pair<RegisterId, Dot> TakeHeadName(ByteReader& reader, bool& ok) {
  std::pair<RegisterId, Dot> head;
  RegisterId& reg = head.first;
  const std::uint8_t field = reader.U8();
  ok = ok && field <= static_cast<std::uint8_t>(RegisterId::Field::kPlace);
  reg.field = static_cast<RegisterId::Field>(field);
  if (reg.field == RegisterId::Field::kDoc) {
    reg.name_space = reader.Sized();
  } else {
    reg.item = TakeItem(reader, ok);
  }
  reg.key = reader.Sized();
  const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
  ok = ok && origin.has_value();
  head.second = {origin.value_or(Origin{}), reader.Varint()};
  return head;
}

// Sorted, and each element once.
template <typename List>
bool Ascending(const List& list) {
  return std::adjacent_find(list.begin(), list.end(),
                            [](const auto& a, const auto& b) {
                              return !(a < b);
                            }) == list.end();
}

}  // namespace

Dots Token::DotsOf(const ItemId& of, RegisterId::Field field) const {
  Dots dots;
  for (const auto& [reg, dot] : heads) {
    if (reg.field == field && reg.item == of) dots.push_back(dot);
  }
  std::sort(dots.begin(), dots.end());
  return dots;
}

std::string EncodeToken(const Token& token) {
  std::string out(1, static_cast<char>(kTokenFormat));
  AppendItem(out, token.item);
  AppendVarint(out, token.items.size());
  for (const ItemId& item : token.items) AppendItem(out, item);
  AppendVarint(out, token.locations.size());
  for (const Location& at : token.locations) AppendLocation(out, at);
  AppendVarint(out, token.attrs.size());
  for (const auto& [key, value] : token.attrs) {
    AppendSized(out, key);
    AppendSized(out, value);
  }
  AppendVarint(out, token.heads.size());
  for (const auto& [reg, dot] : token.heads) {
    out.push_back(static_cast<char>(reg.field));
    if (reg.field == RegisterId::Field::kDoc) {
      AppendSized(out, reg.name_space);
    } else {
      AppendItem(out, reg.item);
    }
    AppendSized(out, reg.key);
    out += dot.origin.view();
    AppendVarint(out, dot.counter);
  }
  return out;
}

absl::StatusOr<Token> DecodeToken(std::string_view bytes) {
  ByteReader reader(bytes);
  Token token;
  bool ok = reader.U8() == kTokenFormat;
  const auto more = [&](std::uint64_t i, std::uint64_t count) {
    return i < count && ok && reader.ok();
  };
  token.item = TakeItem(reader, ok);
  const std::uint64_t items = reader.Varint();
  for (std::uint64_t i = 0; more(i, items); ++i) {
    token.items.push_back(TakeItem(reader, ok));
  }
  const std::uint64_t locations = reader.Varint();
  for (std::uint64_t i = 0; more(i, locations); ++i) {
    token.locations.push_back(TakeLocation(reader, ok));
  }
  const std::uint64_t attrs = reader.Varint();
  for (std::uint64_t i = 0; more(i, attrs); ++i) {
    std::string key(reader.Sized());
    token.attrs.emplace_back(std::move(key), reader.Sized());
  }
  const std::uint64_t heads = reader.Varint();
  for (std::uint64_t i = 0; more(i, heads); ++i) {
    token.heads.push_back(TakeHeadName(reader, ok));
  }
  ok = ok && reader.AtEnd() && token.items.size() == token.locations.size() &&
       std::find(token.items.begin(), token.items.end(), token.item) !=
           token.items.end() &&
       Ascending(token.attrs) && Ascending(token.heads);
  if (!ok) return InvalidArgument("token: malformed");
  return token;
}

}  // namespace syncline
