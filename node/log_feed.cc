#include "node/log_feed.h"

#include <utility>

#include "base/status.h"
#include "node/node_core.h"

namespace syncline {

LogFeed::LogFeed(std::weak_ptr<NodeCore> core, Visibility visibility,
                 std::function<void()> on_ready)
    : core_(std::move(core)),
      visibility_(visibility),
      on_ready_(std::move(on_ready)) {}

LogFeed::~LogFeed() {
  if (const auto core = core_.lock()) core->reads().Remove(*this);
}

bool LogFeed::Open(const std::vector<FeedSource>& sources) {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core || core->closing()) {
    return End({FeedEnd::Why::kCancelled, 0, {}, {}, NodeClosed()});
  }
  if (sources.empty()) {
    return End({FeedEnd::Why::kFailed,
                0,
                {},
                {},
                InvalidArgument("a feed needs a project")});
  }
  sources_.reserve(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!OpenSource(*core, i, sources[i])) return false;
  }
  core->reads().Add(*this);
  return true;
}

bool LogFeed::OpenSource(NodeCore& core, std::size_t index,
                         const FeedSource& from) {
  const absl::StatusOr<ProjectRuntime*> project = core.Find(from.project);
  if (!project.ok()) {
    return End({FeedEnd::Why::kFailed, index, {}, {}, project.status()});
  }
  AppendLog& log = (*project)->replica->log();
  const Seq visible =
      visibility_ == Visibility::kDurable ? log.durable() : log.head();
  FeedPosition at = {log.id(), log.horizon()};
  if (from.from == FeedSource::From::kLive) at.seq = visible;
  if (from.from == FeedSource::From::kPosition) {
    const LogId& id = from.position.log;
    at.seq = from.position.seq;
    const CursorState state =
        log.Check(id.bytes.empty() ? log.id() : id, at.seq);
    const bool invalid =
        state == CursorState::kInvalid &&
        // What was seen when written may not be durable yet.
        !(visibility_ == Visibility::kWritten && at.seq <= log.head() &&
          (id.bytes.empty() || id == log.id()));
    if (invalid || state == CursorState::kBehindHorizon) {
      return End(
          {invalid ? FeedEnd::Why::kCursorInvalid
                   : FeedEnd::Why::kBehindHorizon,
           index, log.horizon(), visible,
           FailedPrecondition(invalid ? "the position is not one of this log"
                                      : "the position was truncated away")});
    }
  }
  starts_.push_back({at, visible});
  sources_.push_back(
      {(*project)->number,
       log.Subscribe(at.seq, visibility_, [this, index] { OnReady(index); })});
  ready_.push_back(index);
  return true;
}

// The consumer may drop the feed from within `on_ready_`: nothing of it is
// touched after that.
void LogFeed::OnReady(std::size_t index) {
  ready_.push_back(index);
  if (!std::exchange(waiting_, false) || stopped_) return;
  const auto self = shared_from_this();
  on_ready_();
}

bool LogFeed::Next(std::size_t bytes_max, FeedRecords& out) {
  while (!ready_.empty() && !ended_) {
    const std::size_t index = ready_.front();
    absl::StatusOr<RecordSpan> span = sources_[index].records->Next(bytes_max);
    if (!span.ok()) return EndAt(index, span.status());
    ready_.pop_front();
    if (span->empty()) continue;
    if (sources_[index].records->more()) ready_.push_back(index);
    out.source = index;
    out.span = *std::move(span);
    return true;
  }
  waiting_ = !ended_;
  return false;
}

bool LogFeed::End(FeedEnd end) {
  if (!ended_) ended_ = std::move(end);
  return false;
}

bool LogFeed::EndAt(std::size_t index, const absl::Status& status) {
  FeedEnd end = {FeedEnd::Why::kFailed, index, {}, {}, status};
  const AppendLog* log = FindLog(sources_[index].project);
  if (log == nullptr || absl::IsCancelled(status)) {
    end.why = FeedEnd::Why::kCancelled;
  } else if (absl::IsNotFound(status)) {
    end.why = FeedEnd::Why::kBehindHorizon;
    end.horizon = log->horizon();
    end.head = log->durable();
    end.status = FailedPrecondition("the position was truncated away");
  }
  return End(std::move(end));
}

AppendLog* LogFeed::FindLog(ProjectNumber project) const {
  const std::shared_ptr<NodeCore> core = core_.lock();
  ProjectRuntime* runtime = core ? core->Find(project) : nullptr;
  return runtime == nullptr ? nullptr : &runtime->replica->log();
}

FeedPosition LogFeed::position(std::size_t source) const {
  if (source >= starts_.size()) return {};
  FeedPosition position = starts_[source].position;
  if (source < sources_.size()) {
    position.seq = sources_[source].records->cursor();
  }
  return position;
}

void LogFeed::Stop() {
  stopped_ = true;
  End({FeedEnd::Why::kCancelled,
       0,
       {},
       {},
       absl::CancelledError("the subscription was destroyed")});
}

void LogFeed::Close(std::optional<ProjectNumber> project) {
  std::size_t index = 0;
  while (project && index < sources_.size() &&
         !(sources_[index].project == *project)) {
    ++index;
  }
  if (project && index == sources_.size()) return;
  End({FeedEnd::Why::kCancelled,
       project ? index : 0,
       {},
       {},
       absl::CancelledError("the node or the project was closed")});
  // Their log goes now. The seqs that they reached are kept for position().
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    starts_[i].position.seq = sources_[i].records->cursor();
  }
  sources_.clear();
  ready_.clear();
  waiting_ = false;
  const auto self = shared_from_this();
  if (!stopped_) on_ready_();
}

}  // namespace syncline
