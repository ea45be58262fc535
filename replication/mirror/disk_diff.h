#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replication/mirror/base_table.h"
#include "replication/mirror/disk_entry.h"
#include "replication/mirror/ignore_map.h"
#include "replication/mirror/root_dir.h"
#include "replication/mirror/scanner.h"

namespace syncline {

// A part of the tree to be scanned.
struct ScanScope {
  std::string path;
  ScanDepth depth = ScanDepth::kTree;
};

// Where disk and Base differ at one path.
struct DiskDifference {
  std::string path;
  std::optional<BaseStat> base;
  std::optional<Fingerprint> disk;
};

struct DiskDiff {
  std::map<std::string, DiskDifference> differences;  // By PathKey.
  // What could not be looked into, and why. Nothing at or below it differs.
  std::map<std::string, absl::Status> unreadable;
  // Directories that changed while they were listed: scan them again.
  std::vector<std::string> again;
  std::uint64_t scanned = 0;  // Items seen on disk.
  // What Base has rows for, at or below, and rules say to leave alone; there or
  // not. No difference.
  std::vector<std::string> ignored;
  // The rules of the tree as known before, and as seen where all of a directory
  // was looked at; ...
  IgnoreMap rules;
  // ... directories that have others and were not: scan them whole.
  std::vector<std::string> other_rules;
};

// The kind of item that something on disk is; nothing if it is none.
std::optional<ItemKind> ItemKindOf(DiskKind kind);

// Scans `scopes` and compares with Base. A directory that is new, gone or
// another inode is compared with all that is below it, whatever the depth
// says. `rules` are those of the last such look. `base` must be settled and
// stay unchanged meanwhile. Blocks: for a worker thread.
//   kUnavailable  the root is gone: nothing was learnt
//   kCancelled    stopped
absl::StatusOr<DiskDiff> DiffDisk(const RootDir& root, const BaseTable& base,
                                  const IgnoreMap& rules,
                                  const std::vector<ScanScope>& scopes,
                                  const ScanOptions& options);

}  // namespace syncline
