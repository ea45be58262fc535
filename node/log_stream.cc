#include "node/log_stream.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "node/conflict_ops.h"
#include "node/device_match.h"
#include "node/log_keeper.h"
#include "node/node_core.h"
#include "proto/entry_codec.h"
#include "replication/device_identity.h"
#include "replication/path_glob.h"

namespace syncline {
namespace {

constexpr std::size_t kBatchRecords = 256;
constexpr std::size_t kBatchBytes = 256u << 10;
constexpr std::size_t kLookedAtMax = 2048;  // Records in one turn.
// Of what came with another node's state and not with an entry.
constexpr std::string_view kJoinedCause = "state";

// A record does not repeat what its entry says of events.
void AddEvents(Entry& entry, std::vector<PathChange>& changes) {
  for (Effect& effect : entry.effects) {
    auto* event = std::get_if<EventEffect>(&effect);
    if (event == nullptr) continue;
    PathChange& change = changes.emplace_back();
    change.type = PathChange::Type::kEvent;
    change.path = std::move(event->topic);
    change.payload = std::move(event->payload);
    change.version = entry.dot;
  }
}

std::size_t BytesOf(const LogRecord& record) {
  constexpr std::size_t kFixed = 200;
  std::size_t bytes = kFixed;
  for (const PathChange& change : record.changes) {
    bytes += kFixed + change.path.size() + change.from.size();
    if (change.type == PathChange::Type::kEvent) bytes += change.payload.size();
  }
  return bytes;
}

}  // namespace

absl::StatusOr<LogRecord> DescribeRecord(const Replica& replica,
                                         const RecordView& view) {
  LogRecord record;
  record.seq = view.seq;
  record.dot = view.dot;
  if (view.joined()) {
    record.time_ms = view.joined_ms;
    record.cause = kJoinedCause;
    SYNCLINE_ASSIGN_OR_RETURN(record.changes, DecodePathChanges(view.changes));
    return record;
  }
  SYNCLINE_ASSIGN_OR_RETURN(DecodedEntry decoded, DecodeEntry(view.entry));
  record.time_ms = static_cast<std::int64_t>(decoded.entry.hlc.milliseconds());
  record.cause = std::move(decoded.entry.cause);
  SYNCLINE_ASSIGN_OR_RETURN(record.changes, DecodePathChanges(view.changes));
  AddEvents(decoded.entry, record.changes);
  const std::string key = replica.DeviceOf(view.dot.origin);
  if (!key.empty()) record.device = DeviceId::Of(key).ToText();
  return record;
}

// Those that the changes which were asked for are about.
absl::Status LogStream::AddConflicts(const Replica& replica,
                                     LogRecord& record) {
  for (const PathChange& change : record.changes) {
    if (change.type != PathChange::Type::kConflict &&
        change.type != PathChange::Type::kResolve) {
      continue;
    }
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<ConflictRecord> conflict,
                              replica.conflicts().At(record.seq, change.path));
    if (!conflict) continue;
    SYNCLINE_ASSIGN_OR_RETURN(ConflictInfo info,
                              DescribeConflict(replica, {}, *conflict));
    record.conflicts.push_back(std::move(info));
  }
  return absl::OkStatus();
}

LogStream::LogStream(NodeCore& core, ProjectNumber project, LogQuery query,
                     Deliver deliver, Callback<LogEnd> done)
    : core_(core.weak_from_this()),
      project_(project),
      query_(std::move(query)),
      deliver_(std::move(deliver)),
      done_(std::move(done)) {}

LogStream::~LogStream() = default;

std::shared_ptr<LogStream> LogStream::Start(NodeCore& core,
                                            ProjectNumber project,
                                            LogQuery query, Deliver deliver,
                                            Callback<LogEnd> done) {
  std::shared_ptr<LogStream> stream(new LogStream(
      core, project, std::move(query), std::move(deliver), std::move(done)));
  core.reads().Add(stream);
  stream->busy_ = true;
  core.Later([stream] { stream->Begin(); });
  return stream;
}

void LogStream::Stop() {
  ended_ = true;
  waiter_.reset();
  deliver_ = nullptr;
  done_ = nullptr;
}

void LogStream::Close() {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core || core->closing()) return Finish(NodeClosed());
  Finish(absl::AbortedError(
      "the project was removed, or is being made anew (look again)"));
}

ProjectRuntime* LogStream::FindProject() const {
  const std::shared_ptr<NodeCore> core = core_.lock();
  return core ? core->Find(project_) : nullptr;
}

Replica* LogStream::Find() const {
  ProjectRuntime* runtime = FindProject();
  return runtime == nullptr ? nullptr : runtime->replica.get();
}

absl::Status LogStream::ResolveCursor(NodeCore& core) {
  SYNCLINE_ASSIGN_OR_RETURN(const Cursor cursor,
                            core.keeper().Find(*FindProject(), query_.cursor));
  query_.since = cursor.seq;
  query_.log = cursor.log;
  return absl::OkStatus();
}

