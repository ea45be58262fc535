#include "replication/mirror/emitter.h"

#include <utility>

#include "base/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/paths.h"
#include "replication/state/edits.h"

namespace syncline {
namespace {

// What Base says once the disk of `op` is accepted; without a token.
BaseEntry DiskEntry(const LocalOp& op) {
  BaseEntry entry;
  entry.kind = op.step.kind;
  entry.fingerprint = *op.disk;
  entry.payload = op.payload;
  entry.attrs = DiskAttrs(*op.disk);
  return entry;
}

const ItemId* CreatedItem(const std::vector<Effect>& effects) {
  for (const Effect& effect : effects) {
    if (const auto* create = std::get_if<CreateEffect>(&effect)) {
      return &create->item;
    }
  }
  return nullptr;
}

// A refusal of one change, as against a broken replica or store.
bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status);
}

}  // namespace

Emitter::Emitter(Replica& replica, BaseTable& base, const BaseIntents& intents,
                 Hooks hooks)
    : replica_(replica),
      base_(base),
      intents_(intents),
      hooks_(std::move(hooks)) {}

absl::Status Emitter::Emit(const std::vector<LocalOp>& ops) {
  for (std::size_t i = 0; i < ops.size();) {
    std::size_t end = i;
    while (end < ops.size() && ops[end].step.type == TreeStep::Type::kRemove) {
      ++end;
    }
    absl::Status status;
    if (end > i) {
      status = RemoveAll(ops, i, end);
      i = end;
    } else {
      status = One(ops[i]);
      if (IsRefusal(status)) {
        hooks_.problem(ops[i].step.path, status);
        status = absl::OkStatus();
      }
      ++i;
    }
    SYNCLINE_RETURN_IF_ERROR(status);
  }
  if (!rows_.empty()) WriteRows(std::exchange(rows_, {}), Durability::kDurable);
  return absl::OkStatus();
}

absl::Status Emitter::One(const LocalOp& op) {
  if (!op.problem.ok()) {
    hooks_.problem(op.step.path, op.problem);
    return absl::OkStatus();
  }
  SYNCLINE_ASSIGN_OR_RETURN(const bool intended, TakeIntended(op));
  if (intended) return absl::OkStatus();
  switch (op.step.type) {
    case TreeStep::Type::kMkdir:
    case TreeStep::Type::kCreate:
      return Create(op);
    case TreeStep::Type::kUpdate:
      return Update(op);
    case TreeStep::Type::kRename:
      return Rename(op);
    case TreeStep::Type::kCycle:
      return Cycle(op);
    case TreeStep::Type::kRetype:
      return Retype(op);
    case TreeStep::Type::kRemove:
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Emitter::FindViewPath(
    const std::string& path) const {
  const std::string parent(ParentPath(path));
  if (parent.empty()) return path;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                            base_.Get(parent));
  if (!base || base->kind != ItemKind::kDirectory) return std::string();
  SYNCLINE_ASSIGN_OR_RETURN(const Token token, ReadToken(base->token));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                            replica_.state().PathOf(token.item));
  return where ? ChildPath(*where, LastName(path)) : std::string();
}

absl::StatusOr<std::string> Emitter::ViewPath(const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(std::string found, FindViewPath(path));
  if (!found.empty()) return found;
  LocalOp revive;
  revive.step.type = TreeStep::Type::kMkdir;
  revive.step.path = ParentPath(path);
  revive.step.kind = ItemKind::kDirectory;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                            base_.Get(revive.step.path));
  if (!base || base->kind != ItemKind::kDirectory) {
    return NotFound(revive.step.path + ": not known as a directory yet");
  }
  revive.disk = base->fingerprint;
  SYNCLINE_RETURN_IF_ERROR(Create(revive));
  SYNCLINE_ASSIGN_OR_RETURN(found, FindViewPath(path));
  if (found.empty()) return NotFound(revive.step.path + ": gone again");
  return found;
}

absl::StatusOr<std::string> Emitter::AccountedAt(
    const std::string& path, const std::optional<std::string>& where) const {
  if (!where || *where == path) return where.value_or("");
  SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path, FindViewPath(path));
  if (view_path != *where) return std::string();
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> other,
                            base_.Get(*where));
  return other ? std::string() : *where;
}

absl::StatusOr<bool> Emitter::Shows(std::string_view view_path, ItemKind kind,
                                    const std::string& payload) const {
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            replica_.state().Lookup(view_path));
  return row && row->kind == kind &&
         (row->IsDirectory() || row->shown_sibling().payload() == payload);
}

