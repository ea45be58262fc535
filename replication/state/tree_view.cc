#include "replication/state/tree_view.h"

#include <algorithm>
#include <set>

#include "replication/state/names.h"

namespace syncline {
namespace {

const ClassPtr& RootClass() {
  static const ClassPtr kRootClass = std::make_shared<const DirectoryClass>(
      DirectoryClass{{kRoot}, std::string()});
  return kRootClass;
}

}  // namespace

ClassPtr ClassCache::Find(const ItemId& directory) const {
  auto at = known_.find(directory);
  if (at != known_.end()) return at->second;
  return below_ == nullptr ? nullptr : below_->Find(directory);
}

ClassPtr ClassCache::FindPath(std::string_view path) const {
  auto at = by_path_.find(path);
  if (at != by_path_.end()) return at->second;
  return below_ == nullptr ? nullptr : below_->FindPath(path);
}

void ClassCache::Add(const ClassPtr& directory_class) {
  if (known_.size() >= kClassesMax) Clear();
  for (const ItemId& id : directory_class->ids) known_[id] = directory_class;
  by_path_[directory_class->path] = directory_class;
}

void ClassCache::Forget(const ItemId& directory) {
  auto at = known_.find(directory);
  if (at == known_.end()) return;
  by_path_.erase(at->second->path);
  known_.erase(at);
}

void ClassCache::Clear() {
  known_.clear();
  by_path_.clear();
}

std::string EncodeMadeUpRow(const MadeUpRow& row) {
  return std::string(1, row.shown ? '\1' : '\0') + row.name;
}

std::optional<MadeUpRow> DecodeMadeUpRow(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  return MadeUpRow{bytes[0] == '\1', std::string(bytes.substr(1))};
}

ClassPtr TreeView::ClassAt(std::string_view path) {
  std::size_t known = path.size();  // Of the longest prefix that is known.
  ClassPtr at = path.empty() ? RootClass() : classes_.FindPath(path);
  while (!at) {
    known = path.substr(0, known).rfind('/');
    if (known == std::string_view::npos) known = 0;
    at = known == 0 ? RootClass() : classes_.FindPath(path.substr(0, known));
  }
  while (known < path.size()) {
    const std::size_t begin = known == 0 ? 0 : known + 1;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    NameGroup group = Group(at->ids, path.substr(begin, end - begin));
    if (group.directories.empty() || !rows_.status().ok()) return nullptr;
    at = std::make_shared<const DirectoryClass>(DirectoryClass{
        std::move(group.directories), std::string(path.substr(0, end))});
    classes_.Add(at);
    known = end;
  }
  return at;
}

ClassPtr TreeView::ClassOf(const ItemId& directory) {
  std::vector<std::pair<ItemId, std::string>> way;  // From below upwards.
  std::set<ItemId> seen;
  ItemId at = directory;
  ClassPtr above;
  for (;;) {
    above = at == kRoot ? RootClass() : classes_.Find(at);
    if (above) break;
    const std::optional<UpRow> up = LoadUpRow(rows_, keys_, at);
    if (!up && at == directory) return nullptr;
    if (!up || !seen.insert(at).second) {
      rows_.FailRow("way up from directory " + directory.ToText());
      return nullptr;
    }
    way.emplace_back(at, up->placed.name);
    at = up->parent();
  }
  for (; !way.empty(); way.pop_back()) {
    const auto& [id, name] = way.back();
    NameGroup group = Group(above->ids, name);
    if (!std::binary_search(group.directories.begin(), group.directories.end(),
                            id)) {
      rows_.FailRow("name of directory " + id.ToText());
      return nullptr;
    }
    if (!rows_.status().ok()) return nullptr;  // Nor remember half a class.
    above = std::make_shared<const DirectoryClass>(DirectoryClass{
        std::move(group.directories), JoinPath(above->path, name)});
    classes_.Add(above);
  }
  return above;
}

NameGroup TreeView::Group(Ids parents, std::string_view name) {
  NameGroup group;
  for (const ItemId& parent : parents) {
    rows_.ForEachOf(keys_.Named(parent, name),
                    [&](std::string_view rest, std::string_view value) {
                      const std::optional<ItemId> item = ParseItemKey(rest);
                      if (!item) {
                        rows_.FailRow("child key");
                      } else if (value == kChildAway) {
                        return true;
                      } else if (item->IsDirectory()) {
                        group.directories.push_back(*item);
                      } else {
                        group.files.push_back({parent, *item});
                      }
                      return true;
                    });
  }
  std::sort(group.directories.begin(), group.directories.end());
  std::sort(group.files.begin(), group.files.end(),
            [](const NameGroup::File& a, const NameGroup::File& b) {
              return a.item < b.item;
            });
  return group;
}

std::vector<std::string> TreeView::MadeUpNames(Ids parents,
                                               std::string_view name,
                                               const NameGroup& group) {
  std::vector<std::string> names;
  if (!group.clash()) return names;
  for (int attempt = 0; rows_.status().ok(); ++attempt) {
    names.push_back(
        BesideDirectoryName(name, group.files.front().item, attempt));
    if (Group(parents, names.back()).directories.empty()) break;
  }
  return names;
}

std::string TreeView::ShownName(Ids parents, std::string_view name,
                                const NameGroup& group) {
  std::vector<std::string> made_up = MadeUpNames(parents, name, group);
  return made_up.empty() ? std::string(name) : std::move(made_up.back());
}

std::vector<ItemId> TreeView::SlotItems(Ids parents, std::string_view name,
                                        const NameGroup& group) {
  std::vector<ItemId> items;
  if (!group.directories.empty()) return items;
  for (const NameGroup::File& file : group.files) items.push_back(file.item);
  if (!has_made_up()) return items;
  for (const ItemId& parent : parents) {
    rows_.ForEach(Column::kTree, keys_.MadeUpNamed(parent, name),
                  [&](std::string_view rest, std::string_view value) {
                    const auto item = ParseItemKey(rest);
                    const auto row = DecodeMadeUpRow(value);
                    if (!item || !row) {
                      rows_.FailRow("made-up name");
                    } else if (row->shown) {
                      items.push_back(*item);
                    }
                    return true;
                  });
  }
  std::sort(items.begin(), items.end());
  return items;
}

std::vector<std::string> TreeView::TriedBy(Ids parents, std::string_view name) {
  std::vector<std::string> names;
  if (!has_made_up()) return names;
  for (const ItemId& parent : parents) {
    rows_.ForEach(Column::kTree, keys_.MadeUpNamed(parent, name),
                  [&](std::string_view, std::string_view value) {
                    if (auto row = DecodeMadeUpRow(value)) {
                      names.push_back(std::move(row->name));
                    }
                    return true;
                  });
  }
  return names;
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty()) path.push_back('/');
  path += name;
  return path;
}

}  // namespace syncline
