#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "replication/mirror/base_table.h"
#include "replication/mirror/tree_plan.h"
#include "replication/state/causal_state.h"

namespace syncline {

// One change to be made on the disk.
struct DiskOp {
  enum class Type : std::uint8_t {
    kMkdir,
    kInstall,     // A file or link, new or in place of `expected`.
    kAttributes,  // Mode and mtime alone.
    kRename,      // `from` to `path`, which is free.
    kExchange,    // `from` and `path` change places.
    kRetype,      // Removes `expected` (or an empty directory) and installs.
    kRemove,      // A file or link, or an empty directory.
    kAccept,      // Nothing on the disk: it shows this already.
  };

  Type type = Type::kAccept;
  std::string path;
  std::string from;
  // Base's row for `path` afterwards, but for its fingerprint; kExchange: for
  // `path`, and `other` for `from`. Not kRemove.
  BaseEntry next;
  BaseEntry other;
  // What must stand there now: at `path`, at `from` for moves.
  std::optional<Fingerprint> expected;
  std::optional<Fingerprint> expected_other;  // kExchange: at `path`.
};

struct TargetPlan {
  std::vector<DiskOp> ops;  // In order; later ones rely on earlier ones.
  std::vector<std::string> unfold;   // Compare what is below these next.
  std::vector<std::string> skipped;  // Open conflicts left alone.
};

// Plans how the disk, which shows Base, comes to show the view at `dirty`
// paths (of either). A dirty path with `true` is compared with all below it,
// level by level: `unfold` names what comes next. Items are recognized where
// both their old and their new path are dirty. Only reads; the tokens in the
// ops are those of now.
//
// `skip`: whether an open conflict at a path is left as it is on the disk.
// `ignored`: whether nothing is done at a path, nor below it. What moves there
// in the view is removed where it was, what comes from there is made.
//   kDataLoss  Base or state cannot be read
absl::StatusOr<TargetPlan> PlanTarget(
    const CausalState& state, const BaseTable& base,
    const std::map<std::string, bool>& dirty,
    absl::FunctionRef<bool(std::string_view path)> skip,
    absl::FunctionRef<bool(std::string_view path, bool is_directory)> ignored);

}  // namespace syncline
