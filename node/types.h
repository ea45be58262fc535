#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "clock/dot.h"
#include "clock/version_vector.h"
#include "log/append_log.h"
#include "log/entry.h"
#include "log/path_change.h"
#include "node/reports.h"
#include "replication/project_id.h"
#include "replication/project_settings.h"
#include "replication/state/strategy.h"

// What a node tells and is told: plain values. Paths are below the project's
// root with '/' between names, without one at either end; "" is the root.

namespace syncline {

// Receives the outcome of an asynchronous call, once, on the node's loop.
template <typename T>
using Callback = std::function<void(absl::StatusOr<T>)>;
using StatusCallback = std::function<void(absl::Status)>;

// What callbacks get that the node can no longer serve.
inline absl::Status NodeClosed() {
  return absl::CancelledError("the node was closed");
}

// ---- files

// A file, directory or symlink as it is shown.
struct FileInfo {
  std::string path;
  ItemKind kind = ItemKind::kFile;
  ItemId item;
  std::uint64_t size = 0;      // Bytes; 0 for directories.
  Hash hash;                   // Of a file's content.
  std::optional<Dot> version;  // Of the shown value; none for directories.
  std::int64_t mtime_ms = 0;   // Since 1970; 0 if unknown.
  bool exec = false;
  bool conflict = false;  // Has open siblings.
  bool present = true;    // All content is on this node.
  std::string target;     // Of a symlink.
};

struct FileList {
  std::vector<FileInfo> entries;  // By name, bytewise.
  bool more = false;              // Ask again after the last name.
};

// A condition on the version that is replaced.
struct IfMatch {
  enum class Kind : std::uint8_t { kAny, kAbsent, kVersion } kind = Kind::kAny;
  Dot version;  // kVersion.

  // "" any, "none" absent, else a dot.
  //   kInvalidArgument  anything else
  static absl::StatusOr<IfMatch> FromText(std::string_view text);
};

struct PutOptions {
  IfMatch if_match;
  std::optional<bool> exec;   // Nothing: as it was, or not executable.
  bool parents = false;       // Make missing directories above.
  bool resolve = false;       // Supersede all siblings of an open conflict.
  std::int64_t mtime_ms = 0;  // 0: now.
};

// What a change became. Nothing to change: no version, seq 0.
struct Written {
  Seq seq;
  std::optional<Dot> version;
};

// ---- the log

struct LogQuery {
  // Exclusive; answered kBehindHorizon if it was truncated away. Nothing: from
  // the oldest record there is.
  std::optional<Seq> since;
  std::optional<Seq> until;  // Inclusive.
  std::uint64_t limit = 0;   // Records; 0 for no bound.
  bool reverse = false;      // Newest first; not with `follow`.
  bool follow = false;       // Stay and deliver what comes.
  std::string path;          // Glob, see replication/path_glob.h; empty: all.
  std::vector<PathChange::Type> kinds;  // Empty: all.
  std::string device;        // Device id, or the start of it; empty: all.
  std::optional<LogId> log;  // The log that `since` is a position of.
  std::string cursor;        // Behind this one, instead of `since`.
};

struct LogEnd {
  CursorState state = CursorState::kValid;
  Seq last;     // kValid: the last record looked at.
  Seq horizon;  // Else: what there is.
  Seq head;
};

// ---- conflicts

// How the devices of a project resolve its conflicts.
struct StrategyReport {
  Strategy strategy = Strategy::kMerge;      // Where no rule says another.
  std::vector<ProjectSettings::Rule> rules;  // The most specific first.
  // Device id, or origin in hex, of the one who alone resolves; or empty.
  std::string authority;
};

struct SiblingInfo {
  Dot version;
  std::string device;  // Device id; empty if unknown.
  std::int64_t time_ms = 0;
  std::optional<ItemKind> kind;  // Nothing for a document.
  std::uint64_t size = 0;
  Hash hash;
  bool shown = false;
  bool automatic = false;  // Made by a strategy.
};

struct ConflictInfo {
  // How it ended.
  struct Resolution {
    Seq seq;
    std::string device;          // Device id; empty if unknown.
    Dot by;                      // The entry that did it.
    std::string cause;           // "user", or "auto:<strategy>...".
    std::optional<Dot> version;  // Shown from then on; nothing: removed.
  };

  std::string project;
  std::string path;                        // Or "doc:<namespace>/<key>".
  std::vector<SiblingInfo> siblings = {};  // By version.
  // The last value that the authors of two siblings had both seen, if the log
  // still knows it.
  std::optional<SiblingInfo> ancestor = {};
  Seq seq = {};  // The record with which it came up; 0 if not known.
  std::optional<Resolution> resolution = {};  // Nothing: open.
};

// A record of the log. What came with another node's state has no entry:
// counter 0, cause "state", and the time is when it came.
struct LogRecord {
  Seq seq;
  Dot dot;
  std::int64_t time_ms = 0;  // The author's clock.
  std::string device;        // Device id; empty if unknown.
  std::string cause;
  std::vector<PathChange> changes;  // Those asked for.
  // Of the changes `conflict` and `resolve`, in their order.
  std::vector<ConflictInfo> conflicts;
};

// What tells one value from the one before it.
struct ConflictDiff {
  std::optional<Dot> from;  // The ancestor; nothing: another sibling.
  Dot to;
  // As `diff -u` without its first two lines; nothing: no text, or its content
  // is not here.
  std::optional<std::string> text;
};

struct ConflictDetail {
  ConflictInfo conflict;
  // Of each sibling against the ancestor; without one, against the first.
  std::vector<ConflictDiff> diffs;
};

struct ConflictQuery {
  std::string path;       // Only this one; empty: all.
  bool resolved = false;  // Those that ended, oldest first, instead.
  Seq after;              // Resolved ones that came up behind it.
};

// ---- documents

struct DocumentInfo {
  std::string name_space;
  std::string key;
  Dot version;
  std::string device;  // Device id of its author; empty if unknown.
  std::int64_t time_ms = 0;
  std::string value;
  bool conflict = false;  // Has open siblings.
};

struct DocumentList {
  std::vector<DocumentInfo> documents;  // By namespace and key.
  bool more = false;                    // Ask again behind the last.
};

struct DocumentQuery {
  std::string name_space;  // Empty: all but the settings.
  std::string key_prefix;  // Of keys of `name_space`.
  // Behind this one, which an earlier answer ended with.
  std::string after_name_space;
  std::string after_key;
};

struct DocumentPut {
  IfMatch if_match;
  bool resolve = false;  // Supersede all siblings of an open conflict.
};

}  // namespace syncline
