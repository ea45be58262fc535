#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/state/overlay_rows.h"
#include "replication/state/placement.h"
#include "replication/state/recent.h"
#include "replication/state/row_keys.h"

namespace syncline {

// Directories of one name below one (merged) parent are one row (rule T5):
// their ids, ascending, and the path that shows them.
struct DirectoryClass {
  std::vector<ItemId> ids;
  std::string path;
};
using ClassPtr = std::shared_ptr<const DirectoryClass>;

// Classes found before. Whoever changes the tree forgets what it changed.
class ClassCache {
 public:
  // Knows what `below` knows too (borrowed), but adds nothing to it.
  explicit ClassCache(const ClassCache* below = nullptr) : below_(below) {}

  [[nodiscard]] ClassPtr Find(const ItemId& directory) const;
  [[nodiscard]] ClassPtr FindPath(std::string_view path) const;
  void Add(const ClassPtr& directory_class);
  void Forget(const ItemId& directory);
  void Clear();

 private:
  static constexpr std::size_t kClassesMax = 65536;

  const ClassCache* below_;
  absl::flat_hash_map<ItemId, ClassPtr, ItemIdHash> known_;
  BytesMap<ClassPtr> by_path_;
};

// The items of one name below one (merged) parent.
struct NameGroup {
  struct File {
    ItemId parent;
    ItemId item;
  };

  std::vector<ItemId> directories;  // Ascending.
  std::vector<File> files;          // By ascending item.
  // Files whose own name is taken by a directory get another one.
  [[nodiscard]] bool clash() const {
    return !directories.empty() && !files.empty();
  }
};

// Rows `b`: file -> a name that rule T7 tried for it, with whether it got it
// and the name that it has in the tree.
struct MadeUpRow {
  bool shown = false;
  std::string name;
};
std::string EncodeMadeUpRow(const MadeUpRow& row);
std::optional<MadeUpRow> DecodeMadeUpRow(std::string_view bytes);

// Rules T5 to T7 over rows `n`, `u` and `b` as one reader sees them.
class TreeView {
 public:
  using Ids = std::span<const ItemId>;

  // Borrows all of it. `made_up` counts rows `b`: none are looked for if it is
  // zero.
  TreeView(RowReader& rows, const RowKeys& keys, ClassCache& classes,
           const std::uint64_t& made_up)
      : rows_(rows), keys_(keys), classes_(classes), made_up_(made_up) {}

  // Null if `directory` is not placed.
  ClassPtr ClassOf(const ItemId& directory);
  // Null if `path` shows no directory.
  ClassPtr ClassAt(std::string_view path);
  NameGroup Group(Ids parents, std::string_view name);
  // What rule T7 tries for the files of a group with a clash, in order; the
  // last one is theirs.
  std::vector<std::string> MadeUpNames(Ids parents, std::string_view name,
                                       const NameGroup& group);
  // The name that shows the files of `group`.
  std::string ShownName(Ids parents, std::string_view name,
                        const NameGroup& group);
  // The files shown as `name`, ascending, none if a directory has the name.
  // `group` is that of `name`.
  std::vector<ItemId> SlotItems(Ids parents, std::string_view name,
                                const NameGroup& group);
  // Names of the groups for which rule T7 tried `name`.
  std::vector<std::string> TriedBy(Ids parents, std::string_view name);

  RowReader& rows() { return rows_; }
  [[nodiscard]] const RowKeys& keys() const { return keys_; }
  [[nodiscard]] bool has_made_up() const { return made_up_ > 0; }

 private:
  RowReader& rows_;
  const RowKeys& keys_;
  ClassCache& classes_;
  const std::uint64_t& made_up_;
};

// "a" and "b" -> "a/b"; the root's path is empty.
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace syncline
