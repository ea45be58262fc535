#include <algorithm>
#include <utility>

#include "base/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/mirror_impl.h"
#include "replication/mirror/paths.h"

// From the project to the disk.

namespace syncline {
namespace {

constexpr std::size_t kRecordsMax = 1024;  // Taken in one turn.
constexpr std::size_t kSliceMax = 512;     // Paths planned in one turn.
constexpr std::size_t kListMax = 1024;
constexpr std::int64_t kRetryMs = 200;
constexpr int kRetryShiftMax = 7;  // Up to 25 s.
constexpr std::int64_t kDiskFullMs = 5'000;
constexpr std::int64_t kStirredMs = 1'000;

// What the disk is to show after `ops`.
BaseIntents::Paths IntentsOf(const std::vector<DiskOp>& ops) {
  BaseIntents::Paths paths;
  for (const DiskOp& op : ops) {
    if (op.type == DiskOp::Type::kAccept) continue;
    if (op.type == DiskOp::Type::kRemove || op.type == DiskOp::Type::kRetype) {
      paths.emplace(op.path, std::nullopt);
    }
    if (op.type == DiskOp::Type::kRemove) continue;
    paths.emplace(op.path, op.next);
    if (op.type == DiskOp::Type::kExchange) paths.emplace(op.from, op.other);
  }
  return paths;
}

}  // namespace

void Mirror::Impl::LoadPending() {
  for (const auto& [path, whole] : base->pending()) MakeDirty(path, whole);
  if (!base->cursor()) {
    if (!taken) StartOver();
    return;
  }
  const CursorState state =
      env.replica.log().Check(base->cursor()->log, base->cursor()->seq);
  if (state == CursorState::kValid) {
    if (!taken) taken = base->cursor()->seq;
  } else {
    StartOver();
  }
}

// Everything is compared; records count from here on.
void Mirror::Impl::StartOver() {
  taken = env.replica.log().durable();
  dirty[""] = true;
}

bool Mirror::Impl::TakeRecords() {
  AppendLog& log = env.replica.log();
  if (!taken || *taken >= log.durable()) return false;
  if (log.Check(log.id(), *taken) != CursorState::kValid) {
    StartOver();
    return true;
  }
  AppendLog::ReadOptions read;
  read.since = *taken;
  const auto reader = log.Read(read);
  for (std::size_t i = 0; i < kRecordsMax && reader->Valid(); ++i) {
    const RecordView& record = reader->record();
    const auto changes = DecodePathChanges(record.changes);
    if (!changes.ok()) {
      Fail(DataLoss("a record's path changes cannot be read"));
      return false;
    }
    if (own.erase(record.seq.value) == 0) {
      TakeChanges(*changes);
    } else {
      for (const PathChange& change : *changes) {
        if (change.type == PathChange::Type::kRename) {
          Follow(change.from, change.path);
        }
      }
    }
    taken = record.seq;
    reader->Next();
  }
  std::erase_if(recent,
                [&](const auto& path) { return path.second.until <= *taken; });
  if (!reader->status().ok()) {
    Fail(reader->status());
    return false;
  }
  return true;
}

void Mirror::Impl::TakeChanges(const std::vector<PathChange>& changes) {
  for (const PathChange& change : changes) {
    switch (change.type) {
      case PathChange::Type::kDoc:
        if (TouchesSettings(change)) LookAtSkipped();
        continue;
      case PathChange::Type::kEvent:
        continue;
      case PathChange::Type::kSubtree:
        MakeDirty(change.path, true);
        continue;
      case PathChange::Type::kRename: {
        Follow(change.from, change.path);
        moved.push_back(change.from);
        moved.push_back(change.path);
        continue;
      }
      case PathChange::Type::kConflict:
      case PathChange::Type::kResolve:
        if (change.path.starts_with("doc:")) continue;
        break;
      default:
        break;
    }
    MakeDirty(change.path, false);
  }
}

// Another strategy may have another mind about them.
void Mirror::Impl::LookAtSkipped() {
  for (const auto& [path, at] : owed) {
    if (at.why == Owed::Why::kSkipped) MakeDirty(path, at.whole);
  }
}

// What was dirty below `from` is so below `to`. The view may have been ahead of
// the records when a path was planned: then it was looked for in vain under
// its name of then, and has to be looked at under the one that follows. So for
// what is owed.
void Mirror::Impl::Follow(const std::string& from, const std::string& to) {
  std::vector<std::pair<std::string, bool>> below;
  const auto at_or_below = [&](auto& paths, const auto& whole) {
    for (auto at = paths.lower_bound(from);
         at != paths.end() && at->first.starts_with(from); ++at) {
      if (!IsAtOrBelow(at->first, from)) continue;
      below.emplace_back(Rebase(at->first, from, to), whole(at->second));
    }
  };
  at_or_below(dirty, [](bool whole) { return whole; });
  at_or_below(recent, [](const Recent& path) { return path.whole; });
  at_or_below(owed, [](const Owed& path) { return path.whole; });
  for (const auto& [path, whole] : below) MakeDirty(path, whole);
  for (std::size_t i = moved.size(); i-- > 0;) {
    if (IsAtOrBelow(moved[i], from))
      moved.push_back(Rebase(moved[i], from, to));
  }
}

void Mirror::Impl::MakeDirty(const std::string& path, bool whole) {
  bool& known = dirty[path];
  known = known || whole;
  if (IsRuleFile(path)) dirty_rules.insert(path);
}

// What is directly below `path`, in Base or in the view, is to be compared
// with all that is below it.
void Mirror::Impl::Unfold(const std::string& path) {
  const absl::Status status =
      base->Walk(path, [&](const std::string& below, const BaseEntry&) {
        if (below != path && ParentPath(below) == path) MakeDirty(below, true);
        return true;
      });
  if (!status.ok()) return Fail(status);
  std::string after;
  while (true) {
    const auto children = env.replica.state().List(path, after, kListMax);
    if (!children.ok()) return;  // No directory in the view.
    for (const auto& [name, row] : *children) {
      MakeDirty(ChildPath(path, name), true);
    }
    if (children->size() < kListMax) return;
    after = children->back().first;
  }
}

bool Mirror::Impl::TakeDue() {
  const std::int64_t now = Now();
  if (!disk_error.ok()) {
    if (now < disk_retry_ms) return false;
    // What had no space may not be wanted any more.
    if (std::none_of(owed.begin(), owed.end(), [](const auto& at) {
          return at.second.why == Owed::Why::kDisk;
        })) {
      disk_error = absl::OkStatus();
    }
    disk_retry_ms = now + kDiskFullMs;
  }
  bool any = false;
  for (auto& [path, at] : owed) {
    if (at.why != Owed::Why::kDisk || at.due_ms > now) continue;
    MakeDirty(path, at.whole);
    at.due_ms = now + kDiskFullMs;  // Unless it fails again.
    any = true;
  }
  return any;
}

// Something has happened to a path on the disk: what failed there for good, or
// waits for long, is tried once more soon. (Whoever had the file open may have
// closed it.)
void Mirror::Impl::Stirred(const std::string& path) {
  const auto at = owed.find(path);
  if (at == owed.end()) return;
  Owed& owing = at->second;
  const std::int64_t due = Now() + kStirredMs;
  if (owing.why == Owed::Why::kError) {
    owing.why = Owed::Why::kDisk;
    owing.due_ms = due;
  } else if (owing.why == Owed::Why::kDisk) {
    owing.due_ms = std::min(owing.due_ms, due);
  }
}

void Mirror::Impl::ContentChanged() {
  bool any = false;
  for (auto& [path, at] : owed) {
    if (at.why != Owed::Why::kContent) continue;
    if (at.missing && !env.replica.chunks().Has(*at.missing)) continue;
    at.missing.reset();
    MakeDirty(path, at.whole);
    any = true;
  }
  if (any) Post();
}

bool Mirror::Impl::PlanSlice() {
  At("plan");
  std::map<std::string, bool> slice;
  const auto take = [&](const std::string& path) {
    const auto found = dirty.find(path);
    slice[path] = found != dirty.end() && found->second;
    if (found != dirty.end()) dirty.erase(found);
  };
  if (!dirty_rules.empty()) {
    for (const std::string& path : std::exchange(dirty_rules, {})) take(path);
  } else {
    for (const std::string& path : std::exchange(moved, {})) take(path);
    while (slice.size() < kSliceMax && !dirty.empty()) {
      take(std::string(dirty.begin()->first));
    }
  }
  auto plan = PlanTarget(
      env.replica.state(), *base, slice,
      [this](std::string_view path) {
        return env.replica.StrategyFor(path) == Strategy::kSkip;
      },
      [this](std::string_view path, bool is_directory) {
        return rules.Ignores(path, is_directory);
      });
  if (!plan.ok()) {
    Fail(plan.status());
    return false;
  }
  std::set<std::string> wrong;  // Gets a DiskOp: stays owed until it is done.
  for (const DiskOp& op : plan->ops) wrong.insert(op.path);
  WriteBatch rows;
  for (const auto& [path, whole] : slice) {
    if (!wrong.contains(path)) Settled(path, rows);
  }
  for (const std::string& path : plan->skipped) {
    Owed owing;
    owing.why = Owed::Why::kSkipped;
    Owe(path, owing, rows);
  }
  if (!rows.empty()) {
    emitter->WriteRows(std::move(rows), Durability::kBuffered);
  }
  const Seq ahead = env.replica.log().head();
  for (const auto& [path, whole] : slice) {
    if (taken && *taken < ahead) recent[path] = {whole, ahead};
  }
  unfold = std::move(plan->unfold);
  disk_ops = std::move(plan->ops);
  disk_done = 0;
  return broken.ok();
}

std::vector<DiskOp> Mirror::Impl::TakeBatch() {
  std::vector<DiskOp> batch;
  std::uint64_t bytes = 0;
  while (disk_done < disk_ops.size() && batch.size() < options.batch_files &&
         bytes < options.batch_bytes) {
    DiskOp& op = disk_ops[disk_done++];
    const auto content = FileContent::Decode(op.next.payload);
    if (op.next.kind == ItemKind::kFile && content.ok()) {
      bytes += content->size;
    }
    batch.push_back(std::move(op));
  }
  return batch;
}

bool Mirror::Impl::StartDisk() {
  At("materialize");
  std::vector<DiskOp> batch = TakeBatch();
  const bool disk_needed = std::any_of(
      batch.begin(), batch.end(),
      [](const DiskOp& op) { return op.type != DiskOp::Type::kAccept; });
  if (disk_needed) {
    RunBatch(std::move(batch));
    return false;
  }
  std::vector<DiskResult> results;
  for (const DiskOp& op : batch) {
    results.push_back({absl::OkStatus(), op.next.fingerprint, {}, {}, {}});
  }
  DiskDone(std::move(batch), std::move(results), {});
  return broken.ok();
}

// The order that makes a crash harmless: what is intended is written to the
// store (not synced yet); contents are staged and synced; the store is synced;
// only then is the disk changed; the rows that end the intents are written once
// that is synced. Where the store is on the disk of the folder, or others had
// it synced meanwhile, its sync finds nothing left to do.
void Mirror::Impl::RunBatch(std::vector<DiskOp> batch) {
  WriteBatch begun;
  const std::uint64_t number = intents->Begin(IntentsOf(batch), begun);
  if (const absl::Status status = env.store.Write(begun, false); !status.ok()) {
    return Fail(status);
  }
  At("intended");
  auto ops = std::make_shared<std::vector<DiskOp>>(std::move(batch));
  auto unsynced = std::make_shared<absl::Status>();
  using Results = absl::StatusOr<std::vector<DiskResult>>;
  auto results = std::make_shared<Results>(std::vector<DiskResult>());
  Run(
      [this, ops, unsynced, results] {
        *results = RunDiskOps(
            *root, env.replica.chunks(), *ops,
            [this, unsynced] { return *unsynced = env.store.Sync(); }, stop);
      },
      [this, number, ops, unsynced, results] {
        if (!unsynced->ok()) return Fail(*unsynced);
        WriteBatch rows;
        if (results->ok()) intents->End(number, rows);
        DiskDone(std::move(*ops), *results, std::move(rows));
      });
}

void Mirror::Impl::DiskDone(
    std::vector<DiskOp> ops,
    const absl::StatusOr<std::vector<DiskResult>>& results, WriteBatch rows) {
  if (absl::IsCancelled(results.status())) return;
  if (!results.ok()) return RootLost(results.status());
  At("accept");
  bool moved_all = true;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const DiskResult& result = (*results)[i];
    if (result.status.ok()) {
      Succeeded(ops[i], result, rows);
    } else {
      Failed(ops[i], result, rows);
      moved_all = moved_all && ops[i].from.empty();
    }
  }
  if (!moved_all) PlanAnew();
  if (!rows.empty()) {
    emitter->WriteRows(std::move(rows), Durability::kDurable);
  }
}

