#include "replication/state/row_keys.h"

namespace syncline {
namespace {

constexpr char kStagedTag = 's';
constexpr char kChildTag = 'n';
constexpr char kUpTag = 'u';
constexpr char kMadeUpTag = 'b';
constexpr char kSeveralTag = 'c';
constexpr char kSeveralDocTag = 'e';
constexpr char kMarkTag = 'm';

constexpr std::size_t kProjectBytes = 4;
constexpr std::size_t kDirectoryBytes = kProjectBytes + 1 + ItemId::kKeyBytes;

constexpr char kEscaped = '\xff';

// NUL becomes NUL ff, and NUL NUL ends the text: sorts as the text does.
void AppendOrdered(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) break;
    out.append(text.substr(0, end + 1));
    out.push_back(kEscaped);
    text.remove_prefix(end + 1);
  }
  out.append(text);
}

void AppendOrderedEnd(std::string& out) { out.append(2, '\0'); }

std::optional<std::string> TakeOrdered(std::string_view& rest) {
  std::string text;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '\0') {
      text.push_back(rest[i]);
      continue;
    }
    if (++i == rest.size()) return std::nullopt;
    if (rest[i] == '\0') {
      rest.remove_prefix(i + 1);
      return text;
    }
    if (rest[i] != kEscaped) return std::nullopt;
    text.push_back('\0');
  }
  return std::nullopt;
}

}  // namespace

std::string RowKeys::Tagged(char tag) const {
  std::string key;
  key.reserve(128);
  key += project_;
  key.push_back(tag);
  return key;
}

std::string RowKeys::Item(const ItemId& item) const {
  std::string key = Tagged(kItemTag);
  item.AppendKey(key);
  return key;
}

void RowKeys::SetItem(std::string& key, const ItemId& item) const {
  key = project_;
  key.push_back(kItemTag);
  item.AppendKey(key);
}

std::string RowKeys::AllItems() const { return Tagged(kItemTag); }

std::string RowKeys::Doc(std::string_view name_space,
                         std::string_view key) const {
  std::string out;
  SetDoc(out, name_space, key);
  return out;
}

void RowKeys::SetDoc(std::string& out, std::string_view name_space,
                     std::string_view key) const {
  SetDocsOf(out, name_space, key);
  AppendOrderedEnd(out);
}

std::string RowKeys::DocsOf(std::string_view name_space,
                            std::string_view key_prefix) const {
  std::string out;
  SetDocsOf(out, name_space, key_prefix);
  return out;
}

void RowKeys::SetDocsOf(std::string& out, std::string_view name_space,
                        std::string_view key_prefix) const {
  out = project_;
  out.push_back(kDocTag);
  AppendOrdered(out, name_space);
  AppendOrderedEnd(out);
  AppendOrdered(out, key_prefix);
}

std::string RowKeys::AllDocs() const { return Tagged(kDocTag); }

std::string RowKeys::AllStaged() const { return Tagged(kStagedTag); }

std::string RowKeys::Child(const ItemId& parent, std::string_view name,
                           const ItemId& item) const {
  std::string key = Named(parent, name);
  item.AppendKey(key);
  return key;
}

// Names hold no NUL, so one ends them and sorts before all their bytes.
std::string RowKeys::Named(const ItemId& parent, std::string_view name) const {
  std::string key = ChildrenOf(parent);
  key += name;
  key.push_back('\0');
  return key;
}

std::string RowKeys::ChildrenOf(const ItemId& parent) const {
  std::string key = Tagged(kChildTag);
  parent.AppendKey(key);
  return key;
}

std::string_view RowKeys::GroupOf(std::string_view key) {
  if (key.size() <= kDirectoryBytes + ItemId::kKeyBytes ||
      key[kProjectBytes] != kChildTag) {
    return {};
  }
  return key.substr(0, key.size() - ItemId::kKeyBytes);
}

