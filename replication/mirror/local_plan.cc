#include "replication/mirror/local_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"

namespace syncline {
namespace {

std::string Identity(const Fingerprint& print) {
  std::string identity;
  AppendU64(identity, print.device);
  AppendU64(identity, print.inode);
  if (print.kind == DiskKind::kDirectory) return identity;
  AppendU64(identity, print.size);
  AppendU64(identity, static_cast<std::uint64_t>(print.mtime_ns));
  return identity;
}

std::vector<TreeStep> Steps(const DiskDiff& diff, bool removes) {
  std::vector<TreeNode> before;
  std::vector<TreeNode> after;
  for (const auto& [key, at] : diff.differences) {
    if (at.base) {
      before.push_back(
          {at.path, at.base->kind, Identity(at.base->fingerprint)});
    }
    if (at.disk) {
      after.push_back(
          {at.path, *ItemKindOf(at.disk->kind), Identity(*at.disk)});
    }
  }
  TreePlanOptions options;
  options.removes = removes;
  return PlanTree(before, after, options);
}

// What a step takes away that nothing comes for.
bool Deletes(const TreeStep& step) {
  return step.type == TreeStep::Type::kRemove;
}

const DiskDifference* Find(const DiskDiff& diff, const std::string& path) {
  const auto found = diff.differences.find(PathKey(path));
  return found == diff.differences.end() ? nullptr : &found->second;
}

LocalOp MakeOp(const DiskDiff& diff, TreeStep step) {
  LocalOp op;
  if (step.type != TreeStep::Type::kRemove) {
    if (const DiskDifference* at = Find(diff, step.path)) op.disk = at->disk;
  }
  if (const DiskDifference* at = Find(diff, step.origin)) op.base = at->base;
  const bool content = op.disk && op.disk->kind != DiskKind::kDirectory;
  switch (step.type) {
    case TreeStep::Type::kCreate:
    case TreeStep::Type::kRetype:
      op.read = content;
      break;
    case TreeStep::Type::kUpdate:
      op.read = content && !(op.base && op.base->fingerprint == *op.disk);
      break;
    default:
      break;
  }
  op.step = std::move(step);
  return op;
}

}  // namespace

bool MassDelete(std::uint64_t deletions, std::uint64_t base_size) {
  return deletions > 100 && deletions * 2 > base_size;
}

LocalPlan PlanLocal(const DiskDiff& diff, std::uint64_t base_size,
                    bool confirmed) {
  LocalPlan plan;
  std::vector<TreeStep> steps = Steps(diff, /*removes=*/true);
  const auto deletions = static_cast<std::uint64_t>(
      std::count_if(steps.begin(), steps.end(), Deletes));
  if (!confirmed && MassDelete(deletions, base_size)) {
    plan.held = deletions;
    steps = Steps(diff, /*removes=*/false);
  }
  plan.ops.reserve(steps.size());
  for (TreeStep& step : steps) {
    LocalOp op = MakeOp(diff, std::move(step));
    if (op.step.type == TreeStep::Type::kUpdate && !op.read && op.base &&
        op.base->fingerprint == *op.disk) {
      continue;  // It came along with a directory.
    }
    plan.ops.push_back(std::move(op));
  }
  return plan;
}

}  // namespace syncline
