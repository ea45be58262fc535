#include "log/entry.h"

#include <charconv>

#include "base/bytes.h"

namespace syncline {
namespace {

std::optional<ItemKind> KindFromLetter(char letter) {
  switch (letter) {
    case 'd':
      return ItemKind::kDirectory;
    case 'f':
      return ItemKind::kFile;
    case 'l':
      return ItemKind::kSymlink;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<ItemId> ItemId::FromText(std::string_view text) {
  if (text.size() < 2 || text[text.size() - 2] != '.') return std::nullopt;
  const std::optional<ItemKind> kind = KindFromLetter(text.back());
  text.remove_suffix(2);
  const std::size_t split = text.rfind('.');
  if (!kind || split == std::string_view::npos) return std::nullopt;
  const std::optional<Dot> dot = Dot::FromText(text.substr(0, split));
  const std::string_view digits = text.substr(split + 1);
  if (!dot || digits.empty() || (digits[0] == '0' && digits.size() > 1)) {
    return std::nullopt;
  }
  ItemId id{dot->origin, dot->counter, 0, *kind};
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, id.index);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return id;
}

std::string ItemId::ToText() const {
  return dot().ToText() + "." + std::to_string(index) + "." +
         static_cast<char>(kind);
}

std::optional<ItemId> ItemId::FromKey(std::string_view key) {
  if (key.size() != kKeyBytes) return std::nullopt;
  ByteReader reader(key);
  ItemId id;
  id.origin = *Origin::FromBytes(reader.Bytes(Origin::kBytes));
  id.counter = reader.U64();
  id.index = reader.U32();
  const std::optional<ItemKind> kind =
      KindFromLetter(static_cast<char>(reader.U8()));
  if (!kind) return std::nullopt;
  id.kind = *kind;
  return id;
}

void ItemId::AppendKey(std::string& out) const {
  out += origin.view();
  AppendU64(out, counter);
  AppendU32(out, index);
  out.push_back(static_cast<char>(kind));
}

}  // namespace syncline
