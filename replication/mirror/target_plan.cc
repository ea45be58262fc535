#include "replication/mirror/target_plan.h"

#include <utility>

#include "base/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

using Ignored = absl::FunctionRef<bool(std::string_view, bool)>;

// Gathers the nodes of both trees around the dirty paths. Neither tree has
// anything at a path that is ignored.
class Gatherer {
 public:
  Gatherer(const CausalState& state, const BaseTable& base, Ignored ignored,
           TargetPlan& plan)
      : state_(state), base_(base), ignored_(ignored), plan_(plan) {}

  absl::Status Add(const std::map<std::string, bool>& dirty) {
    // Parents before children, as a child may have come along with its parent.
    std::map<std::string, std::string> sorted;
    for (const auto& [path, whole] : dirty) sorted[PathKey(path)] = path;
    // What Base has comes first: it tells where things have moved. A path of
    // the view may be that of something that has moved there.
    for (const auto& [key, path] : sorted) {
      SYNCLINE_RETURN_IF_ERROR(AddKept(path));
    }
    for (const auto& [key, path] : sorted) {
      SYNCLINE_RETURN_IF_ERROR(AddKept(Follow(origins_, path)));
    }
    for (const auto& [key, path] : sorted) {
      SYNCLINE_RETURN_IF_ERROR(AddShown(path));
    }
    return absl::OkStatus();
  }

  std::vector<TreeNode> before() const { return Values(before_); }
  std::vector<TreeNode> after() const { return Values(after_); }
  // The view has something at `path`, and it is ignored.
  bool LeavesOut(const std::string& path) const {
    return left_out_.contains(path);
  }

 private:
  using Nodes = std::map<std::string, TreeNode>;  // By path.

  static std::vector<TreeNode> Values(const Nodes& nodes) {
    std::vector<TreeNode> values;
    for (const auto& [path, node] : nodes) values.push_back(node);
    return values;
  }

  // `path` after the moves found so far, by `moves` (either direction).
  static std::string Follow(const std::map<std::string, std::string>& moves,
                            const std::string& path) {
    for (std::string up = path; !up.empty(); up = ParentPath(up)) {
      const auto move = moves.find(up);
      if (move != moves.end()) return Rebase(path, up, move->second);
    }
    return path;
  }

  absl::StatusOr<std::optional<std::string>> WhereIs(
      const BaseEntry& entry, std::string& identity) const {
    SYNCLINE_ASSIGN_OR_RETURN(const Token token, ReadToken(entry.token));
    identity = token.item.ToText();
    return state_.PathOf(token.item);
  }

  // A path of Base: where its item is in the view.
  absl::Status AddKept(const std::string& path) {
    if (path.empty() || before_.contains(path)) return absl::OkStatus();
    SYNCLINE_RETURN_IF_ERROR(AddKept(std::string(ParentPath(path))));
    if (before_.contains(path)) return absl::OkStatus();
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> entry,
                              base_.Get(path));
    if (!entry || ignored_(path, entry->kind == ItemKind::kDirectory)) {
      return absl::OkStatus();
    }
    std::string identity;
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<std::string> where,
                              WhereIs(*entry, identity));
    before_[path] = {path, entry->kind, identity};
    const std::string expected = Follow(moves_, path);
    if (where && *where != expected) {
      SYNCLINE_ASSIGN_OR_RETURN(const bool merged, IsMergedInto(path, *where));
      if (merged) where.reset();
    }
    std::optional<Row> row;
    if (where) {
      SYNCLINE_ASSIGN_OR_RETURN(row, ShownRow(*where));
    }
    if (row) {
      after_[*where] = {*where, *row->kind, identity};
      if (*where != expected) {
        moves_[path] = *where;
        origins_[*where] = path;
      }
      if (*row->kind == entry->kind) return absl::OkStatus();
    }
    SYNCLINE_RETURN_IF_ERROR(AddRow(expected));
    const auto there = after_.find(expected);
    if (entry->kind != ItemKind::kDirectory) return absl::OkStatus();
    if (there != after_.end() && there->second.kind == entry->kind) {
      plan_.unfold.push_back(expected);  // Another directory of that name.
      return absl::OkStatus();
    }
    return AddAllBelow(path);
  }

  // The directory that Base has at `path` is shown as part of another one,
  // which Base has as well.
  absl::StatusOr<bool> IsMergedInto(const std::string& path,
                                    const std::string& where) const {
    if (where == path) return false;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> other,
                              base_.Get(where));
    if (!other) return false;
    std::string identity;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> there,
                              WhereIs(*other, identity));
    return there == where;
  }

  absl::Status AddAllBelow(const std::string& directory) {
    std::vector<std::string> below;
    SYNCLINE_RETURN_IF_ERROR(
        base_.Walk(directory, [&](const std::string& path, const BaseEntry&) {
          if (path != directory) below.push_back(path);
          return true;
        }));
    for (const std::string& path : below) {
      SYNCLINE_RETURN_IF_ERROR(AddKept(path));
    }
    return absl::OkStatus();
  }

  // A path of the view: what Base has for it, or that it is new.
  absl::Status AddShown(const std::string& path) {
    if (path.empty() || !shown_.insert(path).second) return absl::OkStatus();
    SYNCLINE_RETURN_IF_ERROR(AddShown(std::string(ParentPath(path))));
    SYNCLINE_RETURN_IF_ERROR(AddKept(Follow(origins_, path)));
    return AddRow(path);
  }

  absl::StatusOr<std::optional<Row>> ShownRow(const std::string& path) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row, state_.Lookup(path));
    if (row && ignored_(path, row->IsDirectory())) {
      left_out_.insert(path);
      row.reset();
    }
    return row;
  }

  absl::Status AddRow(const std::string& path) {
    if (path.empty() || after_.contains(path)) return absl::OkStatus();
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row, ShownRow(path));
    if (!row) return absl::OkStatus();
    after_[path] = {path, *row->kind, row->item().ToText()};
    const std::string origin = Follow(origins_, path);
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> kept,
                              base_.Get(origin));
    if (row->IsDirectory() && (!kept || Follow(moves_, origin) != path)) {
      plan_.unfold.push_back(path);
    }
    return absl::OkStatus();
  }

  const CausalState& state_;
  const BaseTable& base_;
  const Ignored ignored_;
  TargetPlan& plan_;
  Nodes before_;
  Nodes after_;
  std::set<std::string> shown_;
  std::set<std::string> left_out_;
  std::map<std::string, std::string> moves_;    // Base's path -> the view's.
  std::map<std::string, std::string> origins_;  // The other way.
};