absl::Status Emitter::Accept(const LocalOp& op, const ItemId& item,
                             const BaseEntry& disk,
                             const std::optional<Dot>& own, WriteBatch& rows) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path,
                            FindViewPath(op.step.path));
  BaseEntry entry = disk;
  SYNCLINE_ASSIGN_OR_RETURN(
      Accepted accepted,
      AcceptDisk(replica_.state(), item, view_path, entry.payload, entry.attrs,
                 disk.token, own));
  entry.token = std::move(accepted.token);
  base_.Put(op.step.path, entry, rows);
  if (!accepted.matches) hooks_.differs(op.step.path);
  return absl::OkStatus();
}

absl::Status Emitter::Create(const LocalOp& op) {
  const std::string& path = op.step.path;
  SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path, ViewPath(path));
  const BaseEntry disk = DiskEntry(op);
  SYNCLINE_ASSIGN_OR_RETURN(const bool known,
                            Shows(view_path, disk.kind, disk.payload));
  if (known) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                              replica_.state().Lookup(view_path));
    return Accept(op, row->item(), disk, std::nullopt, rows_);
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      std::vector<Effect> effects,
      CreateEffects(replica_.state(), view_path, disk.kind, disk.payload,
                    disk.attrs, 0));
  const ItemId* created = CreatedItem(effects);
  if (created == nullptr) return absl::OkStatus();
  const ItemId item = *created;
  return Commit(
      path, std::move(effects), view_path,
      [&](const Replica::Committed& committed, WriteBatch& rows) {
        row_error_.Update(Accept(op, item, disk, committed.dot, rows));
      });
}

absl::Status Emitter::Update(const LocalOp& op) {
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> base,
                            base_.Get(op.step.path));
  if (!base || base->kind != op.step.kind) {
    hooks_.problem(op.step.path, absl::AbortedError("changed meanwhile"));
    return absl::OkStatus();
  }
  if (op.step.kind != ItemKind::kDirectory && op.payload != base->payload) {
    return Edit(op, *base);
  }
  return Attributes(op, *std::move(base));
}

absl::Status Emitter::Edit(const LocalOp& op, const BaseEntry& base) {
  SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base.token));
  const CausalState& state = replica_.state();
  BaseEntry disk = DiskEntry(op);
  disk.token = base.token;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                            state.PathOf(seen.item));
  if (where) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool known,
                              Shows(*where, disk.kind, disk.payload));
    if (known) {
      SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                                state.Lookup(*where));
      return Accept(op, row->item(), disk, std::nullopt, rows_);
    }
  }
  Attrs changed;
  if (AttrOf(disk.attrs, "exec") != AttrOf(base.attrs, "exec")) {
    changed.emplace_back("exec", AttrOf(disk.attrs, "exec"));
  }
  if (const std::string_view mtime = AttrOf(disk.attrs, "mtime");
      !mtime.empty()) {
    changed.emplace_back("mtime", mtime);
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> effects,
                            EditEffects(state, seen, disk.payload, changed));
  SYNCLINE_ASSIGN_OR_RETURN(const std::string expected,
                            AccountedAt(op.step.path, where));
  return Commit(
      op.step.path, std::move(effects), expected,
      [&](const Replica::Committed& committed, WriteBatch& rows) {
        row_error_.Update(Accept(op, seen.item, disk, committed.dot, rows));
      });
}

// The content is what it was. Attributes are compared with the disk's of old,
// not with the state's: a disk may round what it is given.
absl::Status Emitter::Attributes(const LocalOp& op, BaseEntry base) {
  SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base.token));
  const Attrs then = DiskAttrs(base.fingerprint);
  const Attrs now = DiskAttrs(*op.disk);
  base.fingerprint = *op.disk;
  std::vector<Effect> effects;
  for (const char* key : {"exec", "mtime"}) {
    const std::string_view value = AttrOf(now, key);
    if (value == AttrOf(then, key) || value == AttrOf(base.attrs, key)) {
      continue;
    }
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> more,
                              AttrEffects(replica_.state(), seen, key, value));
    effects.insert(effects.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  if (effects.empty()) {
    base_.Put(op.step.path, base, rows_);
    return absl::OkStatus();
  }
  base.attrs = now;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                            replica_.state().PathOf(seen.item));
  SYNCLINE_ASSIGN_OR_RETURN(const std::string expected,
                            AccountedAt(op.step.path, where));
  return Commit(
      op.step.path, std::move(effects), expected,
      [&](const Replica::Committed& committed, WriteBatch& rows) {
        row_error_.Update(Accept(op, seen.item, base, committed.dot, rows));
      });
}

absl::Status Emitter::Moved(
    const std::vector<std::pair<std::string, std::string>>& moves,
    const std::optional<Dot>& own, WriteBatch& rows) {
  SYNCLINE_RETURN_IF_ERROR(base_.MoveTrees(moves, rows));
  for (const auto& [from, to] : moves) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> entry,
                              base_.Get(to));
    if (!entry) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(entry->token));
    LocalOp op;
    op.step.path = to;
    SYNCLINE_RETURN_IF_ERROR(Accept(op, seen.item, *entry, own, rows));
  }
  return absl::OkStatus();
}

