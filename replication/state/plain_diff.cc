#include "replication/state/plain_diff.h"

#include <algorithm>
#include <list>
#include <vector>

namespace syncline {
namespace {

using Type = PathChange::Type;

// The one file at a name, on one side of the change.
struct File {
  ItemId item;
  const ItemHeads* heads;
  [[nodiscard]] const StoredHead& content() const {
    return heads->contents.front();
  }
};

// A touched name.
struct Place {
  std::string path;
  std::optional<File> was;
  std::optional<File> is;
};

PathChange MakeChange(Type type, std::string path, const StoredHead* head) {
  PathChange change;
  change.type = type;
  change.path = std::move(path);
  if (head == nullptr) return change;
  change.payload = head->value;
  change.version = head->order.dot();
  return change;
}

PathChange MakeChange(Type type, const std::string& path, const File& file) {
  PathChange change = MakeChange(type, path, &file.content());
  change.item = file.item;
  return change;
}

bool SameValue(const StoredHead& a, const StoredHead& b) {
  return a.order == b.order && a.value == b.value;
}

class PlainDiffer {
 public:
  PlainDiffer(TreeView& before, RowReader& after, const ItemChanges& items)
      : before_(before), after_(after), items_(items) {}

  // False: not plain.
  bool AddNames(const Touched& touched);
  bool AddDocs(const Touched& touched, const DocChanges& docs);
  PathDiff Take() { return std::move(diff_); }

 private:
  bool AddPlace(const ItemId& directory, const std::string& name);
  bool FindFile(RowReader& rows, const std::string& group,
                std::optional<File>& file);
  const ItemHeads& HeadsOf(const RowReader& rows, const ItemId& item);
  void EmitUpdate(const Place& place);

  TreeView& before_;
  RowReader& after_;
  const ItemChanges& items_;
  std::vector<Place> places_;
  std::list<ItemHeads> loaded_;  // Of items that the change did not load.
  PathDiff diff_;
};

bool PlainDiffer::AddNames(const Touched& touched) {
  for (const auto& [directory, name] : touched.names) {
    if (!AddPlace(directory, name)) return false;
  }
  std::sort(places_.begin(), places_.end(),
            [](const Place& a, const Place& b) { return a.path < b.path; });
  bool came = false;
  bool went = false;
  for (const Place& place : places_) {
    if (!place.was) came |= place.is.has_value();
    if (!place.is) went |= place.was.has_value();
  }
  if (came && went) return false;  // Perhaps a rename.
  const auto replaced = [](const Place& place) {
    return place.was && place.is && place.was->item.kind != place.is->item.kind;
  };
  for (const Place& place : places_) {
    if (place.was && (!place.is || replaced(place))) {
      diff_.changes.push_back(
          MakeChange(Type::kDelete, place.path, *place.was));
    }
  }
  for (const Place& place : places_) {
    if (place.is && (!place.was || replaced(place))) {
      diff_.changes.push_back(MakeChange(Type::kCreate, place.path, *place.is));
    }
  }
  for (const Place& place : places_) {
    if (place.was && place.is && !replaced(place)) EmitUpdate(place);
  }
  return true;
}

bool PlainDiffer::AddPlace(const ItemId& directory, const std::string& name) {
  const ClassPtr parent = before_.ClassOf(directory);
  if (!parent) return true;  // Not shown, neither before nor after.
  if (parent->ids.size() > 1) return false;
  const std::string group = before_.keys().Named(directory, name);
  Place place;
  if (!FindFile(before_.rows(), group, place.was) ||
      !FindFile(after_, group, place.is)) {
    return false;
  }
  place.path = JoinPath(parent->path, name);
  places_.push_back(std::move(place));
  return true;
}

// False: there are several, directories, or several contents.
bool PlainDiffer::FindFile(RowReader& rows, const std::string& group,
                           std::optional<File>& file) {
  bool plain = true;
  rows.ForEachOf(group, [&](std::string_view rest, std::string_view) {
    const std::optional<ItemId> item = ParseItemKey(rest);
    plain = item && !item->IsDirectory() && !file;
    if (plain) file = File{*item, nullptr};
    return plain;
  });
  if (!plain || !file) return plain;
  file->heads = &HeadsOf(rows, file->item);
  return file->heads->contents.size() == 1;
}

const ItemHeads& PlainDiffer::HeadsOf(const RowReader& rows,
                                      const ItemId& item) {
  if (const auto at = items_.find(item); at != items_.end()) {
    return &rows == &after_ ? at->second.after : at->second.before;
  }
  return loaded_.emplace_back(LoadItem(before_.rows(), before_.keys(), item));
}

void PlainDiffer::EmitUpdate(const Place& place) {
  const File& was = *place.was;
  const File& is = *place.is;
  if (was.item != is.item || !SameValue(was.content(), is.content())) {
    diff_.changes.push_back(MakeChange(Type::kUpdate, place.path, is));
  } else if (AttributesOf(*was.heads, was.content().attrs) !=
             AttributesOf(*is.heads, is.content().attrs)) {
    diff_.changes.push_back(MakeChange(Type::kAttr, place.path, is));
  }
}

bool PlainDiffer::AddDocs(const Touched& touched, const DocChanges& docs) {
  for (const auto& name : touched.docs) {
    const auto at = docs.find(name);
    if (at == docs.end()) return false;
    const StoredHeads& was = at->second.before;
    const StoredHeads& is = at->second.after;
    if (was.size() > 1 || is.size() > 1) return false;
    if (was.size() == 1 && is.size() == 1 && SameValue(was.front(), is.front()))
      continue;
    diff_.changes.push_back(MakeChange(Type::kDoc,
                                       name.first + "/" + name.second,
                                       is.empty() ? nullptr : &is.front()));
  }
  return true;
}

}  // namespace

std::optional<PathDiff> PlainDiff(TreeView& before, RowReader& after,
                                  const Touched& touched,
                                  const ItemChanges& items,
                                  const DocChanges& docs) {
  if (!touched.directories.empty()) return std::nullopt;
  PlainDiffer differ(before, after, items);
  if (!differ.AddNames(touched) || !differ.AddDocs(touched, docs)) {
    return std::nullopt;
  }
  return differ.Take();
}

}  // namespace syncline
