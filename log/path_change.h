#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "clock/dot.h"
#include "log/entry.h"

namespace syncline {

// One visible consequence of an entry on this node. Local: another node, with
// other concurrent entries before it, may see other changes for the same
// entry. Paths are relative to the project, without a leading '/'.
struct PathChange {
  enum class Type : std::uint8_t {
    kCreate,    // A file or symlink appeared at `path`.
    kUpdate,    // The shown content at `path` changed.
    kDelete,    // The file or symlink at `path` is gone.
    kRename,    // What was at `from` is at `path`; a directory with its tree.
    kMkdir,     // A directory appeared.
    kRmdir,     // A directory is gone.
    kAttr,      // Attributes at `path` changed, content did not.
    kConflict,  // `path` (or "doc:<namespace>/<key>") became an open conflict.
    kResolve,   // ... and is none any more.
    kDoc,       // The document `path` = "<namespace>/<key>" changed.
    kEvent,     // An application event of topic `path`. In no record: the
                // entry itself says all of it.
    kSubtree,   // Anything at or below directory `path` may have changed:
                // directories merged or separated. Read it again.
  };

  Type type = Type::kUpdate;
  std::string path;
  std::string from;            // kRename only.
  std::optional<ItemId> item;  // The item shown at `path` (before a delete).
  std::string payload;         // Content shown at `path`, where there is one.
  std::optional<Dot> version;  // Dot of the shown head.

  friend bool operator==(const PathChange&, const PathChange&) = default;
};

// "create", "update", ...: the names of `log --json`.
std::string_view PathChangeTypeName(PathChange::Type type);

// The form kept in a log record (log/FORMAT.md).
//   kInvalidArgument  malformed
std::string EncodePathChanges(const std::vector<PathChange>& changes);
void AppendPathChanges(const std::vector<PathChange>& changes,
                       std::string& out);
absl::StatusOr<std::vector<PathChange>> DecodePathChanges(
    std::string_view bytes);

}  // namespace syncline
