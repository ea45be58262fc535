#include "tests/state/feed_fold.h"

#include <algorithm>
#include <utility>

#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

using Type = PathChange::Type;

bool IsBelow(const std::string& path, const std::string& top) {
  return path.size() > top.size() && path.starts_with(top) &&
         path[top.size()] == '/';
}

bool IsAtOrBelow(const std::string& path, const std::string& top) {
  return path == top || IsBelow(path, top);
}

std::string ParentOf(const std::string& path) {
  const std::size_t split = path.rfind('/');
  return split == std::string::npos ? std::string() : path.substr(0, split);
}

}  // namespace

FeedFold::Shown FeedFold::ShownOf(const Row& row) {
  Shown shown{row.item(), {}, {}, row.attrs};
  if (!row.siblings.empty()) {
    shown.payload = row.shown_sibling().payload();
    shown.version = row.shown_sibling().head.order.dot();
  }
  return shown;
}

bool FeedFold::HasBelow(const std::string& path) const {
  auto at = rows_.upper_bound(path + "/");
  return at != rows_.end() && IsBelow(at->first, path);
}

std::string FeedFold::Insert(const PathChange& change, const CausalState& state,
                             bool exists) {
  if (rows_.contains(change.path) != exists) {
    return exists ? "is not there" : "is there already";
  }
  const std::string parent = ParentOf(change.path);
  if (!parent.empty() &&
      (!rows_.contains(parent) || !rows_.at(parent).item.IsDirectory())) {
    return "has no parent";
  }
  if (!change.item) return "names no item";
  const auto row = state.Lookup(change.path);
  if (!row.ok() || !*row) return "cannot be looked up";
  rows_[change.path] = {*change.item, change.payload, change.version,
                        (*row)->attrs};
  return {};
}

std::string FeedFold::Remove(const std::string& path, bool directory) {
  auto at = rows_.find(path);
  if (at == rows_.end()) return "is not there";
  if (at->second.item.IsDirectory() != directory) return "is of another kind";
  if (HasBelow(path)) return "is not empty";
  rows_.erase(at);
  conflicts_.erase(path);
  return {};
}

std::string FeedFold::Rename(const PathChange& change,
                             const CausalState& state) {
  if (!rows_.contains(change.from)) return "source is not there";
  if (rows_.contains(change.path)) return "target is there already";
  const bool directory = rows_.at(change.from).item.IsDirectory();
  if (change.item != rows_.at(change.from).item) return "another item";
  const auto moved = [&change](const std::string& path) {
    return change.path + path.substr(change.from.size());
  };
  std::map<std::string, Shown> rows;
  std::set<std::string> conflicts;
  for (const auto& [path, row] : rows_) {
    rows.emplace(IsAtOrBelow(path, change.from) ? moved(path) : path, row);
  }
  for (const std::string& path : conflicts_) {
    conflicts.insert(IsAtOrBelow(path, change.from) ? moved(path) : path);
  }
  if (rows.size() != rows_.size()) return "covers something";
  rows_ = std::move(rows);
  conflicts_ = std::move(conflicts);
  if (directory) return {};
  // The change also tells what the file shows now.
  return Insert(change, state, true);
}

std::string FeedFold::ReadAgain(const std::string& path,
                                const CausalState& state) {
  std::erase_if(
      rows_, [&path](const auto& row) { return IsAtOrBelow(row.first, path); });
  std::erase_if(conflicts_, [&path](const std::string& conflict) {
    return IsAtOrBelow(conflict, path);
  });
  for (const auto& [listed, row] : ListAll(state)) {
    if (!IsAtOrBelow(listed, path)) continue;
    rows_[listed] = ShownOf(row);
    if (row.conflict()) conflicts_.insert(listed);
  }
  return {};
}

std::string FeedFold::FollowOne(const PathChange& change,
                                const CausalState& state) {
  switch (change.type) {
    case Type::kCreate:
    case Type::kMkdir:
      return Insert(change, state, false);
    case Type::kUpdate:
    case Type::kAttr:
      return Insert(change, state, true);
    case Type::kDelete:
      return Remove(change.path, false);
    case Type::kRmdir:
      return Remove(change.path, true);
    case Type::kRename:
      return Rename(change, state);
    case Type::kSubtree:
      return ReadAgain(change.path, state);
    case Type::kConflict:
      conflicts_.insert(change.path);
      return {};
    case Type::kResolve:
      conflicts_.erase(change.path);
      return {};
    case Type::kDoc:
      if (change.version) {
        docs_[change.path] = change.payload;
      } else {
        docs_.erase(change.path);
      }
      return {};
    case Type::kEvent:
      return {};
  }
  return "is of no known type";
}

std::string FeedFold::Follow(const std::vector<PathChange>& changes,
                             const CausalState& state) {
  for (const PathChange& change : changes) {
    ++counts_[change.type];
    const std::string fault = FollowOne(change, state);
    if (fault.empty()) continue;
    std::string all;
    for (const PathChange& one : changes) {
      all += "\n  " + std::to_string(static_cast<int>(one.type)) + " " +
             (one.from.empty() ? "" : one.from + " -> ") + one.path;
    }
    return "change of type " + std::to_string(static_cast<int>(change.type)) +
           ": " + change.path + " " + fault + all;
  }
  return {};
}

std::string FeedFold::Compare(const CausalState& state) const {
  std::map<std::string, Shown> expected;
  for (const auto& [path, row] : ListAll(state)) {
    expected.emplace(path, ShownOf(row));
  }
  for (const auto& [path, row] : expected) {
    auto found = rows_.find(path);
    if (found == rows_.end()) return "never heard of " + path;
    if (!(found->second == row)) {
      return "heard something else of " + path + ": " + found->second.payload +
             " for " + row.payload + ", item " + found->second.item.ToText() +
             " for " + row.item.ToText();
    }
  }
  for (const auto& [path, row] : rows_) {
    if (!expected.contains(path)) return "never heard that it went: " + path;
  }
  const auto conflicts = state.Conflicts();
  if (!conflicts.ok()) return conflicts.status().ToString();
  if (*conflicts !=
      std::vector<std::string>(conflicts_.begin(), conflicts_.end())) {
    std::string text = "conflicts differ; heard of:";
    for (const std::string& path : conflicts_) text += " " + path;
    text += "; open:";
    for (const std::string& path : *conflicts) text += " " + path;
    return text;
  }
  for (const auto& [name, payload] : docs_) {
    const std::size_t split = name.find('/');
    const auto doc =
        state.LookupDoc(name.substr(0, split), name.substr(split + 1));
    if (!doc.ok() || !*doc || (*doc)->shown_sibling().payload() != payload) {
      return "document " + name;
    }
  }
  return {};
}

}  // namespace syncline::testing