// The rest of the plan relies on moves that did not come about.
void Mirror::Impl::PlanAnew() {
  for (; disk_done < disk_ops.size(); ++disk_done) {
    const DiskOp& op = disk_ops[disk_done];
    MakeDirty(op.path, false);
    if (!op.from.empty()) MakeDirty(op.from, true);
  }
}

void Mirror::Impl::Succeeded(const DiskOp& op, const DiskResult& result,
                             WriteBatch& rows) {
  BaseEntry next = op.next;
  next.fingerprint = result.fingerprint;
  absl::Status status;
  switch (op.type) {
    case DiskOp::Type::kRemove:
      base->Remove(op.path, rows);
      break;
    case DiskOp::Type::kRename:
      status = base->MoveTrees({{op.from, op.path}}, rows);
      base->Put(op.path, next, rows);
      Settled(op.from, rows);
      break;
    case DiskOp::Type::kExchange: {
      status = base->MoveTrees({{op.from, op.path}, {op.path, op.from}}, rows);
      BaseEntry other = op.other;
      other.fingerprint = result.other;
      base->Put(op.path, next, rows);
      base->Put(op.from, other, rows);
      Settled(op.from, rows);
      break;
    }
    default:
      // A project that does not care for the time takes the disk's.
      if (next.kind == ItemKind::kFile && AttrOf(next.attrs, "mtime").empty()) {
        next.attrs = DiskAttrs(next.fingerprint);
      }
      base->Put(op.path, next, rows);
  }
  if (!status.ok()) return Fail(status);
  LookAtRules(op);
  Settled(op.path, rows);
  if (op.type != DiskOp::Type::kAccept) disk_error = absl::OkStatus();
}