Seq LogStream::End(const AppendLog& log) const {
  return query_.until ? std::min(*query_.until, log.durable()) : log.durable();
}

void LogStream::Begin() {
  busy_ = false;
  if (ended_) return;
  Replica* replica = Find();
  if (replica == nullptr) return Close();
  if (!query_.cursor.empty()) {
    const absl::Status resolved = ResolveCursor(*core_.lock());
    if (!resolved.ok()) return Finish(resolved);
  }
  AppendLog& log = replica->log();
  if (query_.since) {
    const CursorState state =
        log.Check(query_.log.value_or(log.id()), *query_.since);
    if (state != CursorState::kValid) {
      return Finish(LogEnd{state, {}, log.horizon(), log.durable()});
    }
  } else {
    query_.since = log.horizon();
  }
  if (query_.follow) {
    waiter_ = log.Wait([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->ended_ && !self->busy_) self->PumpLater();
    });
  }
  last_ = query_.reverse ? End(log).next() : *query_.since;
  Pump();
}

absl::StatusOr<bool> LogStream::ReadBatch(Replica& replica, Batch& batch) {
  AppendLog& log = replica.log();
  AppendLog::ReadOptions options;
  options.reverse = query_.reverse;
  options.since = query_.reverse ? *query_.since : *last_;
  options.until = query_.reverse ? Seq{last_->value - 1} : End(log);
  if (options.until->value <= options.since.value) return false;
  std::size_t bytes = 0;
  std::size_t looked_at = 0;
  const auto reader = log.Read(options);
  for (; reader->Valid(); reader->Next()) {
    if (batch.size() >= kBatchRecords || bytes >= kBatchBytes ||
        looked_at++ >= kLookedAtMax) {
      return true;
    }
    last_ = reader->record().seq;
    if (!query_.device.empty() &&
        !IsFrom(replica, reader->record().dot.origin)) {
      continue;
    }
    SYNCLINE_ASSIGN_OR_RETURN(LogRecord record,
                              DescribeRecord(replica, reader->record()));
    SYNCLINE_ASSIGN_OR_RETURN(bool wanted, Matches(record));
    if (!wanted) continue;
    SYNCLINE_RETURN_IF_ERROR(AddConflicts(replica, record));
    bytes += BytesOf(record);
    batch.push_back(std::move(record));
    if (query_.limit != 0 && ++delivered_ == query_.limit) return false;
  }
  SYNCLINE_RETURN_IF_ERROR(reader->status());
  return false;
}

bool LogStream::IsFrom(const Replica& replica, const Origin& origin) {
  const auto known = from_device_.find(origin);
  if (known != from_device_.end()) return known->second;
  const std::string key = replica.DeviceOf(origin);
  if (key.empty()) return false;  // It may be told later.
  return from_device_
      .emplace(origin, IsStartOf(query_.device, DeviceId::Of(key)))
      .first->second;
}

absl::StatusOr<bool> LogStream::Matches(LogRecord& record) const {
  if (query_.path.empty() && query_.kinds.empty()) return true;
  std::erase_if(record.changes, [this](const PathChange& change) {
    if (!query_.kinds.empty() &&
        std::find(query_.kinds.begin(), query_.kinds.end(), change.type) ==
            query_.kinds.end()) {
      return true;
    }
    return !query_.path.empty() && !GlobMatches(query_.path, change.path) &&
           (change.from.empty() || !GlobMatches(query_.path, change.from));
  });
  return !record.changes.empty();
}

void LogStream::Pump() {
  if (busy_ || ended_) return;
  Replica* replica = Find();
  if (replica == nullptr) return Close();
  if (query_.limit != 0 && delivered_ >= query_.limit) {
    return Finish(LogEnd{CursorState::kValid, *last_, {}, {}});
  }
  AppendLog& log = replica->log();
  // What the reader has not got yet may have been truncated since.
  if (!query_.reverse && *last_ < log.horizon()) {
    return Finish(
        LogEnd{CursorState::kBehindHorizon, {}, log.horizon(), log.durable()});
  }
  Batch batch;
  const absl::StatusOr<bool> more = ReadBatch(*replica, batch);
  // What was read before a damaged record is whole; the next turn tells.
  if (!more.ok() && batch.empty()) return Finish(more.status());
  if (!batch.empty()) {
    busy_ = true;
    return deliver_(std::move(batch), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->ended_) self->PumpLater();
    });
  }
  if (*more) return PumpLater();
  const bool until_reached = query_.until && *last_ >= *query_.until;
  if (query_.follow && !until_reached) return;
  Finish(LogEnd{CursorState::kValid, *last_, {}, {}});
}

void LogStream::PumpLater() {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core) return Close();
  busy_ = true;
  core->Later([self = shared_from_this()] {
    self->busy_ = false;
    self->Pump();
  });
}

void LogStream::Finish(absl::StatusOr<LogEnd> end) {
  if (ended_) return;
  const Callback<LogEnd> done = std::move(done_);
  Stop();
  if (done) done(std::move(end));
}

}  // namespace syncline