std::string_view RowKeys::DirectoryOf(std::string_view group) {
  return group.substr(0, kDirectoryBytes);
}

std::string RowKeys::NamedBeside(std::string_view item_key,
                                 const ItemId& parent, std::string_view name) {
  std::string key = ChildrenBeside(item_key, parent);
  key += name;
  key.push_back('\0');
  return key;
}

std::string RowKeys::ChildrenBeside(std::string_view item_key,
                                    const ItemId& parent) {
  std::string key(item_key.substr(0, kProjectBytes));
  key.push_back(kChildTag);
  parent.AppendKey(key);
  return key;
}

std::string_view RowKeys::ItemOf(std::string_view item_key) {
  return item_key.substr(kProjectBytes + 1);
}

std::string RowKeys::ItemBeside(std::string_view child_key) {
  std::string key(child_key.substr(0, kProjectBytes));
  key.push_back(kItemTag);
  key += child_key.substr(child_key.size() - ItemId::kKeyBytes);
  return key;
}

std::string RowKeys::Up(const ItemId& directory) const {
  std::string key = Tagged(kUpTag);
  directory.AppendKey(key);
  return key;
}

std::string RowKeys::MadeUp(const ItemId& parent, std::string_view name,
                            const ItemId& item) const {
  std::string key = MadeUpNamed(parent, name);
  item.AppendKey(key);
  return key;
}

std::string RowKeys::MadeUpNamed(const ItemId& parent,
                                 std::string_view name) const {
  std::string key = MadeUpIn(parent);
  key += name;
  key.push_back('\0');
  return key;
}

std::string RowKeys::MadeUpIn(const ItemId& parent) const {
  std::string key = Tagged(kMadeUpTag);
  parent.AppendKey(key);
  return key;
}

std::string RowKeys::Several(const ItemId& item) const {
  std::string key = Tagged(kSeveralTag);
  item.AppendKey(key);
  return key;
}

std::string RowKeys::AllSeveral() const { return Tagged(kSeveralTag); }

std::string RowKeys::SeveralDoc(std::string_view name_space,
                                std::string_view key) const {
  std::string out = Tagged(kSeveralDocTag);
  AppendOrdered(out, name_space);
  AppendOrderedEnd(out);
  AppendOrdered(out, key);
  AppendOrderedEnd(out);
  return out;
}

std::string RowKeys::AllSeveralDocs() const { return Tagged(kSeveralDocTag); }

std::string RowKeys::ChildrenPrefix() const { return Tagged(kChildTag); }
std::string RowKeys::UpPrefix() const { return Tagged(kUpTag); }
std::string RowKeys::MadeUpPrefix() const { return Tagged(kMadeUpTag); }

std::string RowKeys::Mark() const { return Tagged(kMarkTag); }

std::optional<ChildKey> ParseGroupKey(std::string_view group) {
  if (group.size() <= kDirectoryBytes) return std::nullopt;
  const std::optional<ItemId> parent =
      ItemId::FromKey(group.substr(kProjectBytes + 1, ItemId::kKeyBytes));
  if (!parent) return std::nullopt;
  group.remove_prefix(kDirectoryBytes);
  group.remove_suffix(1);
  return ChildKey{group, *parent};
}

std::optional<ChildKey> ParseChildKey(std::string_view rest) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::optional<ItemId> item = ItemId::FromKey(rest.substr(end + 1));
  if (!item) return std::nullopt;
  return ChildKey{rest.substr(0, end), *item};
}

std::optional<ItemId> ParseItemKey(std::string_view rest) {
  return ItemId::FromKey(rest);
}

std::optional<DocKey> ParseDocKey(std::string_view rest) {
  std::optional<std::string> name_space = TakeOrdered(rest);
  if (!name_space) return std::nullopt;
  std::optional<std::string> key = TakeOrdered(rest);
  if (!key || !rest.empty()) return std::nullopt;
  return DocKey{*std::move(name_space), *std::move(key)};
}

}  // namespace syncline