absl::Status Emitter::Rename(const LocalOp& op) {
  const std::string& to = op.step.path;
  const std::vector<std::pair<std::string, std::string>> move{
      {op.step.from, to}};
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                            base_.Get(op.step.from));
  if (!base) return NotFound(op.step.from + ": not known");
  SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base->token));
  SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path, ViewPath(to));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                            replica_.state().PathOf(seen.item));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> over, base_.Get(to));
  if (where == view_path) return Moved(move, std::nullopt, rows_);
  std::optional<Token> replaced;
  if (op.step.replaces && over) {
    SYNCLINE_ASSIGN_OR_RETURN(replaced, ReadToken(over->token));
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      std::vector<Effect> effects,
      RenameEffects(replica_.state(), seen, view_path, replaced));
  return Commit(to, std::move(effects), replaced ? "" : view_path,
                [&](const Replica::Committed& committed, WriteBatch& rows) {
                  row_error_.Update(Moved(move, committed.dot, rows));
                });
}

absl::Status Emitter::Cycle(const LocalOp& op) {
  std::vector<Effect> effects;
  bool done = true;
  for (const auto& [from, to] : op.step.cycle) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                              base_.Get(from));
    if (!base) return NotFound(from + ": not known");
    SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base->token));
    SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path, ViewPath(to));
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> where,
                              replica_.state().PathOf(seen.item));
    if (where == view_path) continue;
    done = false;
    SYNCLINE_ASSIGN_OR_RETURN(
        std::vector<Effect> more,
        RenameEffects(replica_.state(), seen, view_path, std::nullopt));
    effects.insert(effects.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  if (done) return Moved(op.step.cycle, std::nullopt, rows_);
  return Commit(op.step.path, JoinEffects(std::move(effects)), "",
                [&](const Replica::Committed& committed, WriteBatch& rows) {
                  row_error_.Update(Moved(op.step.cycle, committed.dot, rows));
                });
}

absl::Status Emitter::Retype(const LocalOp& op) {
  const std::string& path = op.step.path;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                            base_.Get(path));
  if (!base) return Create(op);
  SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base->token));
  SYNCLINE_ASSIGN_OR_RETURN(const std::string view_path, ViewPath(path));
  const BaseEntry disk = DiskEntry(op);
  SYNCLINE_ASSIGN_OR_RETURN(const bool known,
                            Shows(view_path, disk.kind, disk.payload));
  if (known) return Create(op);
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> effects,
                            RetypeEffects(replica_.state(), seen, view_path,
                                          disk.kind, disk.payload, disk.attrs));
  const ItemId* created = CreatedItem(effects);
  if (created == nullptr) return absl::OkStatus();
  const ItemId item = *created;
  return Commit(
      path, std::move(effects), "",
      [&](const Replica::Committed& committed, WriteBatch& rows) {
        row_error_.Update(Accept(op, item, disk, committed.dot, rows));
      });
}

absl::Status Emitter::Commit(const std::string& path,
                             std::vector<Effect> effects,
                             const std::string& expected, const Rows& rows) {
  if (effects.empty()) {
    // The state holds nothing of it any more: only Base moves on.
    rows({}, rows_);
    return std::exchange(row_error_, absl::OkStatus());
  }
  ++in_flight_;
  auto committed = replica_.Commit(
      std::move(effects), "user", Durability::kDurable,
      [this, alive = std::weak_ptr<char>(alive_)](const absl::Status& status) {
        if (alive.expired()) return;
        --in_flight_;
        hooks_.written(status);
      },
      [&](const Replica::Committed& done, WriteBatch& batch) {
        batch.Append(std::exchange(rows_, {}));
        rows(done, batch);
      });
  if (!committed.ok()) {
    --in_flight_;
    if (!absl::IsInvalidArgument(committed.status())) {
      return committed.status();
    }
    hooks_.problem(path, committed.status());
    return absl::OkStatus();
  }
  bool accounted = !expected.empty();
  for (const PathChange& change : committed->changes) {
    accounted = accounted && change.path == expected;
  }
  if (accounted) hooks_.accounted(committed->seq);
  return std::exchange(row_error_, absl::OkStatus());
}

void Emitter::WriteRows(WriteBatch rows, Durability durability) {
  ++in_flight_;
  replica_.log().Append(
      {}, std::move(rows), durability,
      [this, alive = std::weak_ptr<char>(alive_)](
          const absl::StatusOr<AppendLog::Appended>& appended) {
        if (alive.expired()) return;
        --in_flight_;
        hooks_.written(appended.status());
      });
}

}  // namespace syncline
