#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/mirror/disk_entry.h"
#include "replication/mirror/ignore_rules.h"
#include "replication/mirror/root_dir.h"

namespace syncline {

// What a scan can say of a path. For all but kPresent the rule is the same:
// the path and everything below it is FROZEN. What is recorded there stays as
// it was, or is forgotten (kIgnored); it must never be taken for absent.
enum class ScanState : std::uint8_t {
  kPresent,      // A file, directory or symlink to be synced.
  kIgnored,      // By a rule. Was it synced before, it now is no longer.
  kSpecial,      // Fifo, socket or device.
  kUnreadable,   // A directory that cannot be listed, or whose rules cannot be
                 // read: `why` says more.
  kMountPoint,   // Another file system is mounted here.
  kOtherMirror,  // The root of another mirror.
  kVanished,     // A directory that went, or was replaced, while scanned: scan
                 // its parent again soon.
};

struct ScanItem {
  std::string_view path;  // Valid during the call.
  ScanState state = ScanState::kPresent;
  Fingerprint fingerprint;
  absl::Status why;  // OK but for kUnreadable.
};

// Gets the items; an error ends the scan and is its result.
using ScanSink = std::function<absl::Status(const ScanItem&)>;

enum class ScanDepth : std::uint8_t {
  kSelf,      // The path alone.
  kChildren,  // The path and what is directly in it, not looked into: there a
              // directory may be kPresent that kTree would find frozen.
  kTree,
};

struct ScanOptions {
  ScanDepth depth = ScanDepth::kTree;
  bool honour_gitignore = true;
  std::shared_ptr<const IgnoreFile> local_rules;
  // Called before a directory is listed: add its watch here.
  std::function<void(std::string_view directory)> before_list;
  // Called with the rules of each directory that is entered and of each that is
  // above the path, none among them, before anything they hold for.
  std::function<void(std::string_view directory,
                     const IgnoreScope::Files& files)>
      on_rules;
  // Ends the scan with kCancelled when it becomes true. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct ScanCounts {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;  // Without the root.
  std::uint64_t symlinks = 0;
  std::uint64_t ignored = 0;  // Items, not what is below them.
  std::uint64_t special = 0;
  std::uint64_t frozen = 0;    // Unreadable, mount points, mirrors, vanished.
  std::uint64_t reserved = 0;  // Names starting with ".syncline".
};

// Walks the root, or what is at or below `path`, and hands every item to
// `sink` in the order of ComparePaths(): a scan can be merged with sorted
// Base rows. The root itself is no item. A `path` that is not there gives no
// items. Below an ignored directory `path` itself is reported as kIgnored, and
// so for all other frozen states. Nothing below a frozen path is reported.
//
// Names that start with ".syncline" are left out. File contents are not
// touched: whether a file can be read shows when it is (RootDir::ReadFile).
//
// Blocks; runs on a worker thread. Memory: the listings on the way down.
//   kUnavailable  the root is gone or cannot be read. What was handed over is
//                 true as far as it goes, but what was not says nothing
//   kCancelled    stopped
absl::StatusOr<ScanCounts> Scan(const RootDir& root, std::string_view path,
                                const ScanOptions& options,
                                const ScanSink& sink);

// Whether `path` would be ignored, and by which rule, whether it exists or
// not: it is ignored too if a directory above it is.
absl::StatusOr<IgnoreMatch> ExplainIgnore(const RootDir& root,
                                          std::string_view path,
                                          bool is_directory,
                                          const ScanOptions& options);

}  // namespace syncline
