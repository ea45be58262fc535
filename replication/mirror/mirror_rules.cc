#include <utility>

#include "base/status.h"
#include "replication/mirror/mirror_impl.h"

// What ignore rules leave alone: it is neither told nor written, and Base has
// no rows for it. So nothing that is missing there can pass for deleted, and
// where a rule goes away disk and project are compared as at a first look.

namespace syncline {

void Mirror::Impl::TakeRules(DiskDiff& diff) {
  for (const std::string& directory : diff.other_rules) {
    AddScope(directory, ScanDepth::kTree);
  }
  std::vector<std::string> changed;
  if (scanned_rules) {
    changed = diff.rules.DifferFrom(rules);
  } else if (diff.rules.Digest() != base->rules()) {
    changed.emplace_back();  // While nobody looked: anywhere.
  }
  scanned_rules = true;
  rules = std::move(diff.rules);
  rules_digest = rules.Digest();
  if (changed.empty()) return;
  // Until all is compared. (They may be what they were by the next start.)
  WriteBatch rows;
  base->SetRules("?", rows);
  emitter->WriteRows(std::move(rows), Durability::kBuffered);
  for (const std::string& directory : changed) MakeDirty(directory, true);
  PlanAnew();  // It may be about to write what is ignored now.
}

void Mirror::Impl::ForgetIgnored(const std::vector<std::string>& ignored) {
  WriteBatch rows;
  const auto is_below = [](const std::string& top) {
    return [&top](const auto& at) { return IsAtOrBelow(at.first, top); };
  };
  for (const std::string& top : ignored) {
    std::vector<std::string> below;
    const absl::Status walked =
        base->Walk(top, [&](const std::string& path, const BaseEntry&) {
          below.push_back(path);
          return true;
        });
    if (!walked.ok()) return Fail(walked);
    for (const std::string& path : below) base->Remove(path, rows);
    below.clear();
    for (const auto& [path, whole] : base->pending()) {
      if (IsAtOrBelow(path, top)) below.push_back(path);
    }
    for (const std::string& path : below) Settled(path, rows);
    std::erase_if(hot, is_below(top));
    std::erase_if(scan_errors, is_below(top));
  }
  if (!rows.empty()) emitter->WriteRows(std::move(rows), Durability::kDurable);
}

bool Mirror::Impl::IsRuleFile(std::string_view path) const {
  return options.honour_gitignore && LastName(path) == kGitIgnoreName;
}

// What the project has made of rule files holds before anything else of it is
// written.
void Mirror::Impl::LookAtRules(const DiskOp& op) {
  if (op.type == DiskOp::Type::kAccept) return;
  for (const std::string& path : {op.path, op.from}) {
    if (path.empty()) continue;
    if (IsRuleFile(path)) {
      AddScope(std::string(ParentPath(path)), ScanDepth::kTree);
    } else if (!op.from.empty() &&
               (rules.AnyBelow(op.path) || rules.AnyBelow(op.from))) {
      AddScope(path, ScanDepth::kTree);
    }
  }
}

}  // namespace syncline
