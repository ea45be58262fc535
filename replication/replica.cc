#include "replication/replica.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/status.h"
#include "log/frame.h"
#include "proto/entry_codec.h"
#include "replication/conflict_resolver.h"
#include "replication/rebuild.h"
#include "replication/replica_impl.h"

namespace syncline {
namespace {

// Lets `view` of each draft point to its part of `bytes`, where they stand one
// behind the other: it may have moved while it grew.
void TakeInTurn(std::string_view bytes, std::vector<Draft>& drafts,
                std::string_view Draft::*view) {
  for (Draft& draft : drafts) {
    const std::size_t size = (draft.*view).size();
    draft.*view = bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
}

// The payloads of files that an entry names: their chunks are wanted.
absl::InlinedVector<std::string_view, 4> FilePayloads(const Entry& entry) {
  absl::InlinedVector<std::string_view, 4> payloads;
  for (const Effect& effect : entry.effects) {
    const auto* content = std::get_if<ContentEffect>(&effect);
    if (content && content->item.kind == ItemKind::kFile) {
      payloads.push_back(content->payload);
    }
  }
  return payloads;
}

// Whether what is below a path may be elsewhere now.
bool MovesPaths(const PathChange& change) {
  return change.type == PathChange::Type::kSubtree ||
         (change.type == PathChange::Type::kRename && change.item &&
          change.item->IsDirectory());
}

AppendLog::AppendDone Answer(Replica::CommitDone done) {
  if (!done) return {};
  return [done = std::move(done)](
             const absl::StatusOr<AppendLog::Appended>& appended) {
    done(appended.status());
  };
}

// How many of `events`, at least 1, are one append: it is in memory as a
// whole.
std::size_t EventsAtOnce(std::span<const EventView> events) {
  constexpr std::size_t kEventsMax = 1024;
  constexpr std::size_t kBytesMax = 1u << 20;
  std::size_t count = 1;
  std::size_t bytes = events[0].payload.size();
  while (count < std::min(events.size(), kEventsMax) && bytes < kBytesMax) {
    bytes += events[count++].payload.size();
  }
  return count;
}

}  // namespace

absl::Status Replica::Impl::OpenParts() {
  SYNCLINE_RETURN_IF_ERROR(FinishRebuild(env.store, identity.number));
  SYNCLINE_ASSIGN_OR_RETURN(
      log, AppendLog::Open(env.commits, identity.number, env.random, {}));
  CausalState::Options state_options;
  state_options.head_bytes_max = options.head_bytes_max;
  SYNCLINE_ASSIGN_OR_RETURN(
      state, CausalState::Open(env.store, identity.number, identity.self,
                               log->frontier(), state_options));
  SYNCLINE_ASSIGN_OR_RETURN(
      wants, ContentWants::Open(env.store, env.chunks, identity.number));
  SYNCLINE_ASSIGN_OR_RETURN(devices, RowsByOrigin(ProjectRow::kDevice));
  SYNCLINE_RETURN_IF_ERROR(cuts.Load(env.store));
  SYNCLINE_ASSIGN_OR_RETURN(settled, SettledForks(env.store, identity.number));
  SYNCLINE_ASSIGN_OR_RETURN(doubted, RowsByOrigin(ProjectRow::kDoubt));
  SYNCLINE_RETURN_IF_ERROR(ReplayTail());
  SYNCLINE_ASSIGN_OR_RETURN(
      records, ConflictRecords::Open(env.store, identity.number, *state));
  SYNCLINE_RETURN_IF_ERROR(ReadSettings(nullptr));
  intake = std::make_unique<StateIntake>(
      StateIntake::Environment{env.store, *log, *state, identity.number,
                               env.commits.executor(), env.time},
      *this);
  SYNCLINE_RETURN_IF_ERROR(intake->Load());
  intake->Resume();
  return absl::OkStatus();
}

// Most projects have no conflict.
ConflictResolver& Replica::Impl::Resolver() {
  if (resolver) return *resolver;
  ConflictResolver::Environment environment{
      *state,      *log,         *wants,
      env.chunks,  env.time,     env.commits.executor(),
      env.workers, env.timers,   identity.project,
      own_device,  options.merge};
  if (!environment.workers) environment.workers = env.commits.executor();
  environment.strategy = [this](std::string_view path) {
    return StrategyFor(path);
  };
  environment.commit = [this](std::vector<Effect> effects, std::string cause) {
    // A failed write stops the log, which says so at every later call.
    Commit(std::move(effects), std::move(cause), Durability::kDurable, {}, {})
        .status()
        .IgnoreError();
  };
  environment.broken = [this](const absl::Status& why) {
    Break(why).IgnoreError();
  };
  resolver = std::make_unique<ConflictResolver>(std::move(environment));
  return *resolver;
}

absl::StatusOr<std::map<Origin, std::string>> Replica::Impl::RowsByOrigin(
    ProjectRow row) const {
  const std::string prefix = ProjectRowPrefix(identity.number, row);
  IterateOptions range;
  range.lower_bound = prefix;
  range.upper_bound = PrefixEnd(prefix);
  auto rows = env.store.NewIterator(Column::kProjects, range);
  std::map<Origin, std::string> values;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::optional<Origin> origin =
        Origin::FromBytes(rows->key().substr(prefix.size()));
    if (!origin) return DataLoss("project rows: malformed origin");
    values[*origin] = std::string(rows->value());
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  return values;
}

absl::Status Replica::Impl::ReplayTail() {
  flushed = Seq{state->flushed()};
  AppendLog::ReadOptions tail;
  tail.since = flushed;
  auto reader = log->Read(tail);
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (record.joined()) continue;  // Written with the rows that it changed.
    SYNCLINE_ASSIGN_OR_RETURN(const DecodedEntry decoded,
                              DecodeEntry(record.entry));
    SYNCLINE_RETURN_IF_ERROR(
        state->Replay(decoded.entry, record.seq.value, env.time.NowMs()));
  }
  return reader->status();
}

absl::StatusOr<Replica::Committed> Replica::Impl::Commit(
    std::vector<Effect> effects, std::string cause, Durability durability,
    CommitDone done,
    const std::function<void(const Committed&, WriteBatch&)>& add_rows) {
  SYNCLINE_RETURN_IF_ERROR(Ready());
  if (effects.empty()) return InvalidArgument("an entry needs an effect");
  const std::int64_t now = env.time.NowMs();
  const Entry entry =
      state->MakeEntry(std::move(effects), std::move(cause), now);
  if (std::optional<std::string> why = CausalState::Violation(entry)) {
    return InvalidArgument(*why);
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      const std::string encoded,
      EncodeEntry(
          entry, entry.dot.counter == 1 ? identity.device_key : std::string()));
  const Seq seq = log->head().next();
  absl::StatusOr<CausalState::Applied> applied =
      state->ApplyValid(entry, seq.value, now);
  if (!applied.ok()) return Break(applied.status());
  if (applied->outcome != ApplyOutcome::kApplied) {
    return Break(Internal("an own entry did not apply"));
  }
  WriteBatch rows;
  const absl::Status noted =
      NoteApplied(*applied, {seq, entry.dot, entry.cause}, rows);
  if (!noted.ok()) return Break(noted);
  Committed committed{entry.dot, seq, std::move(applied->changes)};
  const std::string changes = EncodePathChanges(committed.changes);
  const Draft draft{entry.dot, encoded, changes};
  if (entry.dot.counter == 1)
    NoteDevice(entry.dot.origin, identity.device_key, rows);
  if (add_rows) add_rows(committed, rows);
  log->Append({&draft, 1}, rows, durability, Answer(std::move(done)));
  FlushIfLarge();
  return committed;
}

absl::StatusOr<Seq> Replica::Impl::CommitEvents(
    std::span<const EventView> events, Durability durability, CommitDone done) {
  SYNCLINE_RETURN_IF_ERROR(Ready());
  if (events.empty()) return InvalidArgument("no events to commit");
  const Seq first = log->head().next();
  // The first entry of all also tells who its author is.
  if (state->frontier().CounterOf(identity.self) == 0) {
    std::vector<Effect> effects = {EventEffect{std::string(events[0].channel),
                                               std::string(events[0].payload)}};
    const bool last = events.size() == 1;
    SYNCLINE_RETURN_IF_ERROR(Commit(std::move(effects), "user", durability,
                                    last ? std::move(done) : nullptr, {})
                                 .status());
    if (last) return first;
    events = events.subspan(1);
  }
  AppendLog::AppendDone answer = Answer(std::move(done));
  // The log acknowledges in order: the last append answers for all.
  for (;;) {
    const std::size_t count = EventsAtOnce(events);
    if (count == events.size()) break;
    AppendEvents(events.first(count), durability, {});
    events = events.subspan(count);
  }
  AppendEvents(events, durability, std::move(answer));
  return first;
}

void Replica::Impl::AppendEvents(std::span<const EventView> events,
                                 Durability durability,
                                 AppendLog::AppendDone done) {
  if (!event_writer) event_writer.emplace(identity.self, state->frontier());
  const std::int64_t now = env.time.NowMs();
  CommitQueue::Scratch& scratch = env.commits.scratch();
  std::string& entries = scratch.entries;
  std::vector<Draft>& drafts = scratch.drafts;
  entries.clear();
  drafts.clear();
  for (const EventView& event : events) {
    const CausalState::Stamp stamp = state->StampEvents(now);
    const std::size_t begin = entries.size();
    event_writer->Append(stamp.dot.counter, stamp.hlc, event, entries);
    const std::string_view written = entries;
    drafts.push_back({stamp.dot, written.substr(begin), {}});
  }
  TakeInTurn(entries, drafts, &Draft::entry);
  log->Append(drafts, {}, durability, std::move(done));
}

absl::Status Replica::Impl::CheckNotGivenUp(
    const CheckedSegment& segment) const {
  for (const SettledFork& fork : settled) {
    for (const SegmentEntry& checked : segment.fresh) {
      if (checked.entry.dot == fork.first() && fork.given_up == checked.chain) {
        return ForkStatus(fork.first().origin,
                          "fork: entry " + fork.first().ToText() +
                              " is of a history that was given up");
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Draft>> Replica::Impl::ApplyAll(
    const CheckedSegment& segment, WriteBatch& rows, std::string& changes) {
  std::vector<Draft> drafts;
  drafts.reserve(segment.fresh.size());
  Seq seq = log->head();
  const std::int64_t now = env.time.NowMs();
  for (const SegmentEntry& checked : segment.fresh) {
    seq = seq.next();
    SYNCLINE_ASSIGN_OR_RETURN(const CausalState::Applied applied,
                              state->Apply(checked.entry, seq.value, now));
    if (applied.outcome != ApplyOutcome::kApplied &&
        applied.outcome != ApplyOutcome::kVoid) {
      return Internal("the state disagrees with the log about entry " +
                      checked.entry.dot.ToText());
    }
    const std::size_t begin = changes.size();
    AppendPathChanges(applied.changes, changes);
    const std::string_view written = changes;
    drafts.push_back({checked.entry.dot, checked.bytes, written.substr(begin),
                      checked.chain});
    if (!checked.device_key.empty()) {
      NoteDevice(checked.entry.dot.origin, checked.device_key, rows);
    }
    if (applied.outcome == ApplyOutcome::kApplied) {
      for (std::string_view payload : FilePayloads(checked.entry)) {
        SYNCLINE_RETURN_IF_ERROR(wants->AddPayload(payload, rows));
      }
    }
    SYNCLINE_RETURN_IF_ERROR(NoteApplied(
        applied, {seq, checked.entry.dot, checked.entry.cause}, rows));
  }
  TakeInTurn(changes, drafts, &Draft::changes);
  return drafts;
}

void Replica::Impl::NoteDevice(const Origin& origin, const std::string& key,
                               WriteBatch& rows) {
  devices[origin] = key;
  rows.Put(Column::kProjects,
           ProjectRowKey(identity.number, ProjectRow::kDevice, origin.view()),
           key);
}

absl::Status Replica::Impl::NoteApplied(const CausalState::Applied& applied,
                                        const ConflictRecords::Cause& cause,
                                        WriteBatch& rows) {
  SYNCLINE_RETURN_IF_ERROR(records->Note(*state, cause, applied.changes,
                                         applied.open_conflicts, rows));
  if (!applied.open_conflicts.empty()) Resolver().Note(applied.open_conflicts);
  SYNCLINE_RETURN_IF_ERROR(ReadSettings(&applied.changes));
  // Conflicts that wait have other paths now.
  if (!resolver || !resolver->pending() ||
      std::none_of(applied.changes.begin(), applied.changes.end(),
                   MovesPaths)) {
    return absl::OkStatus();
  }
  SYNCLINE_ASSIGN_OR_RETURN(const std::vector<std::string> conflicts,
                            state->Conflicts());
  if (!conflicts.empty()) Resolver().LookAgain(conflicts);
  return absl::OkStatus();
}

absl::Status Replica::Impl::ReadSettings(
    const std::vector<PathChange>* changes) {
  if (changes != nullptr &&
      std::none_of(changes->begin(), changes->end(), TouchesSettings)) {
    return absl::OkStatus();
  }
  SYNCLINE_ASSIGN_OR_RETURN(ProjectSettings now, ProjectSettings::Read(*state));
  if (changes != nullptr && now == settings) return absl::OkStatus();
  settings = std::move(now);
  // They may say something else about what is open.
  SYNCLINE_ASSIGN_OR_RETURN(const std::vector<std::string> conflicts,
                            state->Conflicts());
  if (!conflicts.empty()) Resolver().LookAgain(conflicts);
  return absl::OkStatus();
}

Strategy Replica::Impl::StrategyFor(std::string_view path) const {
  return options.strategy.value_or(settings.For(path));
}

absl::Status Replica::Impl::Break(const absl::Status& why) {
  if (broken.ok()) {
    broken =
        MakeStatus(absl::StatusCode::kFailedPrecondition,
                   "the project takes no changes until it is opened again: " +
                       std::string(FromAbsl(why.message())));
  }
  return why;
}

absl::Status Replica::Impl::Health() const {
  return broken.ok() ? log->health() : broken;
}

Replica::Replica(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Replica::~Replica() = default;

absl::StatusOr<std::unique_ptr<Replica>> Replica::Open(
    const Environment& environment, const Identity& identity,
    const Options& options) {
  auto impl = std::make_unique<Impl>(environment, identity, options);
  SYNCLINE_RETURN_IF_ERROR(impl->OpenParts());
  return std::unique_ptr<Replica>(new Replica(std::move(impl)));
}

absl::StatusOr<Replica::Committed> Replica::Commit(
    std::vector<Effect> effects, std::string cause, Durability durability,
    CommitDone done,
    const std::function<void(const Committed&, WriteBatch&)>& rows) {
  return impl_->Commit(std::move(effects), std::move(cause), durability,
                       std::move(done), rows);
}

absl::StatusOr<Seq> Replica::CommitEvents(std::span<const EventView> events,
                                          Durability durability,
                                          CommitDone done) {
  return impl_->CommitEvents(events, durability, std::move(done));
}

void Replica::Ingest(SegmentEntries& entries,
                     const std::vector<ChainHead>& heads,
                     std::function<void(absl::StatusOr<Ingested>)> done) {
  if (const absl::Status ready = impl_->Ready(); !ready.ok()) {
    return done(ready);
  }
  const absl::StatusOr<CheckedSegment> segment =
      CheckSegment(entries, heads, *impl_->log);
  if (!segment.ok()) return done(impl_->Proven(segment.status(), heads));
  absl::Status wanted = impl_->CheckDoubts(heads);
  if (wanted.ok()) wanted = impl_->CheckNotGivenUp(*segment);
  if (!wanted.ok()) return done(wanted);
  if (impl_->options.check_signatures) {
    const absl::Status signed_by_all = CheckSignatures(
        impl_->identity.project, *segment,
        [this](const Origin& origin) { return DeviceOf(origin); });
    if (!signed_by_all.ok()) return done(signed_by_all);
  }
  WriteBatch rows;
  std::string changes;
  const absl::StatusOr<std::vector<Draft>> drafts =
      impl_->ApplyAll(*segment, rows, changes);
  if (!drafts.ok()) return done(impl_->Break(drafts.status()));
  impl_->KeepSignatures(*segment, rows);
  impl_->event_writer.reset();
  Ingested ingested;
  ingested.duplicates = segment->duplicates;
  ingested.applied = drafts->size();
  impl_->log->Append(*drafts, rows, Durability::kDurable,
                     [ingested, done = std::move(done)](
                         const absl::StatusOr<AppendLog::Appended>& appended) {
                       if (!appended.ok()) return done(appended.status());
                       done(ingested);
                     });
  impl_->FlushIfLarge();
}

void Replica::SetStrategy(std::optional<Strategy> strategy) {
  impl_->options.strategy = strategy;
  const absl::StatusOr<std::vector<std::string>> open =
      impl_->state->Conflicts();
  if (open.ok() && !open->empty()) impl_->Resolver().LookAgain(*open);
}

const ProjectSettings& Replica::settings() const { return impl_->settings; }

Strategy Replica::StrategyFor(std::string_view path) const {
  return impl_->StrategyFor(path);
}

void Replica::Flush(std::function<void(absl::Status)> done) {
  impl_->Flush(std::move(done));
}

void Replica::Truncate(Seq through, std::function<void(absl::Status)> done) {
  impl_->Truncate(through, std::move(done));
}

const Replica::Identity& Replica::identity() const { return impl_->identity; }

const CausalState& Replica::state() const { return *impl_->state; }

AppendLog& Replica::log() { return *impl_->log; }

const AppendLog& Replica::log() const { return *impl_->log; }

ContentWants& Replica::wants() { return *impl_->wants; }

const ConflictRecords& Replica::conflicts() const { return *impl_->records; }

bool Replica::resolving() const {
  return impl_->resolver && impl_->resolver->busy();
}

ChunkStore& Replica::chunks() { return impl_->env.chunks; }

std::vector<Origin> Replica::OriginsOf(std::string_view device) const {
  std::vector<Origin> origins;
  for (const auto& [origin, key] : impl_->devices) {
    if (key == device) origins.push_back(origin);
  }
  return origins;
}

const std::vector<SettledFork>& Replica::settled() const {
  return impl_->settled;
}

void Replica::TakeOrigin(const Origin& fresh) {
  impl_->identity.self = fresh;
  impl_->state->TakeSelf(fresh);
  impl_->event_writer.reset();
}

absl::Status Replica::health() const { return impl_->Health(); }

void Replica::PinState(std::string_view id, PinDone done) {
  impl_->PinState(std::string(id), std::move(done));
}

StateIntake& Replica::intake() { return *impl_->intake; }

Inflow& Replica::inflow() { return impl_->inflow; }

bool Replica::installing() const { return impl_->installing; }

void Replica::WhenReady(std::function<void()> ready) {
  if (!impl_->installing) return ready();
  impl_->ready_waiters.push_back(std::move(ready));
}

}  // namespace syncline
