#include "node/log_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "log/log_measure.h"
#include "log/log_space.h"
#include "node/node_core.h"
#include "proto/entry_codec.h"

namespace syncline {
namespace {

// Records truncated in one turn of the loop.
constexpr std::uint64_t kStepRecords = 1u << 15;

absl::StatusOr<std::int64_t> TimeOfEntry(std::string_view entry) {
  SYNCLINE_ASSIGN_OR_RETURN(const DecodedEntry decoded, DecodeEntry(entry));
  return static_cast<std::int64_t>(decoded.entry.hlc.milliseconds());
}

std::optional<Seq> Least(const std::vector<LogHolder>& holders) {
  std::optional<Seq> least;
  for (const LogHolder& holder : holders) {
    least = std::min(least.value_or(holder.passed), holder.passed);
  }
  return least;
}

// Why there is no project to work on.
absl::Status Gone(const NodeCore& core) {
  return core.closing() ? NodeClosed() : NotFound("the project was removed");
}

}  // namespace

struct LogKeeper::Job {
  ProjectNumber project;
  std::optional<TruncateQuery> query;  // None: by policy.
  Callback<Truncated> done;
  bool space_only = false;    // Nothing is to be truncated.
  std::optional<Seq> passed;  // What the plan took into account.
  Seq through;
  Truncated outcome;
};

LogKeeper::LogKeeper(NodeCore& core) : core_(core), timer_(core.io()) {}

LogKeeper::~LogKeeper() = default;

void LogKeeper::Start() { Arm(); }

void LogKeeper::Serve() {
  for (const auto& [number, project] : core_.projects()) {
    if (project.replica->log().horizon().value == 0) continue;
    auto job = std::make_shared<Job>();
    job->project = number;
    job->space_only = true;
    Add(std::move(job));
  }
}

void LogKeeper::Forget(ProjectNumber project) {
  seen_.erase(project);
  failures_.erase(project);
  dropped_bytes_.erase(project);
  if (!truncating_ || truncating_->project != project) return;
  // Its replica may not answer any more.
  Finish(std::exchange(truncating_, nullptr), Gone(core_));
}

void LogKeeper::Stop() {
  timer_.cancel();
  for (const JobPtr& job : std::exchange(jobs_, {})) {
    if (job->done) job->done(NodeClosed());
  }
}

void LogKeeper::Arm() {
  if (armed_ || core_.closing() || core_.settings().retention().empty()) return;
  armed_ = true;
  timer_.expires_after(
      std::chrono::milliseconds(core_.options().retention_period_ms));
  timer_.async_wait([this, weak = core_.weak_from_this()](
                        const boost::system::error_code& error) {
    const auto core = weak.lock();
    if (error || !core || core->closing()) return;
    armed_ = false;
    Tick();
  });
}

void LogKeeper::Tick() {
  for (const auto& [number, policy] : core_.settings().retention()) {
    auto job = std::make_shared<Job>();
    job->project = number;
    Add(std::move(job));
  }
  Arm();
}

// ---- jobs

void LogKeeper::Add(JobPtr job) {
  if (core_.closing()) {
    if (job->done) job->done(NodeClosed());
    return;
  }
  const bool waits =
      !job->query &&
      std::any_of(jobs_.begin(), jobs_.end(), [&](const JobPtr& other) {
        return !other->query && other->project == job->project &&
               other->space_only == job->space_only;
      });
  if (waits) return;
  jobs_.push_back(std::move(job));
  RunNext();
}

void LogKeeper::RunNext() {
  if (begun_ || jobs_.empty() || core_.closing()) return;
  begun_ = true;
  core_.Later([this, weak = core_.weak_from_this()] {
    const auto core = weak.lock();
    if (!core) return;
    begun_ = !jobs_.empty();
    if (!begun_) return;
    const JobPtr job = std::move(jobs_.front());
    jobs_.pop_front();
    Begin(job);
  });
}

void LogKeeper::Begin(const JobPtr& job) {
  ProjectRuntime* project = core_.Find(job->project);
  if (core_.closing() || project == nullptr) return Finish(job, Gone(core_));
  if (job->space_only) return Reclaim(job);
  const absl::Status health = project->replica->health();
  if (!health.ok()) return Finish(job, health);
  RetentionPolicy policy;
  if (job->query) {
    policy.keep = job->query->keep;
  } else {
    const auto& policies = core_.settings().retention();
    const auto found = policies.find(job->project);
    if (found == policies.end()) return Finish(job, job->outcome);
    policy = found->second;
    const auto holders = Holders(*project);
    if (!holders.ok()) return Finish(job, holders.status());
    job->passed = Least(*holders);
    const AppendLog& log = project->replica->log();
    const Seen now{log.horizon(), log.durable(), job->passed};
    const bool by_age = policy.keep.age_ms != 0 || policy.limit.age_ms != 0;
    const auto last = seen_.find(job->project);
    if (!by_age && last != seen_.end() && last->second == now) {
      return Finish(job, job->outcome);
    }
    seen_[job->project] = now;
  }
  Plan(job, *project, policy);
}

void LogKeeper::Plan(const JobPtr& job, ProjectRuntime& project,
                     const RetentionPolicy& policy) {
  using Plans = std::pair<Seq, std::uint64_t>;  // Through, and its bytes.
  const AppendLog& log = project.replica->log();
  const RetentionInput input{log.horizon(), log.durable(), job->passed,
                             core_.time().NowMs()};
  std::optional<Seq> through;
  if (job->query) through = job->query->through;
  if (through && input.durable < *through) {
    job->outcome = {CursorState::kInvalid, 0,     input.horizon,
                    input.durable,         false, {}};
    return Finish(job, job->outcome);
  }
  core_.OnPool<Plans>(
      [&store = core_.store(), number = job->project, input, policy,
       through]() -> absl::StatusOr<Plans> {
        StoreMeasure measure(store, number, input.horizon, input.durable,
                             TimeOfEntry);
        RetentionPlan plan;
        if (through) {
          plan.through = *through;
        } else {
          SYNCLINE_ASSIGN_OR_RETURN(plan,
                                    PlanRetention(policy, input, measure));
        }
        // A guess is enough: what is damaged may be truncated too.
        return Plans{plan.through,
                     measure.BytesThrough(plan.through).value_or(0)};
      },
      [this, weak = core_.weak_from_this(),
       job](const absl::StatusOr<Plans>& plans) {
        const auto core = weak.lock();
        if (!core) {
          if (job->done) job->done(NodeClosed());
        } else if (!plans.ok()) {
          Finish(job, plans.status());
        } else {
          Planned(job, plans->first, plans->second);
        }
      });
}

void LogKeeper::Planned(const JobPtr& job, Seq through, std::uint64_t bytes) {
  ProjectRuntime* project = core_.Find(job->project);
  if (core_.closing() || project == nullptr) return Finish(job, Gone(core_));
  absl::StatusOr<std::vector<LogHolder>> holders = Holders(*project);
  if (!holders.ok()) return Finish(job, holders.status());
  const AppendLog& log = project->replica->log();
  job->through = through;
  job->outcome.horizon = log.horizon();
  job->outcome.head = log.durable();
  if (through <= log.horizon()) return Finish(job, job->outcome);
  std::erase_if(*holders, [&](const LogHolder& holder) {
    return holder.passed >= through;
  });
  if (job->query) {
    job->outcome.refused = !holders->empty() && !job->query->force;
    job->outcome.holders = *std::move(holders);
    if (job->outcome.refused) return Finish(job, job->outcome);
  } else if (const auto least = Least(*holders);
             least && (!job->passed || *least < *job->passed)) {
    seen_.erase(job->project);  // Somebody came meanwhile: plan anew.
    return Finish(job, job->outcome);
  }
  dropped_bytes_[job->project] += bytes;
  Step(job);
}

void LogKeeper::Step(const JobPtr& job) {
  ProjectRuntime* project = core_.Find(job->project);
  if (core_.closing() || project == nullptr) return Finish(job, Gone(core_));
  Replica& replica = *project->replica;
  const Seq before = replica.log().horizon();
  const Seq end{std::min(job->through.value, before.value + kStepRecords)};
  truncating_ = job;
  replica.Truncate(end, [this, weak = core_.weak_from_this(), job, before,
                         end](const absl::Status& status) {
    const auto core = weak.lock();
    if (!core || truncating_ != job) return;
    truncating_.reset();
    if (!status.ok()) return Finish(job, status);
    job->outcome.removed += end.value - before.value;
    job->outcome.horizon = end;
    core->Later([this, weak, job, end] {
      if (!weak.lock()) return;
      if (end < job->through) return Step(job);
      Reclaim(job);
    });
  });
}

void LogKeeper::Reclaim(const JobPtr& job) {
  ProjectRuntime* project = core_.Find(job->project);
  if (core_.closing() || project == nullptr) {
    return Finish(job, job->outcome);
  }
  const Seq horizon = project->replica->log().horizon();
  const absl::StatusOr<Seq> from =
      ReclaimedThrough(core_.store(), job->project);
  if (!from.ok()) return Finish(job, from.status());
  if (horizon <= *from || !WorthReclaiming(horizon.value - from->value,
                                           dropped_bytes_[job->project])) {
    return Finish(job, job->outcome);
  }
  core_.OnPool<bool>(
      [&store = core_.store(), &stop = core_.stop_work(), number = job->project,
       from = *from, horizon]() -> absl::StatusOr<bool> {
        SYNCLINE_RETURN_IF_ERROR(ReclaimSpace(store, number, from, horizon,
                                              [&stop] { return stop.load(); }));
        return true;
      },
      [this, weak = core_.weak_from_this(), job,
       horizon](const absl::StatusOr<bool>& done) {
        const auto core = weak.lock();
        if (core) return Reclaimed(job, horizon, done.status());
        if (job->done) job->done(job->outcome);
      });
}

// The records are gone whatever became of their space: it is tried again.
void LogKeeper::Reclaimed(const JobPtr& job, Seq through,
                          const absl::Status& status) {
  ProjectRuntime* project = core_.Find(job->project);
  if (status.ok() && project != nullptr && !core_.closing()) {
    dropped_bytes_.erase(job->project);
    WriteBatch rows;
    PutReclaimed(job->project, through, rows);
    project->replica->log().Append({}, std::move(rows), Durability::kBuffered,
                                   nullptr);
  }
  Finish(job, job->outcome);
}

absl::Status LogKeeper::RetentionFailure(ProjectNumber project) const {
  const auto found = failures_.find(project);
  return found == failures_.end() ? absl::OkStatus() : found->second;
}

void LogKeeper::Finish(const JobPtr& job, absl::StatusOr<Truncated> outcome) {
  begun_ = false;
  if (!job->query && !job->space_only) {
    failures_.erase(job->project);
    if (!outcome.ok() && !absl::IsCancelled(outcome.status()) &&
        core_.Find(job->project) != nullptr) {
      failures_.emplace(job->project, outcome.status());
      seen_.erase(job->project);
    }
  }
  if (job->done) job->done(std::move(outcome));
  RunNext();
}

// ---- truncation

void LogKeeper::Truncate(const std::string& project, const TruncateQuery& query,
                         Callback<Truncated> done) {
  const absl::StatusOr<ProjectRuntime*> found = core_.Find(project);
  if (!found.ok()) return done(found.status());
  auto job = std::make_shared<Job>();
  job->project = (*found)->number;
  job->query = query;
  job->done = std::move(done);
  Add(std::move(job));
}

absl::StatusOr<RetentionPolicy> LogKeeper::Retention(
    const std::string& project) {
  SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * runtime, core_.Find(project));
  const auto& policies = core_.settings().retention();
  const auto found = policies.find(runtime->number);
  return found == policies.end() ? RetentionPolicy() : found->second;
}

void LogKeeper::SetRetention(const std::string& project,
                             const RetentionPolicy& policy,
                             StatusCallback done) {
  const absl::StatusOr<ProjectRuntime*> found = core_.Find(project);
  if (!found.ok()) return done(found.status());
  const ProjectNumber number = (*found)->number;
  core_.settings().PutRetention(number, policy, std::move(done));
  seen_.erase(number);
  failures_.erase(number);
  if (policy.keep.none()) return;
  auto job = std::make_shared<Job>();
  job->project = number;
  Add(std::move(job));
  Arm();
}

}  // namespace syncline
