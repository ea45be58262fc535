#include "node/project.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "node/log_stream.h"
#include "node/node_calls.h"
#include "node/node_core.h"
#include "node/node_feed.h"
#include "node/project_conflicts.h"
#include "node/project_documents.h"
#include "node/project_files.h"

namespace syncline {
namespace {

// Gathers the batches of a stream for one answer.
void ReadPage(NodeCore& core, ProjectNumber project, LogQuery query,
              Callback<Project::Log::Page> done) {
  constexpr std::uint64_t kRecordsMax = 1000;
  query.limit =
      query.limit == 0 ? kRecordsMax : std::min(query.limit, kRecordsMax);
  query.follow = false;
  auto page = std::make_shared<Project::Log::Page>();
  auto held = std::make_shared<std::shared_ptr<LogStream>>();
  *held = LogStream::Start(
      core, project, std::move(query),
      [page](LogStream::Batch batch, const std::function<void()>& next) {
        for (LogRecord& record : batch) {
          page->records.push_back(std::move(record));
        }
        next();
      },
      [page, held, done](absl::StatusOr<LogEnd> end) {
        held->reset();
        if (!end.ok()) return done(end.status());
        page->end = *end;
        done(std::move(*page));
      });
}

}  // namespace

Project::Files Project::files() const { return Files(*this); }
Project::Documents Project::documents() const { return Documents(*this); }
Project::Log Project::log() const { return Log(*this); }
Project::Conflicts Project::conflicts() const { return Conflicts(*this); }
Project::Sync Project::sync() const { return Sync(*this); }

Starter<absl::StatusOr<Project::Log::Page>> Project::Log::ReadOf(
    LogQuery query) const {
  return OnProject<Page>(
      core_, name_,
      [query = std::move(query)](NodeCore& core, ProjectRuntime& project,
                                 const Callback<Page>& done) {
        ReadPage(core, project.number, query, done);
      });
}

Project::Log::Subscription::Subscription(std::shared_ptr<LogStream> stream)
    : stream_(std::move(stream)) {}
Project::Log::Subscription::~Subscription() {
  if (stream_) stream_->Stop();
}
Project::Log::Subscription::Subscription(Subscription&&) noexcept = default;
Project::Log::Subscription& Project::Log::Subscription::operator=(
    Subscription&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}

absl::StatusOr<Project::Log::Subscription> Project::Log::Subscribe(
    LogQuery query,
    std::function<void(std::vector<LogRecord>, std::function<void()> next)>
        deliver,
    Callback<LogEnd> ended) const {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core || core->closing()) {
    return NodeClosed();
  }
  SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project, core->Find(name_));
  return Subscription(LogStream::Start(*core, project->number, std::move(query),
                                       std::move(deliver), std::move(ended)));
}

std::unique_ptr<FeedSubscription> Project::Log::Subscribe(
    FeedSource from, Visibility visibility, FeedHandlers handlers) const {
  from.project = name_;
  std::vector<FeedSource> sources;
  sources.push_back(std::move(from));
  return SubscribeHere(*io_, core_, std::move(sources), visibility,
                       std::move(handlers));
}

Starter<absl::StatusOr<MirrorReport>> Project::Sync::AddMirrorOf(
    std::string dir, bool create) const {
  return OnProject<MirrorReport>(
      core_, name_,
      [name = name_, dir = std::move(dir), create](
          NodeCore& core, ProjectRuntime&, const Callback<MirrorReport>& done) {
        core.AddMirror(name, dir, create, done);
      });
}

Starter<absl::StatusOr<WaitReport>> Project::Sync::WaitOf(
    std::int64_t timeout_ms) const {
  return OnProject<WaitReport>(
      core_, name_,
      [name = name_, timeout_ms](NodeCore& core, ProjectRuntime&,
                                 const Callback<WaitReport>& done) {
        core.Wait({name}, timeout_ms, done);
      });
}

Starter<absl::StatusOr<ProjectReport>> Project::Sync::ReportOf() const {
  return OnProject<ProjectReport>(
      core_, name_,
      [name = name_](NodeCore& core, ProjectRuntime&,
                     const Callback<ProjectReport>& done) {
        core.Report({name}, false, [done](absl::StatusOr<NodeReport> report) {
          if (!report.ok()) return done(report.status());
          if (report->projects.empty()) return done(NotFound("removed"));
          done(std::move(report->projects.front()));
        });
      });
}

}  // namespace syncline
