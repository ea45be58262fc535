#include "replication/mirror/base_token.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/status.h"

namespace syncline {
namespace {

// What of a row the disk shows too.
struct Agreement {
  bool content = false;
  bool place = false;
  Attrs row_attrs;
  const Attrs* disk_attrs = nullptr;

  [[nodiscard]] bool Of(const RegisterId& reg) const {
    switch (reg.field) {
      case RegisterId::Field::kContent:
        return content;
      case RegisterId::Field::kPlace:
        return place;
      case RegisterId::Field::kAttr:
        return content &&
               AttrOf(row_attrs, reg.key) == AttrOf(*disk_attrs, reg.key);
      case RegisterId::Field::kDoc:
        return false;
    }
    return false;
  }
};

// `fresh` without what the disk does not show.
Token Restrict(Token fresh, const ItemId& item, const Agreement& agreed,
               const Token& before, const std::optional<Dot>& own) {
  if (!agreed.content && !item.IsDirectory()) {
    const auto at = std::find(fresh.items.begin(), fresh.items.end(), item);
    if (at != fresh.items.end()) {
      const auto index =
          static_cast<std::size_t>(std::distance(fresh.items.begin(), at));
      fresh.locations = {fresh.locations[index]};
      fresh.items = {item};
    }
    fresh.item = item;
  }
  std::erase_if(fresh.heads, [&](const auto& head) {
    const auto& [reg, dot] = head;
    if (std::find(fresh.items.begin(), fresh.items.end(), reg.item) ==
        fresh.items.end()) {
      return true;
    }
    return !agreed.Of(reg) && own != dot &&
           !std::binary_search(before.heads.begin(), before.heads.end(), head);
  });
  return fresh;
}

}  // namespace

std::string_view AttrOf(const Attrs& attrs, std::string_view key) {
  for (const auto& [name, value] : attrs) {
    if (name == key) return value;
  }
  return {};
}

Attrs DiskAttrs(const Fingerprint& fingerprint) {
  Attrs attrs;
  if (fingerprint.kind != DiskKind::kFile) return attrs;
  if (fingerprint.executable()) attrs.emplace_back("exec", "1");
  attrs.emplace_back("mtime", std::to_string(fingerprint.mtime_ns));
  return attrs;
}

Attrs ProjectAttrs(const Attrs& attrs, ItemKind kind) {
  Attrs projected;
  if (kind != ItemKind::kFile) return projected;
  if (AttrOf(attrs, "exec") == "1") projected.emplace_back("exec", "1");
  const std::string_view mtime = AttrOf(attrs, "mtime");
  std::int64_t ns = 0;
  const auto [end, error] =
      std::from_chars(mtime.data(), mtime.data() + mtime.size(), ns);
  if (error == std::errc() && end == mtime.data() + mtime.size()) {
    projected.emplace_back("mtime", std::to_string(ns));
  }
  return projected;
}

bool AttrsDiffer(const Attrs& target, const Attrs& base) {
  if (AttrOf(target, "exec") != AttrOf(base, "exec")) return true;
  const std::string_view mtime = AttrOf(target, "mtime");
  return !mtime.empty() && mtime != AttrOf(base, "mtime");
}

absl::StatusOr<Token> ReadToken(std::string_view bytes) {
  auto token = DecodeToken(bytes);
  if (!token.ok()) return DataLoss("malformed token in a mirror row");
  return token;
}

absl::StatusOr<Accepted> AcceptDisk(const CausalState& state,
                                    const ItemId& item, std::string_view path,
                                    std::string_view payload,
                                    const Attrs& attrs, std::string_view before,
                                    const std::optional<Dot>& own) {
  Token old;
  if (!before.empty()) {
    SYNCLINE_ASSIGN_OR_RETURN(old, ReadToken(before));
  }
  Accepted accepted{std::string(before), false};
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                            state.PathOf(item));
  if (!where) return accepted;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row, state.Lookup(*where));
  if (!row) return accepted;
  Agreement agreed;
  agreed.place = *where == path;
  agreed.content =
      row->kind == item.kind &&
      (row->IsDirectory() || row->shown_sibling().payload() == payload);
  agreed.row_attrs = ProjectAttrs(row->attrs, item.kind);
  agreed.disk_attrs = &attrs;
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Token> fresh,
                            state.Read(*where, !agreed.content));
  if (!fresh) return accepted;
  accepted.matches =
      agreed.content && agreed.place && !AttrsDiffer(agreed.row_attrs, attrs);
  accepted.token =
      EncodeToken(Restrict(*std::move(fresh), item, agreed, old, own));
  return accepted;
}

}  // namespace syncline
