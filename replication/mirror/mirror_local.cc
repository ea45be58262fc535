#include <algorithm>
#include <utility>

#include "base/status.h"
#include "replication/mirror/mirror_impl.h"

// From the disk to the project.

namespace syncline {
namespace {

// How often a file that somebody keeps writing is looked at before its status
// says so.
constexpr int kHotAttempts = 6;
constexpr std::int64_t kHotMs = 250;
constexpr int kHotShiftMax = 5;  // Up to 8 s.

// Above what is watched, or where nothing is: sweeps replace hints.
constexpr std::int64_t kUnwatchedSweepMs = 30'000;

// How long a new directory may go unwatched while there is work to do.
constexpr std::int64_t kFreshMs = 5'000;

constexpr std::int64_t kHomeFullMs = 5'000;

}  // namespace

void Mirror::Impl::AddScope(const std::string& path, ScanDepth depth) {
  const auto [scope, added] = scopes.try_emplace(path, depth);
  if (!added) scope->second = std::max(scope->second, depth);
}

void Mirror::Impl::AddHints(const Watcher::Hints& hints) {
  if (hints.everything) full_scan = true;
  for (const Watcher::DirtyDir& dir : hints.dirty) {
    if (dir.names.empty()) AddScope(dir.path, ScanDepth::kChildren);
    if (dir.rules) AddScope(dir.path, ScanDepth::kTree);
    Stirred(dir.path);
    for (const std::string& name : dir.names) {
      if (!IsLegalName(name)) continue;  // Rules of our own: no item.
      AddScope(ChildPath(dir.path, name), ScanDepth::kSelf);
      Stirred(ChildPath(dir.path, name));
    }
  }
  if (!hints.fresh.empty() && fresh.empty()) fresh_ms = Now() + kFreshMs;
  fresh.insert(hints.fresh.begin(), hints.fresh.end());
  Step();
}

// A directory that was made or moved by this mirror is what Base says, hence
// not looked into; but what is below it is to be watched, and what came there
// before it was, to be found.
bool Mirror::Impl::TakeFresh() {
  bool any = false;
  for (const std::string& path : std::exchange(fresh, {})) {
    if (!IsLegalPath(path) || !watcher || watcher->Watches(path)) continue;
    AddScope(path, ScanDepth::kTree);
    any = true;
  }
  return any;
}

bool Mirror::Impl::StartScan() {
  if (emitter->in_flight() > 0) return false;  // Base is read by the scan.
  base->Settle();
  const bool full = std::exchange(full_scan, false);
  std::vector<ScanScope> list;
  if (full) {
    list.push_back({"", ScanDepth::kTree});
    waiting = std::exchange(asked, {});
    scanning_full = true;
    fresh.clear();
    for (auto& [path, owing] : owed) {
      if (owing.why == Owed::Why::kError || owing.why == Owed::Why::kSkipped) {
        MakeDirty(path, owing.whole);
      }
    }
  } else {
    for (const auto& [path, depth] : scopes) list.push_back({path, depth});
  }
  scopes.clear();
  At("scan");
  auto diff = std::make_shared<absl::StatusOr<DiskDiff>>(DiskDiff());
  Run([this, diff,
       list] { *diff = DiffDisk(*root, *base, rules, list, scan_options); },
      [this, diff, full, list] { Scanned(full, list, *std::move(diff)); });
  return false;
}

void Mirror::Impl::Scanned(bool full, const std::vector<ScanScope>& list,
                           absl::StatusOr<DiskDiff> diff) {
  if (absl::IsCancelled(diff.status())) return;
  if (absl::IsUnavailable(diff.status())) return RootLost(diff.status());
  if (absl::IsDataLoss(diff.status())) return Fail(diff.status());
  if (!diff.ok()) return RootLost(diff.status());
  if (full) {
    scanned = diff->scanned;
    const bool watched = watcher && watcher->health().ok();
    sweep_ms =
        Now() + (watched ? options.sweep_ms
                         : std::min(options.sweep_ms, kUnwatchedSweepMs));
  }
  TakeRules(*diff);
  ForgetIgnored(diff->ignored);
  LocalPlan plan = PlanLocal(*diff, base->size(), confirmed);
  ForgetTrouble(list, plan.ops);
  for (auto& [path, why] : diff->unreadable) scan_errors[path] = why;
  for (const std::string& path : diff->again) {
    AddScope(path, ScanDepth::kChildren);
  }
  if (full || plan.held > 0) held = plan.held;
  if (full) confirmed = false;
  local = std::move(plan.ops);
  local_done = 0;
  emitted = true;
}

// What was wrong with a path that was looked at is known again soon, if it
// still differs. A file that went away meanwhile would stay awaited otherwise.
void Mirror::Impl::ForgetTrouble(const std::vector<ScanScope>& list,
                                 const std::vector<LocalOp>& ops) {
  std::map<std::string, ScanDepth> seen;
  for (const ScanScope& scope : list) seen[scope.path] = scope.depth;
  const auto looked_at = [&](const std::string& path) {
    if (seen.contains(path)) return true;
    ScanDepth needed = ScanDepth::kChildren;
    for (std::string up = path; !up.empty(); needed = ScanDepth::kTree) {
      up = ParentPath(up);
      const auto scope = seen.find(up);
      if (scope != seen.end() && scope->second >= needed) return true;
    }
    return false;
  };
  std::set<std::string> differ;
  for (const LocalOp& op : ops) differ.insert(op.step.path);
  std::erase_if(scan_errors,
                [&](const auto& at) { return looked_at(at.first); });
  std::erase_if(hot, [&](const auto& at) {
    return looked_at(at.first) && !differ.contains(at.first);
  });
}

bool Mirror::Impl::StartRead() {
  At("read");
  auto end = std::make_shared<absl::StatusOr<std::size_t>>(local_done);
  const std::size_t begin = local_done;
  Run(
      [this, end, begin] {
        ReadLimits limits;
        limits.files = options.batch_files;
        limits.bytes = options.batch_bytes;
        *end =
            ReadLocal(*root, env.replica.chunks(), local, begin, limits, stop);
      },
      [this, end, begin] { ReadDone(begin, *end); });
  return false;
}

void Mirror::Impl::ReadDone(std::size_t begin,
                            const absl::StatusOr<std::size_t>& end) {
  if (absl::IsCancelled(end.status())) return;
  if (absl::IsUnavailable(end.status())) return RootLost(end.status());
  if (absl::IsResourceExhausted(end.status())) return HomeFull(end.status());
  if (!end.ok()) return Fail(end.status());
  if (Awaits([this, begin, end] { ReadDone(begin, end); })) return;
  At("emit");
  std::vector<LocalOp> batch(
      std::make_move_iterator(local.begin() + static_cast<long>(begin)),
      std::make_move_iterator(local.begin() + static_cast<long>(*end)));
  local_done = *end;
  for (const LocalOp& op : batch) {
    if (op.problem.ok()) {
      hot.erase(op.step.path);
      scan_errors.erase(op.step.path);
    }
  }
  if (const absl::Status status = emitter->Emit(batch); !status.ok()) {
    return Fail(status);
  }
}

void Mirror::Impl::LocalProblem(const std::string& path,
                                const absl::Status& problem) {
  if (absl::IsPermissionDenied(problem) || absl::IsInternal(problem) ||
      absl::IsInvalidArgument(problem)) {
    scan_errors[path] = problem;
    hot.erase(path);
    return;
  }
  // Somebody is at it: look again, backing off.
  Hot& at = hot[path];
  at.due_ms = Now() + (kHotMs << std::min(at.attempts, kHotShiftMax));
  if (at.attempts < kHotAttempts) {
    ++at.attempts;
  } else if (absl::IsAborted(problem)) {
    // What it holds is not told: until it is, nobody may call this in sync.
    at.why = problem;
  } else {
    scan_errors[path] = problem;
    hot.erase(path);  // The next sweep tries again.
  }
}

// The home has no space for what was read. Nothing of it was told, so Base
// stays; a sweep finds it again.
void Mirror::Impl::HomeFull(const absl::Status& why) {
  home_error = why;
  home_retry_ms = Now() + kHomeFullMs;
  local.clear();
  local_done = 0;
  emitted = false;
  scanning_full = false;
  for (auto& done : std::exchange(waiting, {})) done(why);
}

void Mirror::Impl::FinishScan() {
  emitted = false;
  if (scanning_full) home_error = absl::OkStatus();
  local.clear();
  local_done = 0;
  base->Settle();
  scanned_once = scanned_once || scanning_full;
  scanning_full = false;
  if (scanned_once && !intents->empty()) ForgetIntents();
  for (auto& done : std::exchange(waiting, {})) done(absl::OkStatus());
}

// What was done of them is in Base now; what was not is planned anew. What a
// user makes of those paths from now on is a user's, whatever it looks like.
void Mirror::Impl::ForgetIntents() {
  WriteBatch rows;
  intents->Forget(
      [this](const std::string& path) { return hot.contains(path); }, rows);
  if (!rows.empty()) emitter->WriteRows(std::move(rows), Durability::kBuffered);
}

}  // namespace syncline
