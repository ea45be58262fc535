#include "replication/state/path_diff.h"

#include <algorithm>
#include <map>
#include <utility>

namespace syncline {
namespace {

using Type = PathChange::Type;

bool IsBelow(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  return path == directory || IsBelow(path, directory);
}

bool Shallower(const std::string& a, const std::string& b) {
  const auto depth = [](const std::string& path) {
    return std::count(path.begin(), path.end(), '/');
  };
  return std::pair(depth(a), std::string_view(a)) <
         std::pair(depth(b), std::string_view(b));
}

PathChange MakeChange(Type type, std::string path, const Row* row) {
  PathChange change;
  change.type = type;
  change.path = std::move(path);
  if (row == nullptr) return change;
  if (!row->items.empty()) change.item = row->item();
  if (!row->siblings.empty()) {
    change.payload = row->shown_sibling().payload();
    change.version = row->shown_sibling().head.order.dot();
  }
  return change;
}

bool SameContent(const Row& a, const Row& b) {
  const Sibling& left = a.shown_sibling();
  const Sibling& right = b.shown_sibling();
  return left.reg == right.reg && left.head.order == right.head.order &&
         left.payload() == right.payload();
}

class Differ {
 public:
  Differ(const RowChanges& rows, TreeView& before, TreeView& after)
      : rows_(rows), before_(before), after_(after) {}

  PathDiff Run() {
    FindDirectoryChanges();
    DecideMoves();
    FindFileChanges();
    FindDirectoryAttributes();
    Emit();
    AddConflicts();
    AddDocs();
    diff_.moved_directories = !again_.empty() || move_.has_value();
    return std::move(diff_);
  }

 private:
  struct Move {
    std::string from;
    std::string to;
  };
  struct Renamed {
    std::string from;  // Path before.
    std::string to;
    const Row* was;
    const Row* is;
  };
  using FileRows = std::map<std::string, const Row*>;

  void FindDirectoryChanges();
  void DecideMoves();
  void FindFileChanges();
  void FindRenames(FileRows& gone, FileRows& came);
  [[nodiscard]] bool SafeRename(const std::string& from,
                                const std::string& to) const;
  void Compare(const std::string& path, const Row& was, const Row& is);
  void FindDirectoryAttributes();
  void Emit();
  void EmitDirectories();
  void EmitRmdirs(bool early);
  void AddConflicts();
  void AddDocs();

  [[nodiscard]] bool ReadAgain(const std::string& path) const {
    return std::any_of(
        again_.begin(), again_.end(),
        [&path](const std::string& top) { return IsAtOrBelow(path, top); });
  }
  // Where a path of before is once the directory row has moved.
  [[nodiscard]] std::string Mapped(const std::string& path) const {
    if (!move_ || !IsAtOrBelow(path, move_->from)) return path;
    return move_->to + path.substr(move_->from.size());
  }
  [[nodiscard]] std::string Unmapped(const std::string& path) const {
    if (!move_ || !IsAtOrBelow(path, move_->to)) return path;
    return move_->from + path.substr(move_->to.size());
  }
  [[nodiscard]] bool IsEarlyRmdir(const std::string& path) const {
    return move_ && IsAtOrBelow(path, move_->to) &&
           !IsAtOrBelow(path, move_->from);
  }
  static const Row* Find(const VisibleRows& rows, const std::string& path) {
    auto at = rows.paths.find(path);
    return at == rows.paths.end() ? nullptr : &at->second;
  }
  void Add(Type type, const std::string& path, const Row* row) {
    diff_.changes.push_back(MakeChange(type, path, row));
  }

  const RowChanges& rows_;
  TreeView& before_;
  TreeView& after_;
  PathDiff diff_;