// OK unless `result` is that of a directory which the project removed and that
// will not become empty by itself.
absl::Status Mirror::Impl::HeldBack(const DiskOp& op,
                                    const DiskResult& result) const {
  if (!result.holds) return absl::OkStatus();
  const auto& [name, is_directory] = *result.holds;
  const std::string path = ChildPath(op.path, name);
  const std::string what =
      "deleted elsewhere, but kept here for what is in it: " + path;
  if (rules.Ignores(path, is_directory)) {
    return FailedPrecondition(what + " is ignored");
  }
  const auto below = owed.find(path);
  if (below == owed.end() || below->second.why != Owed::Why::kError) {
    return absl::OkStatus();  // Not looked at yet.
  }
  return FailedPrecondition(what);
}

void Mirror::Impl::Failed(const DiskOp& op, const DiskResult& result,
                          WriteBatch& rows) {
  Owed owing;
  absl::Status why = result.status;
  if (const absl::Status held_back = HeldBack(op, result); !held_back.ok()) {
    owing.why = Owed::Why::kError;  // Until something stirs there.
    why = held_back;
  } else if (result.missing) {
    owing.why = Owed::Why::kContent;
    owing.missing = result.missing;
    // One that was damaged is to be fetched again.
    const absl::Status wanted =
        env.replica.wants().AddPayload(op.next.payload, rows);
    if (!wanted.ok()) {
      owing.why = Owed::Why::kError;
      why = wanted;
    }
  } else if (absl::IsResourceExhausted(why)) {
    disk_error = why;
    disk_retry_ms = Now() + kDiskFullMs;
    owing.due_ms = disk_retry_ms;
  } else if (absl::IsAborted(why) || absl::IsAlreadyExists(why) ||
             absl::IsFailedPrecondition(why) || absl::IsNotFound(why)) {
    // Somebody was there first: that is told before it is tried again.
    AddScope(op.path, ScanDepth::kSelf);
    if (!op.from.empty()) AddScope(op.from, ScanDepth::kSelf);
    if (absl::IsFailedPrecondition(why)) {
      AddScope(op.path, ScanDepth::kTree);
      AddScope(std::string(ParentPath(op.path)), ScanDepth::kChildren);
    }
  } else {
    owing.why = Owed::Why::kError;
  }
  // What was to move is at neither place for sure, with all below it; later
  // ops of the plan have relied on it.
  owing.whole = !op.from.empty();
  Owe(op.path, owing, rows);
  if (!op.from.empty()) Owe(op.from, owing, rows);
  if (owed.at(op.path).why == Owed::Why::kError ||
      absl::IsFailedPrecondition(why)) {
    disk_errors[op.path] = why;
  }
  // It may have come while this op was on its way.
  if (result.missing) ContentChanged();
}

