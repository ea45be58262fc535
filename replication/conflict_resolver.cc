#include "replication/conflict_resolver.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "kv/file_content.h"
#include "replication/ancestry.h"
#include "replication/resolve_turn.h"
#include "replication/text_merge.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

constexpr std::size_t kRecordsInTurn = 64;

// A merge that was made before it is proposed.
class KnownMerge final : public ContentMerger {
 public:
  KnownMerge(const MergeWork& work, std::optional<std::string> result)
      : work_(work), result_(std::move(result)) {}

  std::optional<std::string> Merge(std::string_view first,
                                   std::string_view second) const override {
    const bool same = (first == work_.first && second == work_.second) ||
                      (first == work_.second && second == work_.first);
    return same ? result_ : std::nullopt;
  }
  std::optional<std::string> MergeDocument(
      std::string_view first, std::string_view second) const override {
    return Merge(first, second);
  }

 private:
  const MergeWork& work_;
  std::optional<std::string> result_;
};

// A conflict of two values that may be merged.
struct Candidate {
  RegisterId reg;
  Dots first_dots;  // Heads of the value that has the least dot.
  Dots second_dots;
  std::string first;
  std::string second;
  bool second_is_newer = false;
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

std::optional<Candidate> CandidateOf(const Row& row) {
  const bool document = !row.kind;
  if (!row.conflict() ||
      (!document && (row.kind != ItemKind::kFile || row.items.size() != 1))) {
    return std::nullopt;
  }
  std::map<std::string_view, Dots> values;
  for (const Sibling& sibling : row.siblings) {
    values[sibling.payload()].push_back(sibling.head.order.dot());
  }
  if (values.size() != 2) return std::nullopt;
  for (auto& [payload, dots] : values) std::sort(dots.begin(), dots.end());
  auto first = values.begin();
  auto second = std::next(first);
  if (second->second < first->second) std::swap(first, second);
  Candidate candidate;
  candidate.reg = row.shown_sibling().reg;
  candidate.first = first->first;
  candidate.first_dots = first->second;
  candidate.second = second->first;
  candidate.second_dots = second->second;
  candidate.second_is_newer = row.shown_sibling().payload() == second->first;
  return candidate;
}

}  // namespace

struct ConflictResolver::Impl : std::enable_shared_from_this<Impl> {
  // The merge under way.
  struct Job {
    std::string path;
    Candidate candidate;
    Seq needs;  // Its history is durable up to there.
    std::optional<AncestorSearch> search;
    std::shared_ptr<const MergeWork> work;  // With a worker.
  };
  // A conflict whose content is on its way.
  struct Waiting {
    std::vector<std::string> payloads;
    bool for_ancestor = false;  // For that alone.
  };

  explicit Impl(Environment environment) : env(std::move(environment)) {}

  void Watch();
  void Post(void (Impl::*step)());
  void Note(const std::vector<std::string>& paths);
  void Run();
  // Whether it is another device's turn; this one looks later then.
  bool Deferred(const std::string& path);
  void TurnIsOver();
  void Look(const std::string& path);
  absl::StatusOr<std::optional<Candidate>> Plan(const std::string& path);
  void Propose(const std::string& path, Strategy strategy,
               const ContentMerger* merger, std::string cause);

  void StartNext();
  void Continue();
  absl::Status Search();
  // What of the job's content is still on its way; nothing if some of it will
  // not come.
  std::optional<Waiting> Missing(const std::optional<std::string>& base);
  void Dispatch(std::optional<std::string> base);
  void Finish(const absl::StatusOr<std::optional<Merged>>& result);

  enum class Presence : std::uint8_t { kHere, kComing, kLost };
  Presence PresenceOf(const std::string& payload) const;
  bool Usable(std::string_view payload) const;
  // Whether the ancestor's content was waited for long enough.
  bool WaitedEnough(const std::string& path) const;
  void ContentArrived();
  void TimeIsUp();

