#include "replication/mirror/mirror.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/mirror/mirror_impl.h"

namespace syncline {
namespace {

constexpr std::int64_t kReopenMs = 2'000;
constexpr int kHoldLooks = 4;  // At a young file: for two seconds.

}  // namespace

struct Mirror::Impl::Life {
  std::mutex mutex;
  std::condition_variable changed;
  bool running = false;  // A job is on a worker.
  bool stopped = false;  // No job may start, no handler may touch the mirror.
};

Mirror::Impl::Impl(const Environment& environment, const Options& opts)
    : env(environment),
      options(opts),
      life(std::make_shared<Life>()),
      timer(environment.executor) {
  scan_options.honour_gitignore = options.honour_gitignore;
  scan_options.stop = &stop;
  rules = IgnoreMap(scan_options.local_rules);
  scan_options.before_list = [this](std::string_view directory) {
    // A refusal shows in the watcher's health: sweeps come more often then.
    if (watcher) watcher->AddDir(directory).IgnoreError();
  };
}

Mirror::Impl::~Impl() {
  stop = true;
  std::unique_lock lock(life->mutex);
  life->stopped = true;
  life->changed.wait(lock, [&] { return !life->running; });
}

absl::Status Mirror::Impl::Start() {
  SYNCLINE_ASSIGN_OR_RETURN(
      base,
      BaseTable::Open(env.store, env.replica.identity().number, options.id));
  SYNCLINE_ASSIGN_OR_RETURN(
      intents,
      BaseIntents::Open(env.store, env.replica.identity().number, options.id));
  if (!base->attached()) {
    SYNCLINE_RETURN_IF_ERROR(Attach());
  }
  if (const absl::Status opened = OpenRoot(); !opened.ok()) {
    if (!absl::IsUnavailable(opened)) return opened;
    RootLost(opened);
  }
  Emitter::Hooks hooks;
  hooks.differs = [this](const std::string& path) { MakeDirty(path, false); };
  hooks.problem = [this](const std::string& path, const absl::Status& why) {
    LocalProblem(path, why);
  };
  hooks.accounted = [this](Seq seq) { own.insert(seq.value); };
  hooks.written = [this](const absl::Status& status) { Written(status); };
  emitter =
      std::make_unique<Emitter>(env.replica, *base, *intents, std::move(hooks));
  sweep_ms = Now() + options.sweep_ms;
  LoadPending();
  waiter = env.replica.log().Wait([this] { Post(); });
  wants_watch = env.replica.wants().OnChange([this] { ContentChanged(); });
  Post();
  return absl::OkStatus();
}

absl::Status Mirror::Impl::Attach() {
  if (options.create) {
    std::error_code error;
    std::filesystem::create_directories(options.dir, error);
    if (error) return ErrnoStatus(error.value(), options.dir);
  }
  WriteBatch rows;
  if (base->name().empty()) {
    base->SetName(ToHex(env.random.Bytes(16)), false, rows);
    SYNCLINE_RETURN_IF_ERROR(env.store.Write(rows, true));
    rows.Clear();
  }
  const absl::Status attached = RootDir::Attach(options.dir, base->name());
  if (absl::IsUnavailable(attached)) {
    return NotFound(FromAbsl(attached.message()));
  }
  SYNCLINE_RETURN_IF_ERROR(attached);
  base->SetName(base->name(), true, rows);
  return env.store.Write(rows, true);
}

absl::Status Mirror::Impl::OpenRoot() {
  RootDir::Options root_options;
  root_options.settle_ms = options.settle_ms;
  root_options.at_step = options.at_step;
  SYNCLINE_ASSIGN_OR_RETURN(
      auto opened, RootDir::Open(options.dir, base->name(),
                                 {env.time, env.random}, root_options));
  SYNCLINE_RETURN_IF_ERROR(opened->CleanLeftovers().status());
  root = std::move(opened);
  root_error = absl::OkStatus();
  full_scan = true;
  MakeWatcher();
  return absl::OkStatus();
}

void Mirror::Impl::MakeWatcher() {
  if (!options.watch) return;
  auto made =
      Watcher::Create(env.executor, *root, {},
                      [this](const Watcher::Hints& hints) { AddHints(hints); });
  if (made.ok()) watcher = *std::move(made);
}

void Mirror::Impl::RootLost(const absl::Status& why) {
  root_error = why;
  watcher.reset();
  root.reset();
  reopen_ms = Now() + kReopenMs;
  local.clear();
  local_done = 0;
  emitted = false;
  scanning_full = false;
  disk_ops.clear();
  disk_done = 0;
  for (auto& done : std::exchange(asked, {})) waiting.push_back(done);
  for (auto& done : std::exchange(waiting, {})) done(why);
}

void Mirror::Impl::ReopenRoot() {
  if (const absl::Status opened = OpenRoot(); !opened.ok()) {
    RootLost(opened);
    return;
  }
  // What was planned is planned anew.
  LoadPending();
  StartOver();
}

void Mirror::Impl::Fail(const absl::Status& why) {
  if (broken.ok()) broken = why;
  for (auto& done : std::exchange(asked, {})) waiting.push_back(done);
  for (auto& done : std::exchange(waiting, {})) done(why);
}

void Mirror::Impl::Written(const absl::Status& status) {
  if (!status.ok()) return Fail(status);
  if (emitter->in_flight() == 0) base->Settle();
  Post();
}

std::int64_t Mirror::Impl::Now() const { return env.time.SteadyMs(); }

void Mirror::Impl::At(std::string_view step) const {
  if (options.at_step) options.at_step(step);
}

void Mirror::Impl::Run(std::function<void()> work, std::function<void()> then) {
  busy = true;
  boost::asio::post(env.workers,
                    [this, alive = life, work = std::move(work),
                     then = std::move(then), executor = env.executor] {
                      {
                        const std::lock_guard lock(alive->mutex);
                        if (alive->stopped) return;
                        alive->running = true;
                      }
                      work();
                      // Posted first: `this` may be gone as soon as the job
                      // counts as ended.
                      boost::asio::post(executor, [this, alive, then] {
                        {
                          const std::lock_guard lock(alive->mutex);
                          if (alive->stopped) return;
                        }
                        busy = false;
                        then();
                        Step();
                      });
                      const std::lock_guard lock(alive->mutex);
                      alive->running = false;
                      alive->changed.notify_all();
                    });
}

void Mirror::Impl::Post() {
  if (posted) return;
  posted = true;
  boost::asio::post(env.executor, [this, alive = life] {
    {
      const std::lock_guard lock(alive->mutex);
      if (alive->stopped) return;
    }
    posted = false;
    Step();
  });
}

// What is shown while a state is being installed is neither what was nor what
// comes: nothing is compared with it.
bool Mirror::Impl::Awaits(std::function<void()> then) {
  if (!env.replica.installing()) return false;
  busy = true;
  env.replica.WhenReady([this, alive = life, then = std::move(then)] {
    {
      const std::lock_guard lock(alive->mutex);
      if (alive->stopped) return;
    }
    busy = false;
    then();
    Post();
  });
  return true;
}

void Mirror::Impl::Step() {
  if (!busy && Awaits([] {})) return;
  while (!busy && !paused && broken.ok() && NextWork()) {
  }
  if (!kept.empty() && Told()) kept.clear();
  NoteIdle();
  ArmTimer();
}

bool Mirror::Impl::NextWork() {
  if (!root) {
    if (Now() < reopen_ms) return false;
    ReopenRoot();
    return root != nullptr;
  }
  if (local_done < local.size()) return StartRead();
  if (emitted && emitter->in_flight() == 0) FinishScan();
  if (!fresh.empty() && Now() >= fresh_ms) TakeFresh();
  if (!home_error.ok() && Now() >= home_retry_ms && !emitted) {
    full_scan = true;
    home_retry_ms = Now() + kReopenMs;
  }
  if (full_scan || !scopes.empty()) return StartScan();
  if (!scanned_once || emitted) return false;
  if (disk_done < disk_ops.size()) return StartDisk();
  for (const std::string& path : std::exchange(unfold, {})) Unfold(path);
  if (!moved.empty() || !dirty.empty()) return PlanSlice();
  return TakeDue() || TakeRecords() || TakeFresh() || SaveCursor();
}

bool Mirror::Impl::Working() const {
  if (busy || full_scan || !scopes.empty() || emitted || !scanned_once ||
      local_done < local.size() || disk_done < disk_ops.size() ||
      !dirty.empty() || !moved.empty() || !unfold.empty() || !fresh.empty() ||
      emitter->in_flight() > 0) {
    return true;
  }
  if (taken && *taken < env.replica.log().head()) return true;
  const auto waits = [](const auto& owing) {
    return owing.second.why == Owed::Why::kContent ||
           owing.second.why == Owed::Why::kDisk;
  };
  return !hot.empty() || std::any_of(owed.begin(), owed.end(), waits);
}

// See KeepUntilTold().
bool Mirror::Impl::Told() const {
  if (paused || !broken.ok() || !root || !home_error.ok()) return true;
  return scanned_once &&
         std::all_of(hot.begin(), hot.end(), [](const auto& at) {
           return at.second.attempts >= kHoldLooks;
         });
}

void Mirror::Impl::NoteIdle() {
  const bool idle = MakeStatus().state == State::kIdle;
  if (idle && !was_idle && on_idle) {
    was_idle = true;
    on_idle();
    return;
  }
  was_idle = idle;
}

void Mirror::Impl::ArmTimer() {
  if (paused || !broken.ok()) {
    timer.cancel();
    return;
  }
  std::int64_t due = sweep_ms;
  if (!root) due = reopen_ms;
  for (const auto& [path, at] : hot) due = std::min(due, at.due_ms);
  for (const auto& [path, at] : owed) {
    if (at.why == Owed::Why::kDisk) due = std::min(due, at.due_ms);
  }
  if (!disk_error.ok()) due = std::min(due, disk_retry_ms);
  if (!home_error.ok()) due = std::min(due, home_retry_ms);
  timer.expires_after(
      std::chrono::milliseconds(std::max<std::int64_t>(due - Now(), 10)));
  timer.async_wait(
      [this, alive = life](const boost::system::error_code& error) {
        if (error) return;
        {
          const std::lock_guard lock(alive->mutex);
          if (alive->stopped) return;
        }
        const std::int64_t now = Now();
        if (scanned_once && now >= sweep_ms) full_scan = true;
        for (auto at = hot.begin(); at != hot.end(); ++at) {
          if (now < at->second.due_ms) continue;
          AddScope(at->first, ScanDepth::kSelf);
          at->second.due_ms = now + kReopenMs;  // Unless it fails again.
        }
        Step();
      });
}

Mirror::Status Mirror::Impl::MakeStatus() const {
  Status status;
  status.dir = options.dir;
  status.scanned_files = scanned;
  status.pending =
      owed.size() + dirty.size() + moved.size() + (disk_ops.size() - disk_done);
  status.held_deletes = held;
  for (const auto& [path, why] : scan_errors) {
    status.errors[path] = FromAbsl(why.message());
  }
  for (const auto& [path, why] : disk_errors) {
    status.errors[path] = FromAbsl(why.message());
  }
  for (const auto& [path, at] : hot) {
    if (at.why.ok()) continue;
    status.unsettled[path] =
        "keeps changing: " + std::string(FromAbsl(at.why.message()));
  }
  const auto error = [&](std::string_view why) {
    status.state = State::kError;
    status.error = why;
  };
  if (!broken.ok()) {
    error(FromAbsl(broken.message()));
  } else if (paused) {
    status.state = State::kPaused;
  } else if (!root_error.ok()) {
    error(FromAbsl(root_error.message()));
  } else if (held > 0) {
    error("mass delete needs confirmation: " + std::to_string(held) +
          " deletions of " + std::to_string(base->size()));
  } else if (!home_error.ok()) {
    error(FromAbsl(home_error.message()));
  } else if (!disk_error.ok()) {
    error(FromAbsl(disk_error.message()));
  } else if (full_scan || scanning_full) {
    status.state = State::kScanning;
  } else {
    status.state = Working() ? State::kSyncing : State::kIdle;
  }
  return status;
}

Mirror::Mirror(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mirror::~Mirror() = default;

absl::StatusOr<std::unique_ptr<Mirror>> Mirror::Open(
    const Environment& environment, const Options& options) {
  auto impl = std::make_unique<Impl>(environment, options);
  SYNCLINE_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Mirror>(new Mirror(std::move(impl)));
}

absl::Status Mirror::Forget(Store& store, ProjectNumber project,
                            std::uint32_t id, const std::string& dir) {
  SYNCLINE_ASSIGN_OR_RETURN(const auto base,
                            BaseTable::Open(store, project, id));
  WriteBatch rows;
  BaseTable::Erase(project, id, rows);
  SYNCLINE_RETURN_IF_ERROR(store.Write(rows, true));
  if (base->name().empty()) return absl::OkStatus();
  const absl::Status detached = RootDir::Detach(dir, base->name());
  if (absl::IsUnavailable(detached) || absl::IsNotFound(detached) ||
      absl::IsAlreadyExists(detached)) {
    return absl::OkStatus();  // Not here, or no longer ours.
  }
  return detached;
}

Mirror::Status Mirror::status() const { return impl_->MakeStatus(); }

bool Mirror::idle() const { return impl_->MakeStatus().state == State::kIdle; }

void Mirror::OnIdle(std::function<void()> idle) {
  impl_->on_idle = std::move(idle);
}

void Mirror::Scan(std::function<void(absl::Status)> done) {
  absl::Status refused = impl_->broken;
  refused.Update(impl_->root_error);
  if (impl_->paused) refused.Update(FailedPrecondition("the mirror is paused"));
  if (!refused.ok()) {
    if (done) done(refused);
    return;
  }
  if (done) impl_->asked.push_back(std::move(done));
  impl_->full_scan = true;
  impl_->Post();
}

void Mirror::KeepUntilTold(std::shared_ptr<const void> hold) {
  impl_->kept.push_back(std::move(hold));
  impl_->Post();
}

void Mirror::ConfirmDeletes() {
  impl_->confirmed = true;
  impl_->full_scan = true;
  impl_->Post();
}

void Mirror::Pause() {
  impl_->paused = true;
  impl_->Post();
}

void Mirror::Resume() {
  if (!impl_->paused) return;
  impl_->paused = false;
  impl_->full_scan = true;
  impl_->Post();
}

std::string_view MirrorStateName(Mirror::State state) {
  switch (state) {
    case Mirror::State::kScanning:
      return "scanning";
    case Mirror::State::kIdle:
      return "idle";
    case Mirror::State::kSyncing:
      return "syncing";
    case Mirror::State::kPaused:
      return "paused";
    case Mirror::State::kError:
      return "error";
  }
  return "error";
}

}  // namespace syncline