void Mirror::Impl::Owe(const std::string& path, Owed owing, WriteBatch& rows) {
  const auto before = owed.find(path);
  if (before != owed.end()) owing.attempts = before->second.attempts + 1;
  if (owing.why == Owed::Why::kDisk && owing.due_ms == 0) {
    owing.due_ms =
        Now() + (kRetryMs << std::min(owing.attempts, kRetryShiftMax));
    if (owing.attempts > kRetryShiftMax) {
      owing.why = Owed::Why::kError;  // Left to sweeps.
    }
  }
  owed[path] = owing;
  base->AddPending(path, owing.whole, rows);
}

void Mirror::Impl::Settled(const std::string& path, WriteBatch& rows) {
  owed.erase(path);
  disk_errors.erase(path);
  base->RemovePending(path, rows);
}

bool Mirror::Impl::SaveCursor() {
  if (!taken) return false;
  const BaseTable::Cursor cursor{env.replica.log().id(), *taken};
  if (base->cursor() == cursor && base->rules() == rules_digest) return false;
  WriteBatch rows;
  base->SetCursor(cursor, rows);
  if (base->rules() != rules_digest) base->SetRules(rules_digest, rows);
  emitter->WriteRows(std::move(rows), Durability::kBuffered);
  return false;
}

}  // namespace syncline