  Environment env;
  std::set<std::string> noted;                   // To be looked at.
  std::map<std::string, std::int64_t> deferred;  // Till when; steady.
  std::unique_ptr<Timer> turns;                  // On while any is deferred.
  std::set<std::string> queued;                  // To be merged.
  std::optional<Job> job;
  std::map<std::string, Waiting> waiting;
  std::map<std::string, std::int64_t> waits_since;  // Steady, by path.
  std::unique_ptr<ContentWants::Watch> watch;
  std::unique_ptr<AppendLog::Waiter> waiter;
  std::unique_ptr<Timer> timer;
  bool timer_on = false;
  bool run_posted = false;
  bool committing = false;  // An entry of ours: it opens nothing for us.
};

void ConflictResolver::Impl::Watch() {
  watch = env.wants.OnChange([this] { ContentArrived(); });
  if (!env.timers) return;
  timer = env.timers();
  turns = env.timers();
}

void ConflictResolver::Impl::Post(void (Impl::*step)()) {
  boost::asio::post(env.executor, [weak = weak_from_this(), step] {
    if (const auto self = weak.lock()) ((*self).*step)();
  });
}

void ConflictResolver::Impl::Note(const std::vector<std::string>& paths) {
  noted.insert(paths.begin(), paths.end());
  if (noted.empty() || run_posted) return;
  run_posted = true;
  Post(&Impl::Run);
}

// In a turn of its own: the caller's state is settled then, and a segment is
// resolved as a whole.
void ConflictResolver::Impl::Run() {
  run_posted = false;
  for (const std::string& path : std::exchange(noted, {})) {
    if (!Deferred(path)) Look(path);
  }
  StartNext();
}

bool ConflictResolver::Impl::Deferred(const std::string& path) {
  if (!turns) return false;
  if (deferred.contains(path)) return true;
  const Strategy strategy = env.strategy(path);
  if (strategy == Strategy::kManual || strategy == Strategy::kSkip) {
    return false;
  }
  const absl::StatusOr<std::optional<Row>> row = ConflictRow(env.state, path);
  if (!row.ok() || !*row || !(*row)->conflict()) return false;  // Look() says.
  const std::int64_t delay_ms = ResolveDelayMs(**row, env.state.self());
  if (delay_ms == 0) return false;
  if (deferred.empty()) turns->Start(kResolveTurnMs, [this] { TurnIsOver(); });
  deferred.emplace(path, env.time.SteadyMs() + delay_ms);
  return true;
}

void ConflictResolver::Impl::TurnIsOver() {
  const std::int64_t now = env.time.SteadyMs();
  for (auto at = deferred.begin(); at != deferred.end();) {
    if (at->second > now) {
      ++at;
      continue;
    }
    Look(at->first);
    at = deferred.erase(at);
  }
  if (!deferred.empty()) {
    turns->Start(kResolveTurnMs, [this] { TurnIsOver(); });
  }
  StartNext();
}

void ConflictResolver::Impl::Look(const std::string& path) {
  const Strategy strategy = env.strategy(path);
  if (strategy == Strategy::kMerge) {
    const absl::StatusOr<std::optional<Candidate>> candidate = Plan(path);
    if (!candidate.ok()) return env.broken(candidate.status());
    if (*candidate) {
      queued.insert(path);
      return;
    }
  }
  waits_since.erase(path);
  Propose(path, strategy, nullptr,
          "auto:" + std::string(StrategyName(strategy)));
}

absl::StatusOr<std::optional<Candidate>> ConflictResolver::Impl::Plan(
    const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(const bool may, MayResolve(env.state, env.device));
  if (!may) return std::optional<Candidate>();
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            ConflictRow(env.state, path));
  return row ? CandidateOf(*row) : std::nullopt;
}

void ConflictResolver::Impl::Propose(const std::string& path, Strategy strategy,
                                     const ContentMerger* merger,
                                     std::string cause) {
  absl::StatusOr<std::vector<Effect>> effects =
      ResolveEffects(env.state, path, strategy, merger, env.device);
  if (!effects.ok()) return env.broken(effects.status());
  if (effects->empty()) return;
  committing = true;
  env.commit(*std::move(effects), std::move(cause));
  committing = false;
}

