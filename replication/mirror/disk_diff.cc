#include "replication/mirror/disk_diff.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"

namespace syncline {
namespace {

bool SameOnDisk(const BaseStat& base, const Fingerprint& disk) {
  if (base.kind == ItemKind::kDirectory) {
    return base.fingerprint.SameIdentity(disk);
  }
  return base.fingerprint == disk;
}

bool IsDirectory(const DiskDifference& difference) {
  return (difference.base && difference.base->kind == ItemKind::kDirectory) ||
         (difference.disk && difference.disk->kind == DiskKind::kDirectory);
}

class Differ {
 public:
  Differ(const RootDir& root, const BaseTable& base, const IgnoreMap& rules,
         const ScanOptions& options)
      : root_(root), base_(base), options_(options), rules_(rules) {
    diff_.rules = rules;
  }

  absl::Status Add(const ScanScope& scope) {
    const bool whole = scope.depth != ScanDepth::kChildren;
    rows_.clear();
    next_ = 0;
    depth_ = scope.depth;
    SYNCLINE_RETURN_IF_ERROR(base_.Stats(
        scope.path, whole, [&](const std::string& path, const BaseStat& stat) {
          if (!path.empty()) rows_.emplace_back(path, stat);
          return depth_ != ScanDepth::kSelf;
        }));
    ScanOptions options = options_;
    options.depth = scope.depth;
    options.on_rules = [&](std::string_view directory,
                           const IgnoreScope::Files& files) {
      OnRules(scope, directory, files);
    };
    unlooked_.clear();
    entered_.clear();
    frozen_.clear();
    SYNCLINE_ASSIGN_OR_RETURN(
        const ScanCounts counts,
        Scan(root_, scope.path, options, [&](const ScanItem& item) {
          Take(item);
          return absl::OkStatus();
        }));
    while (next_ < rows_.size()) Gone(rows_[next_++]);
    if (scope.depth == ScanDepth::kTree) {
      PruneRules(scope.path);
      diff_.scanned += counts.files + counts.directories + counts.symlinks;
    }
    // What a shallow look cannot settle.
    const std::vector<std::string> deeper = std::exchange(unlooked_, {});
    for (const std::string& path : deeper) {
      SYNCLINE_RETURN_IF_ERROR(Add({path, ScanDepth::kTree}));
    }
    return absl::OkStatus();
  }

  DiskDiff Finish() { return std::move(diff_); }

 private:
  using BaseRow = std::pair<std::string, BaseStat>;

  void Take(const ScanItem& item) {
    while (next_ < rows_.size() &&
           ComparePaths(rows_[next_].first, item.path) < 0) {
      Gone(rows_[next_++]);
    }
    if (item.state != ScanState::kPresent) return Freeze(item);
    const auto kind = ItemKindOf(item.fingerprint.kind);
    if (!kind || item.path.empty()) return;
    DiskDifference difference{std::string(item.path), std::nullopt,
                              item.fingerprint};
    if (next_ < rows_.size() && rows_[next_].first == item.path) {
      const BaseStat stat = rows_[next_++].second;
      if (stat.kind == *kind && SameOnDisk(stat, item.fingerprint)) return;
      difference.base = stat;
    }
    Note(std::move(difference));
  }

  void OnRules(const ScanScope& scope, std::string_view directory,
               const IgnoreScope::Files& files) {
    rules_.Set(directory, files);
    if (scope.depth == ScanDepth::kTree && IsAtOrBelow(directory, scope.path)) {
      entered_.emplace(directory);
      diff_.rules.Set(directory, files);
    } else if (!diff_.rules.Has(directory, files)) {
      diff_.other_rules.emplace_back(directory);
    }
  }

  // Rules of directories that are gone; not those that could not be read.
  void PruneRules(const std::string& top) {
    const auto keep = [this](const std::string& directory) {
      return entered_.contains(directory) ||
             std::any_of(frozen_.begin(), frozen_.end(),
                         [&](const std::string& frozen) {
                           return IsAtOrBelow(directory, frozen);
                         });
    };
    diff_.rules.Prune(top, keep);
    rules_.Prune(top, keep);
  }

  void Freeze(const ScanItem& item) {
    const std::size_t first = next_;
    while (next_ < rows_.size() && IsAtOrBelow(rows_[next_].first, item.path)) {
      ++next_;
    }
    if (item.state == ScanState::kIgnored) {
      if (next_ > first) diff_.ignored.emplace_back(item.path);
      return;
    }
    frozen_.emplace_back(item.path);
    if (item.state == ScanState::kUnreadable) {
      diff_.unreadable.emplace(std::string(item.path), item.why);
    } else if (item.state == ScanState::kOtherMirror) {
      diff_.unreadable.emplace(
          std::string(item.path),
          FailedPrecondition("left alone, it is another mirror's folder (take "
                             "its .syncline-root away, or ignore it)"));
    } else if (item.state == ScanState::kVanished) {
      diff_.again.emplace_back(ParentPath(item.path));
    }
  }

  void Gone(const BaseRow& row) {
    const auto& [path, stat] = row;
    if (rules_.Ignores(path, stat.kind == ItemKind::kDirectory)) {
      // Parents come first, and stand for what is below them.
      if (diff_.ignored.empty() || !IsAtOrBelow(path, diff_.ignored.back())) {
        diff_.ignored.push_back(path);
      }
      return;
    }
    Note({path, stat, std::nullopt});
  }

  void Note(DiskDifference difference) {
    if (depth_ != ScanDepth::kTree && IsDirectory(difference)) {
      unlooked_.push_back(difference.path);
    }
    std::string key = PathKey(difference.path);
    diff_.differences.insert_or_assign(std::move(key), std::move(difference));
  }

  const RootDir& root_;
  const BaseTable& base_;
  const ScanOptions& options_;
  ScanDepth depth_ = ScanDepth::kTree;
  std::vector<BaseRow> rows_;
  std::size_t next_ = 0;
  std::vector<std::string> unlooked_;
  IgnoreMap rules_;                // As far as they were read by now.
  std::set<std::string> entered_;  // Directories of this scope,
  std::vector<std::string> frozen_;
  DiskDiff diff_;
};

}  // namespace

std::optional<ItemKind> ItemKindOf(DiskKind kind) {
  switch (kind) {
    case DiskKind::kFile:
      return ItemKind::kFile;
    case DiskKind::kDirectory:
      return ItemKind::kDirectory;
    case DiskKind::kSymlink:
      return ItemKind::kSymlink;
    case DiskKind::kSpecial:
    case DiskKind::kMountPoint:
      return std::nullopt;
  }
  return std::nullopt;
}

absl::StatusOr<DiskDiff> DiffDisk(const RootDir& root, const BaseTable& base,
                                  const IgnoreMap& rules,
                                  const std::vector<ScanScope>& scopes,
                                  const ScanOptions& options) {
  Differ differ(root, base, rules, options);
  for (const ScanScope& scope : scopes) {
    SYNCLINE_RETURN_IF_ERROR(differ.Add(scope));
  }
  return differ.Finish();
}

}  // namespace syncline
