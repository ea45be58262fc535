#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "log/entry.h"

namespace syncline {

// One place in a tree of files.
struct TreeNode {
  std::string path;
  ItemKind kind = ItemKind::kFile;
  // What stays the same when it moves: an inode on disk, an item in the view.
  // Empty: never matched.
  std::string identity;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

// One step of turning a tree into another. Paths are those of the tree as the
// steps before have left it.
struct TreeStep {
  enum class Type : std::uint8_t {
    kMkdir,
    kRename,  // `from` to `path`, with all below it.
    kCycle,   // All of `cycle` at once: each first moves to its second.
    kRetype,  // Another kind takes the place; nothing is below it any more.
    kUpdate,  // Both trees have it; whether it differs is the caller's matter.
    kCreate,  // A file or link; directories are kMkdir.
    kRemove,  // Nothing is below it any more.
  };

  Type type = Type::kUpdate;
  std::string path;
  ItemKind kind = ItemKind::kFile;
  std::string from;             // kRename.
  std::string origin;           // Where it was in `before`; empty if it is new.
  bool replaces = false;        // kRename: of a file or link that is at `path`.
  std::string replaced_origin;  // ... and where that was in `before`.
  std::vector<std::pair<std::string, std::string>> cycle;
  friend bool operator==(const TreeStep&, const TreeStep&) = default;
};

struct TreePlanOptions {
  // The identities cannot be wrong. Without this a node whose path is taken by
  // something new of its kind has not moved: an editor keeps a backup under
  // another name and writes the file anew, and the file is still that file.
  bool sure = false;
  bool removes = true;  // Otherwise what is gone stays, and blocks its path.
};

// Plans how `before` becomes `after`, both without the root. Only what differs
// must be given; what is below a directory that moves and comes along as it is
// need not be, what is below one that appears or goes must.
//
// A moved directory is one step for all below it; swaps and rings are one
// kCycle. Steps come as moves (with the directories they need), updates,
// creations with parents first, removals with children first. Pure: equal
// inputs in any order give equal plans.
std::vector<TreeStep> PlanTree(const std::vector<TreeNode>& before,
                               const std::vector<TreeNode>& after,
                               const TreePlanOptions& options);

}  // namespace syncline