  std::vector<Move> moves_;
  std::optional<Move> move_;        // If it is the only change of its kind.
  std::set<std::string> again_;     // To be read again.
  std::set<std::string> appeared_;  // Paths after.
  std::set<std::string> vanished_;  // Paths before.
  FileRows deleted_;                // By path before.
  FileRows created_;
  std::vector<Renamed> renamed_;
  std::vector<PathChange> changed_;
};

void Differ::FindDirectoryChanges() {
  std::set<ItemId> done;
  for (const ItemId& directory : rows_.directories()) {
    const ClassPtr was = before_.ClassOf(directory);
    const ClassPtr is = after_.ClassOf(directory);
    if (was && is && was->ids == is->ids) {
      if (!done.insert(is->ids.front()).second) continue;
      if (was->path != is->path) moves_.push_back({was->path, is->path});
      continue;
    }
    const auto any_on = [](const ClassPtr& merged, TreeView& other) {
      return std::any_of(
          merged->ids.begin(), merged->ids.end(),
          [&other](const ItemId& id) { return other.ClassOf(id) != nullptr; });
    };
    const bool came = is && !was && !any_on(is, before_);
    const bool went = was && !is && !any_on(was, after_);
    if (came) appeared_.insert(is->path);
    if (went) vanished_.insert(was->path);
    if (came || went) continue;
    if (was) again_.insert(was->path);
    if (is) again_.insert(is->path);
  }
  // Another directory took over a name: its row changed as a whole.
  for (const std::string& path : appeared_) {
    if (vanished_.contains(path)) again_.insert(path);
  }
}

// A directory moves with those above it; only the uppermost counts.
void Differ::DecideMoves() {
  std::sort(moves_.begin(), moves_.end(), [](const Move& a, const Move& b) {
    return Shallower(a.from, b.from);
  });
  std::vector<Move> tops;
  for (const Move& move : moves_) {
    const bool follows =
        std::any_of(tops.begin(), tops.end(), [&move](const Move& top) {
          return IsBelow(move.from, top.from) && IsBelow(move.to, top.to) &&
                 move.from.substr(top.from.size()) ==
                     move.to.substr(top.to.size());
        });
    if (!follows) tops.push_back(move);
  }
  if (tops.empty()) return;
  if (tops.size() == 1 && again_.empty() &&
      !IsBelow(tops[0].from, tops[0].to) &&
      !IsBelow(tops[0].to, tops[0].from)) {
    move_ = tops[0];
    // A directory that goes would come along to where another one appears.
    const bool in_the_way = std::any_of(
        appeared_.begin(), appeared_.end(), [this](const std::string& path) {
          return vanished_.contains(Unmapped(path));
        });
    if (!in_the_way) return;
    move_.reset();
  }
  for (const Move& move : tops) {
    again_.insert(move.from);
    again_.insert(move.to);
  }
}

void Differ::FindFileChanges() {
  FileRows gone;
  FileRows came;
  for (const auto& [path, row] : rows_.before().paths) {
    if (!row.IsDirectory() && !ReadAgain(path)) gone.emplace(path, &row);
  }
  for (const auto& [path, row] : rows_.after().paths) {
    if (!row.IsDirectory() && !ReadAgain(path)) came.emplace(path, &row);
  }
  for (auto at = gone.begin(); at != gone.end();) {
    auto same = came.find(Mapped(at->first));
    // What stood where the directory moved to has gone from there.
    if (same == came.end() || IsEarlyRmdir(at->first)) {
      ++at;
      continue;
    }
    Compare(same->first, *at->second, *same->second);
    if (at->second->kind != same->second->kind) {
      deleted_.emplace(at->first, at->second);
      created_.emplace(same->first, same->second);
    }
    came.erase(same);
    at = gone.erase(at);
  }
  FindRenames(gone, came);
  deleted_.insert(gone.begin(), gone.end());
  created_.insert(came.begin(), came.end());
}

void Differ::Compare(const std::string& path, const Row& was, const Row& is) {
  if (was.kind != is.kind) return;
  if (!SameContent(was, is)) {
    changed_.push_back(MakeChange(Type::kUpdate, path, &is));
  } else if (was.attrs != is.attrs) {
    changed_.push_back(MakeChange(Type::kAttr, path, &is));
  }
}

void Differ::FindRenames(FileRows& gone, FileRows& came) {
  std::map<ItemId, std::string> by_item;
  for (const auto& [path, row] : came) by_item.emplace(row->item(), path);
  for (auto at = gone.begin(); at != gone.end();) {
    auto found = by_item.find(at->second->item());
    if (found == by_item.end() || !SafeRename(at->first, found->second)) {
      ++at;
      continue;
    }
    auto to = came.find(found->second);
    renamed_.push_back({at->first, to->first, at->second, to->second});
    Compare(to->first, *at->second, *to->second);
    came.erase(to);
    by_item.erase(found);
    at = gone.erase(at);
  }
}

// Whether a rename is in nobody's way whatever else changes.
bool Differ::SafeRename(const std::string& from, const std::string& to) const {
  if (Find(rows_.after(), Mapped(from)) != nullptr) return false;
  if (move_ && IsAtOrBelow(from, move_->to)) return false;
  const std::string old_to = Unmapped(to);
  if (Find(rows_.before(), old_to) == nullptr) return true;
  return move_ && old_to == to && IsAtOrBelow(to, move_->from);
}

void Differ::Emit() {
  for (const auto& [path, row] : deleted_) Add(Type::kDelete, path, row);
  EmitDirectories();
  for (const Renamed& renamed : renamed_) {
    Add(Type::kRename, renamed.to, renamed.is);
    diff_.changes.back().from = Mapped(renamed.from);
  }
  for (const std::string& path : again_) {
    // One that lies below another is read with it.
    const bool covered = std::any_of(
        again_.begin(), again_.end(),
        [&path](const std::string& top) { return IsBelow(path, top); });
    if (!covered) Add(Type::kSubtree, path, Find(rows_.after(), path));
  }
  EmitRmdirs(false);
  for (const auto& [path, row] : created_) Add(Type::kCreate, path, row);
  for (PathChange& change : changed_) {
    diff_.changes.push_back(std::move(change));
  }
}

void Differ::EmitDirectories() {
  std::vector<std::string> appeared;
  for (const std::string& path : appeared_) {
    if (!ReadAgain(path)) appeared.push_back(path);
  }
  std::sort(appeared.begin(), appeared.end(), Shallower);
  const auto leads_to_move = [this](const std::string& path) {
    return move_ && IsBelow(move_->to, path);
  };
  for (const std::string& path : appeared) {
    if (leads_to_move(path)) {
      Add(Type::kMkdir, path, Find(rows_.after(), path));
    }
  }
  EmitRmdirs(true);
  if (move_) {
    Add(Type::kRename, move_->to, Find(rows_.after(), move_->to));
    diff_.changes.back().from = move_->from;
  }
  for (const std::string& path : appeared) {
    if (!leads_to_move(path)) {
      Add(Type::kMkdir, path, Find(rows_.after(), path));
    }
  }
}

void Differ::FindDirectoryAttributes() {
  std::map<ItemId, const Row*> before;
  for (const auto& [path, row] : rows_.before().paths) {
    if (row.IsDirectory()) before.emplace(row.items.front(), &row);
  }
  for (const auto& [path, row] : rows_.after().paths) {
    if (!row.IsDirectory() || ReadAgain(path)) continue;
    auto was = before.find(row.items.front());
    if (was != before.end() && was->second->items == row.items &&
        was->second->attrs != row.attrs) {
      changed_.push_back(MakeChange(Type::kAttr, path, &row));
    }
  }
}

void Differ::EmitRmdirs(bool early) {
  std::vector<std::string> vanished;
  for (const std::string& path : vanished_) {
    if (!ReadAgain(path) && IsEarlyRmdir(path) == early) {
      vanished.push_back(path);
    }
  }
  std::sort(vanished.begin(), vanished.end(), Shallower);
  std::reverse(vanished.begin(), vanished.end());
  for (const std::string& path : vanished) {
    Add(Type::kRmdir, early ? path : Mapped(path), Find(rows_.before(), path));
  }
}

void Differ::AddConflicts() {
  for (const auto& [path, row] : rows_.after().paths) {
    if (row.conflict()) diff_.open_conflicts.push_back(path);
  }
  std::map<std::string, const Row*> before;
  for (const auto& [path, row] : rows_.before().paths) {
    // A deleted row took its conflict along.
    if (!deleted_.contains(path)) before[Mapped(path)] = &row;
  }
  for (const Renamed& renamed : renamed_) before[renamed.to] = renamed.was;
  for (const auto& [path, row] : rows_.after().paths) {
    auto was = before.find(path);
    const bool open = was != before.end() && was->second->conflict();
    if (row.conflict() == open) continue;
    Add(row.conflict() ? Type::kConflict : Type::kResolve, path, &row);
  }
}

void Differ::AddDocs() {
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& [name, row] : rows_.before().docs) names.insert(name);
  for (const auto& [name, row] : rows_.after().docs) names.insert(name);
  for (const auto& name : names) {
    auto old_row = rows_.before().docs.find(name);
    auto new_row = rows_.after().docs.find(name);
    const Row* was =
        old_row == rows_.before().docs.end() ? nullptr : &old_row->second;
    const Row* is =
        new_row == rows_.after().docs.end() ? nullptr : &new_row->second;
    const std::string path = name.first + "/" + name.second;
    if (was == nullptr || is == nullptr || !SameContent(*was, *is)) {
      Add(Type::kDoc, path, is);
    }
    const bool was_open = was != nullptr && was->conflict();
    const bool is_open = is != nullptr && is->conflict();
    if (is_open) diff_.open_conflicts.push_back("doc:" + path);
    if (was_open != is_open) {
      Add(is_open ? Type::kConflict : Type::kResolve, "doc:" + path, is);
    }
  }
  std::sort(diff_.open_conflicts.begin(), diff_.open_conflicts.end());
}

}  // namespace

PathDiff DiffPaths(const RowChanges& rows, TreeView& before, TreeView& after) {
  return Differ(rows, before, after).Run();
}

}  // namespace syncline
