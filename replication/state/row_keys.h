#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kv/keys.h"
#include "log/entry.h"

namespace syncline {

// What keys in kHeads have behind the project: the live heads of an item, and
// of a document.
inline constexpr char kItemTag = 'i';
inline constexpr char kDocTag = 'd';

// Keys of the rows that hold a project's causal state. Names and document keys
// are written so that keys sort bytewise by name. README.md lists the rows.
class RowKeys {
 public:
  explicit RowKeys(ProjectNumber project) : project_(ProjectPrefix(project)) {}

  // Column kHeads: the live heads of an item, and of a document.
  [[nodiscard]] std::string Item(const ItemId& item) const;
  void SetItem(std::string& key, const ItemId& item) const;
  [[nodiscard]] std::string AllItems() const;  // Prefix.
  [[nodiscard]] std::string Doc(std::string_view name_space,
                                std::string_view key) const;
  void SetDoc(std::string& out, std::string_view name_space,
              std::string_view key) const;
  // Prefix of the documents whose key starts with `key_prefix`.
  [[nodiscard]] std::string DocsOf(std::string_view name_space,
                                   std::string_view key_prefix) const;
  [[nodiscard]] std::string AllDocs() const;  // Prefix.
  // Of another replica's state on its way in (staged_state.h).
  [[nodiscard]] std::string AllStaged() const;  // Prefix.

  // Column kTree. A placed item under its parent.
  [[nodiscard]] std::string Child(const ItemId& parent, std::string_view name,
                                  const ItemId& item) const;
  [[nodiscard]] std::string Named(const ItemId& parent,
                                  std::string_view name) const;      // Prefix.
  [[nodiscard]] std::string ChildrenOf(const ItemId& parent) const;  // Prefix.
  // Of a key Child(): what Named() gave; empty if it is of another kind of
  // rows. And of that: what ChildrenOf() gave.
  static std::string_view GroupOf(std::string_view key);
  static std::string_view DirectoryOf(std::string_view group);
  // Named() and ChildrenOf() in the project of a key Item(), and its item's
  // key form.
  static std::string NamedBeside(std::string_view item_key,
                                 const ItemId& parent, std::string_view name);
  static std::string ChildrenBeside(std::string_view item_key,
                                    const ItemId& parent);
  static std::string_view ItemOf(std::string_view item_key);
  // Of a key Child(): Item() of its item.
  static std::string ItemBeside(std::string_view child_key);
  // Where a directory is: the way up.
  [[nodiscard]] std::string Up(const ItemId& directory) const;
  // A made-up name that a file below `parent` has, or that it was denied.
  [[nodiscard]] std::string MadeUp(const ItemId& parent, std::string_view name,
                                   const ItemId& item) const;
  [[nodiscard]] std::string MadeUpNamed(const ItemId& parent,
                                        std::string_view name) const;
  [[nodiscard]] std::string MadeUpIn(const ItemId& parent) const;  // Prefix.
  // Slots (by their smallest item) and documents with several siblings.
  [[nodiscard]] std::string Several(const ItemId& item) const;
  [[nodiscard]] std::string AllSeveral() const;  // Prefix.
  [[nodiscard]] std::string SeveralDoc(std::string_view name_space,
                                       std::string_view key) const;
  [[nodiscard]] std::string AllSeveralDocs() const;  // Prefix.
  // Prefixes of all rows of a kind.
  [[nodiscard]] std::string ChildrenPrefix() const;
  [[nodiscard]] std::string UpPrefix() const;
  [[nodiscard]] std::string MadeUpPrefix() const;
  // What the rows in the store cover.
  [[nodiscard]] std::string Mark() const;

 private:
  [[nodiscard]] std::string Tagged(char tag) const;
  void SetDocsOf(std::string& out, std::string_view name_space,
                 std::string_view key_prefix) const;

  std::string project_;
};

struct ChildKey {
  std::string_view name;  // A view into the key.
  ItemId item;
};
struct DocKey {
  std::string name_space;
  std::string key;
};

// Of what Named() gave: its parent and name.
std::optional<ChildKey> ParseGroupKey(std::string_view group);
// Read back what is behind the prefix ChildrenOf/MadeUpIn, AllItems/AllSeveral
// and AllDocs/AllSeveralDocs; nothing if malformed.
std::optional<ChildKey> ParseChildKey(std::string_view rest);
std::optional<ItemId> ParseItemKey(std::string_view rest);
std::optional<DocKey> ParseDocKey(std::string_view rest);

}  // namespace syncline