void ConflictResolver::Impl::StartNext() {
  while (!job && !queued.empty()) {
    const std::string path = std::move(queued.extract(queued.begin()).value());
    const absl::StatusOr<std::optional<Candidate>> candidate = Plan(path);
    if (!candidate.ok()) return env.broken(candidate.status());
    if (!*candidate || env.strategy(path) != Strategy::kMerge) {
      Look(path);
      continue;
    }
    waiting.erase(path);
    job.emplace();
    job->path = path;
    job->candidate = **candidate;
    job->needs = env.log.head();
    Continue();
  }
}

void ConflictResolver::Impl::Continue() {
  if (!job || job->work) return;
  if (env.log.durable() < job->needs) {
    if (!waiter) {
      waiter = env.log.Wait([this] { Post(&Impl::Continue); });
    }
    return;
  }
  waiter.reset();
  const absl::Status searched = Search();
  if (!searched.ok()) env.broken(searched);
}

absl::Status ConflictResolver::Impl::Search() {
  if (!job->search) {
    job->search.emplace(env.log, job->candidate.reg);
    SYNCLINE_RETURN_IF_ERROR(job->search->Begin(job->candidate.first_dots,
                                                job->candidate.second_dots));
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      const bool over,
      job->search->Step(kRecordsInTurn, [this](std::string_view payload) {
        return Usable(payload);
      }));
  if (!over) {
    Post(&Impl::Continue);
    return absl::OkStatus();
  }
  std::optional<std::string> base;
  if (job->search->found()) base = job->search->found()->payload;
  std::optional<Waiting> missing = Missing(base);
  if (missing && !missing->payloads.empty()) {
    const std::string path = job->path;
    if (missing->for_ancestor) {
      waits_since.try_emplace(path, env.time.SteadyMs());
      if (timer && !timer_on) {
        timer_on = true;
        timer->Start(kAncestorWaitMs, [this] { TimeIsUp(); });
      }
    }
    waiting[path] = *std::move(missing);
    job.reset();
    Post(&Impl::StartNext);
    return absl::OkStatus();
  }
  if (!missing) {
    job->work = std::make_shared<MergeWork>();
    Finish(std::optional<Merged>());
    return absl::OkStatus();
  }
  Dispatch(std::move(base));
  return absl::OkStatus();
}

std::optional<ConflictResolver::Impl::Waiting> ConflictResolver::Impl::Missing(
    const std::optional<std::string>& base) {
  Waiting result;
  if (job->candidate.reg.field == Field::kDoc) return result;
  for (const std::string* side :
       {&job->candidate.first, &job->candidate.second}) {
    const Presence presence = PresenceOf(*side);
    if (presence == Presence::kLost) return std::nullopt;
    if (presence == Presence::kComing) result.payloads.push_back(*side);
  }
  // The ancestor's is looked at when the others are here, and its time begins.
  if (!result.payloads.empty()) return result;
  result.for_ancestor = true;
  if (base && PresenceOf(*base) == Presence::kComing) {
    result.payloads.push_back(*base);
  }
  return result;
}

ConflictResolver::Impl::Presence ConflictResolver::Impl::PresenceOf(
    const std::string& payload) const {
  const absl::StatusOr<FileContent> content = FileContent::Decode(payload);
  // What is too long to be merged need not be waited for.
  if (!content.ok() || content->size > kTextBytesMax) return Presence::kLost;
  if (env.wants.Awaits(payload)) return Presence::kComing;
  const auto missing = MissingChunks(env.chunks, *content);
  return missing.ok() && missing->empty() ? Presence::kHere : Presence::kLost;
}

bool ConflictResolver::Impl::Usable(std::string_view payload) const {
  if (job->candidate.reg.field == Field::kDoc) return true;
  const Presence presence = PresenceOf(std::string(payload));
  return presence == Presence::kHere ||
         (presence == Presence::kComing && !WaitedEnough(job->path));
}

bool ConflictResolver::Impl::WaitedEnough(const std::string& path) const {
  const auto since = waits_since.find(path);
  return timer && since != waits_since.end() &&
         env.time.SteadyMs() - since->second >= kAncestorWaitMs;
}