class OpMaker {
 public:
  OpMaker(const CausalState& state, const BaseTable& base,
          absl::FunctionRef<bool(std::string_view)> skip, TargetPlan& plan)
      : state_(state), base_(base), skip_(skip), plan_(plan) {}

  absl::Status Add(const TreeStep& step) {
    switch (step.type) {
      case TreeStep::Type::kMkdir:
      case TreeStep::Type::kCreate:
        return Make(step);
      case TreeStep::Type::kRename:
        return Rename(step);
      case TreeStep::Type::kCycle:
        return Cycle(step);
      case TreeStep::Type::kUpdate:
        return Update(step);
      case TreeStep::Type::kRetype:
        return Retype(step);
      case TreeStep::Type::kRemove:
        return Remove(step.path, step.origin);
    }
    return absl::OkStatus();
  }

 private:
  // What the view wants at `path`; kind as planned, or nothing: the view is
  // read once for a plan, so that cannot be but for a damaged state.
  absl::StatusOr<std::optional<BaseEntry>> Wanted(const std::string& path,
                                                  ItemKind kind) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                              state_.Lookup(path));
    if (!row || row->kind != kind) return std::optional<BaseEntry>();
    if (row->conflict() && skip_(path)) {
      plan_.skipped.push_back(path);
      return std::optional<BaseEntry>();
    }
    BaseEntry entry;
    entry.kind = kind;
    if (!row->IsDirectory()) entry.payload = row->shown_sibling().payload();
    entry.attrs = ProjectAttrs(row->attrs, kind);
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> token,
                              state_.Read(path, false));
    if (token) entry.token = EncodeToken(*token);
    return std::optional<BaseEntry>(std::move(entry));
  }

  absl::StatusOr<BaseEntry> Kept(const std::string& origin) const {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> entry,
                              base_.Get(origin));
    if (!entry) return Internal(origin + ": not in Base");
    return *std::move(entry);
  }

  absl::Status Make(const TreeStep& step) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> wanted,
                              Wanted(step.path, step.kind));
    if (!wanted) return absl::OkStatus();
    DiskOp op;
    op.type = step.kind == ItemKind::kDirectory ? DiskOp::Type::kMkdir
                                                : DiskOp::Type::kInstall;
    op.path = step.path;
    op.next = *std::move(wanted);
    plan_.ops.push_back(std::move(op));
    return absl::OkStatus();
  }

  // Base's row for what moves to `path`: its content is compared later.
  absl::StatusOr<BaseEntry> AtNewPlace(BaseEntry entry,
                                       const std::string& path) const {
    SYNCLINE_ASSIGN_OR_RETURN(const Token token, ReadToken(entry.token));
    SYNCLINE_ASSIGN_OR_RETURN(
        Accepted accepted, AcceptDisk(state_, token.item, path, entry.payload,
                                      entry.attrs, entry.token, std::nullopt));
    entry.token = std::move(accepted.token);
    return entry;
  }

  absl::Status Rename(const TreeStep& step) {
    if (step.replaces) {
      SYNCLINE_RETURN_IF_ERROR(Remove(step.path, step.replaced_origin));
    }
    SYNCLINE_ASSIGN_OR_RETURN(BaseEntry entry, Kept(step.origin));
    DiskOp op;
    op.type = DiskOp::Type::kRename;
    op.path = step.path;
    op.from = step.from;
    op.expected = entry.fingerprint;
    SYNCLINE_ASSIGN_OR_RETURN(op.next, AtNewPlace(std::move(entry), step.path));
    plan_.ops.push_back(std::move(op));
    return absl::OkStatus();
  }

  // A ring of n moves is n - 1 exchanges with its first path. (The rows at
  // those paths are Base's own: a ring is found before anything else moves
  // there.)
  absl::Status Cycle(const TreeStep& step) {
    std::map<std::string, std::string> to(step.cycle.begin(), step.cycle.end());
    const std::string first = step.cycle.front().first;
    SYNCLINE_ASSIGN_OR_RETURN(BaseEntry held, Kept(first));
    for (std::string at = to[first]; at != first; at = to[at]) {
      SYNCLINE_ASSIGN_OR_RETURN(BaseEntry there, Kept(at));
      DiskOp op;
      op.type = DiskOp::Type::kExchange;
      op.from = first;
      op.path = at;
      op.expected = held.fingerprint;
      op.expected_other = there.fingerprint;
      SYNCLINE_ASSIGN_OR_RETURN(op.next, AtNewPlace(std::move(held), at));
      SYNCLINE_ASSIGN_OR_RETURN(op.other, AtNewPlace(there, first));
      held = std::move(there);
      plan_.ops.push_back(std::move(op));
    }
    return absl::OkStatus();
  }

  absl::Status Update(const TreeStep& step) {
    SYNCLINE_ASSIGN_OR_RETURN(BaseEntry kept, Kept(step.origin));
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> wanted,
                              Wanted(step.path, step.kind));
    if (!wanted) return absl::OkStatus();
    DiskOp op;
    op.path = step.path;
    op.expected = kept.fingerprint;
    op.next = *std::move(wanted);
    op.next.fingerprint = kept.fingerprint;
    if (op.next.payload != kept.payload) {
      op.type = DiskOp::Type::kInstall;
    } else if (AttrsDiffer(op.next.attrs, kept.attrs)) {
      op.type = DiskOp::Type::kAttributes;
    } else if (op.next.token != kept.token) {
      op.type = DiskOp::Type::kAccept;
      op.next.attrs = kept.attrs;
    } else {
      return absl::OkStatus();
    }
    plan_.ops.push_back(std::move(op));
    return absl::OkStatus();
  }

  absl::Status Retype(const TreeStep& step) {
    SYNCLINE_ASSIGN_OR_RETURN(const BaseEntry kept, Kept(step.origin));
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> wanted,
                              Wanted(step.path, step.kind));
    if (!wanted) return absl::OkStatus();
    DiskOp op;
    op.type = DiskOp::Type::kRetype;
    op.path = step.path;
    op.expected = kept.fingerprint;
    op.next = *std::move(wanted);
    plan_.ops.push_back(std::move(op));
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path, const std::string& origin) {
    SYNCLINE_ASSIGN_OR_RETURN(const BaseEntry kept, Kept(origin));
    DiskOp op;
    op.type = DiskOp::Type::kRemove;
    op.path = path;
    op.expected = kept.fingerprint;
    op.next.kind = kept.kind;
    plan_.ops.push_back(std::move(op));
    return absl::OkStatus();
  }

  const CausalState& state_;
  const BaseTable& base_;
  const absl::FunctionRef<bool(std::string_view)> skip_;
  TargetPlan& plan_;
};

}  // namespace

absl::StatusOr<TargetPlan> PlanTarget(
    const CausalState& state, const BaseTable& base,
    const std::map<std::string, bool>& dirty,
    absl::FunctionRef<bool(std::string_view path)> skip, Ignored ignored) {
  TargetPlan plan;
  Gatherer gatherer(state, base, ignored, plan);
  SYNCLINE_RETURN_IF_ERROR(gatherer.Add(dirty));
  TreePlanOptions options;
  options.sure = true;
  OpMaker maker(state, base, skip, plan);
  for (const TreeStep& step :
       PlanTree(gatherer.before(), gatherer.after(), options)) {
    SYNCLINE_RETURN_IF_ERROR(maker.Add(step));
  }
  for (const auto& [path, whole] : dirty) {
    if (whole && !gatherer.LeavesOut(path)) plan.unfold.push_back(path);
  }
  return plan;
}

}  // namespace syncline