void ConflictResolver::Impl::ContentArrived() {
  bool any = false;
  for (auto at = waiting.begin(); at != waiting.end();) {
    const bool all = std::none_of(
        at->second.payloads.begin(), at->second.payloads.end(),
        [this](const std::string& each) { return env.wants.Awaits(each); });
    if (all) {
      queued.insert(at->first);
      any = true;
    }
    at = all ? waiting.erase(at) : std::next(at);
  }
  if (any) Post(&Impl::StartNext);
}

void ConflictResolver::Impl::TimeIsUp() {
  timer_on = false;
  std::int64_t left = kAncestorWaitMs;  // Of the one that waits longest.
  const std::int64_t now = env.time.SteadyMs();
  for (auto at = waiting.begin(); at != waiting.end();) {
    const bool up = at->second.for_ancestor && WaitedEnough(at->first);
    if (up) {
      queued.insert(at->first);
    } else if (at->second.for_ancestor) {
      timer_on = true;
      left = std::min(left, waits_since[at->first] + kAncestorWaitMs - now);
    }
    at = up ? waiting.erase(at) : std::next(at);
  }
  if (timer_on) timer->Start(left, [this] { TimeIsUp(); });
  Post(&Impl::StartNext);
}

void ConflictResolver::Impl::Dispatch(std::optional<std::string> base) {
  auto work = std::make_shared<MergeWork>();
  work->project = env.project;
  work->path = job->path;
  work->document = job->candidate.reg.field == Field::kDoc;
  work->base = std::move(base);
  work->first = job->candidate.first;
  work->second = job->candidate.second;
  work->second_is_newer = job->candidate.second_is_newer;
  work->custom = env.merge;
  job->work = work;
  boost::asio::post(
      env.workers, [weak = weak_from_this(), work, &chunks = env.chunks,
                    executor = env.executor] {
        if (weak.expired()) return;
        auto result = std::make_shared<absl::StatusOr<std::optional<Merged>>>(
            RunMerge(chunks, *work));
        boost::asio::post(executor, [weak, result] {
          if (const auto self = weak.lock()) self->Finish(*result);
        });
      });
}

void ConflictResolver::Impl::Finish(
    const absl::StatusOr<std::optional<Merged>>& result) {
  const Job done = *std::exchange(job, std::nullopt);
  std::string path = done.path;
  if (done.candidate.reg.field == Field::kContent) {
    const auto at = env.state.PathOf(done.candidate.reg.item);
    if (!at.ok()) return env.broken(at.status());
    if (*at) path = **at;
  }
  const absl::StatusOr<std::optional<Candidate>> now = Plan(path);
  if (!now.ok()) return env.broken(now.status());
  Post(&Impl::StartNext);
  if (*now != done.candidate || env.strategy(path) != Strategy::kMerge) {
    return Note({path});
  }
  waits_since.erase(done.path);
  // Without room for the merge there is none for another proposal: the
  // conflict stays open until it is looked at again.
  if (absl::IsResourceExhausted(result.status())) return;
  MergeWork work;
  work.first = done.candidate.first;
  work.second = done.candidate.second;
  std::string cause = "auto:merge";
  std::optional<std::string> payload;
  if (result.ok() && *result) {
    payload = (*result)->payload;
    cause += "/" + (*result)->by;
  }
  const KnownMerge known(work, std::move(payload));
  Propose(path, Strategy::kMerge, &known, std::move(cause));
}

ConflictResolver::ConflictResolver(Environment environment)
    : impl_(std::make_shared<Impl>(std::move(environment))) {
  impl_->Watch();
}

ConflictResolver::~ConflictResolver() = default;

void ConflictResolver::Note(const std::vector<std::string>& paths) {
  if (!impl_->committing) impl_->Note(paths);
}

bool ConflictResolver::busy() const {
  return !impl_->noted.empty() || !impl_->deferred.empty() ||
         !impl_->queued.empty() || impl_->job;
}

bool ConflictResolver::pending() const {
  return busy() || !impl_->waiting.empty();
}

void ConflictResolver::LookAgain(const std::vector<std::string>& paths) {
  impl_->Note(paths);
}

}  // namespace syncline
