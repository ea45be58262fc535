#include "log/log_core.h"

#include <algorithm>
#include <string>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "base/status.h"
#include "base/stopwatch.h"
#include "log/frame.h"
#include "log/job_counter.h"
#include "log/log_runs.h"

namespace syncline {
namespace {

// A group is full beyond this much; one append is never split.
constexpr std::size_t kGroupBytesMax = 8u << 20;
// What a group must hold to be written and synced before the turn is over, and
// how long the disk may take for it: about as long as it takes to encode and
// write the next such group. On a slower disk that would only split what can
// share one sync.
constexpr std::size_t kSyncDraftsMin = 128;
constexpr std::int64_t kSyncNsMax = 250'000;
// Records behind the head row, which an open has to read again. The fewer
// keys a batch has the faster it is written.
constexpr std::uint64_t kUnrecordedMax = 1024;

}  // namespace

bool LogCore::OpenRun::TakesIn(const Dot& dot) const {
  return dot.origin == last.origin && dot.counter == last.counter + 1 &&
         dot.counter - first.counter < kRunEntriesMax;
}

LogCore::LogCore(Store& store, SyncQueue& sync_thread,
                 boost::asio::any_io_executor executor, ProjectNumber project,
                 const AppendLog::Options& options, LogTables tables)
    : store_(store),
      sync_thread_(sync_thread),
      executor_(std::move(executor)),
      project_(project),
      options_(options),
      id_(std::move(tables.id)),
      head_(tables.head),
      recorded_(tables.recorded),
      unrecorded_(std::move(tables.unrecorded)),
      stored_(tables.head),
      written_(tables.head),
      announced_(tables.head),
      durable_(tables.head),
      horizon_(tables.horizon),
      frontier_(std::move(tables.frontier)),
      durable_frontier_(frontier_),
      truncated_(std::move(tables.truncated)),
      cache_(options.tail_cache_bytes),
      jobs_(std::make_shared<JobCounter>()) {
  for (const auto& [origin, chain] : tables.chains) {
    chains_.emplace(origin, Chains{chain, chain});
  }
}

void LogCore::Close() {
  closed_ = true;
  await_durable_.clear();
  await_written_.clear();
  jobs_->AwaitNone();
}

// ---- append

void LogCore::Append(std::span<const Draft> drafts, const WriteBatch& rows,
                     Durability durability, AppendLog::AppendDone done) {
  const absl::Status refusal = Validate(drafts);
  if (!refusal.ok()) {
    boost::asio::post(
        executor_, [weak = weak_from_this(), refusal, done = std::move(done)] {
          const auto self = weak.lock();
          if (self && !self->closed_) done(refusal);
        });
    return;
  }
  Group& group = GroupFor(drafts);
  const Seq first = drafts.empty() ? head_ : head_.next();
  for (const Draft& draft : drafts) AddRecord(group, draft);
  group.batch.Append(rows);
  group.durable |= durability == Durability::kDurable;
  group.last = head_;
  group.acks.push_back({{first, head_}, std::move(done)});
  if (pending_.size() == 1 && IsWorthASync(group)) WriteFirst();
  ScheduleFlush();
}

absl::Status LogCore::Validate(std::span<const Draft> drafts) const {
  if (!failed_.ok()) {
    return FailedPrecondition("an earlier write failed: " + failed_.ToString());
  }
  if (drafts.size() > options_.batch_drafts_max) {
    return InvalidArgument("append: too many drafts at once");
  }
  for (const Draft& draft : drafts) {
    if (draft.entry.empty() || draft.entry.size() > kEntryBytesMax ||
        draft.entry.size() + draft.changes.size() > options_.draft_bytes_max) {
      return InvalidArgument("append: " + draft.dot.ToText() +
                             " is empty or too long");
    }
  }
  return ValidateDots(drafts);
}

absl::Status LogCore::ValidateDots(std::span<const Draft> drafts) const {
  std::map<Origin, std::uint64_t> counters;  // Of origins seen before.
  std::size_t origins = frontier_.size();
  Dot last;
  for (const Draft& draft : drafts) {
    if (draft.dot.origin != last.origin || last.counter == 0) {
      if (last.counter > 0) counters[last.origin] = last.counter;
      const auto seen = counters.find(draft.dot.origin);
      last = {draft.dot.origin, seen != counters.end()
                                    ? seen->second
                                    : frontier_.CounterOf(draft.dot.origin)};
      if (last.counter == 0) ++origins;
    }
    if (draft.dot.counter != last.counter + 1) {
      return InvalidArgument("append: " + draft.dot.ToText() +
                             " is not the next of its origin");
    }
    last = draft.dot;
  }
  if (origins > VersionVector::kMaxSlots) {
    return InvalidArgument("append: too many origins");
  }
  return absl::OkStatus();
}

LogCore::Group& LogCore::GroupFor(std::span<const Draft> drafts) {
  if (pending_.empty() || pending_.back().batch.bytes() >= kGroupBytesMax ||
      pending_.back().drafts + drafts.size() > options_.batch_drafts_max) {
    pending_.emplace_back();
  }
  pending_.back().drafts += drafts.size();
  return pending_.back();
}

void LogCore::AddRecord(Group& group, const Draft& draft) {
  const Dot& dot = draft.dot;
  head_ = head_.next();
  Hash& chain = chains_[dot.origin].newest;
  const bool starts_run = !open_run_ || !open_run_->TakesIn(dot);
  if (starts_run) {
    open_run_ = OpenRun{dot, dot};
    group.batch.Put(Column::kDots, RunKey(project_, dot),
                    EncodeRun({dot, head_, chain}));
  }
  open_run_->last = dot;
  scratch_.clear();
  AppendRecord(scratch_, dot, draft.entry, draft.changes);
  group.batch.Put(Column::kLog, RecordKey(project_, head_), scratch_);
  if (subscriptions_ > 0) cache_.Add(head_, scratch_);
  chain = draft.chain ? *draft.chain : Sha256(chain.view(), draft.entry);
  frontier_.Raise(dot.origin, dot.counter);
  if (group.origins.empty() || group.origins.back().first != dot.origin) {
    group.origins.emplace_back(dot.origin, OriginRow());
  }
  group.origins.back().second = {dot.counter, chain};
  tail_.push_back({dot, chain, starts_run});
}

void LogCore::FinishBatch(Group& group) const {
  if (group.last.value - recorded_.value < kUnrecordedMax) return;
  group.records_head = true;
  std::map<Origin, OriginRow> origins = unrecorded_;
  for (const auto& [origin, row] : group.origins) origins[origin] = row;
  PutHead(group.batch, group.last, origins);
}

void LogCore::PutHead(WriteBatch& batch, Seq seq,
                      const std::map<Origin, OriginRow>& origins) const {
  for (const auto& [origin, row] : origins) {
    batch.Put(Column::kProjects, OriginKey(project_, origin),
              EncodeOrigin(row));
  }
  batch.Put(Column::kProjects, HeadKey(project_), EncodeHead({id_, seq}));
}

void LogCore::NoteStored(const Group& group) {
  ++writes_;
  stored_ = group.last;
  if (group.records_head) {
    unrecorded_.clear();
    recorded_ = group.last;
    return;
  }
  for (const auto& [origin, row] : group.origins) unrecorded_[origin] = row;
}

// ---- flush

bool LogCore::IsWorthASync(const Group& group) const {
  return group.durable && group.drafts >= kSyncDraftsMin &&
         jobs_->sync_ns() <= kSyncNsMax;
}

// Posted rather than run at once: what is appended in the same turn of the
// executor shares the batch. While durable appends wait for the disk, the next
// ones gather.
void LogCore::ScheduleFlush() {
  if (flush_posted_ || urgent_syncs_ > 0) return;
  flush_posted_ = true;
  boost::asio::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->flush_posted_ = false;
    self->Proceed(false);
  });
}

// Answers what can be answered and writes what is pending, then wakes whoever
// waits for records. If a callback throws, the exception is the executor's,
// and the rest is done in a turn of its own.
void LogCore::Proceed(bool moved) {
  struct Rest {
    LogCore& self;
    bool moved;
    bool all = false;
    ~Rest() {
      if (!all && !self.closed_) self.ProceedLater(moved);
    }
  } rest{*this, moved};
  Answer();
  WritePending();  // The disk works while subscribers read.
  rest.all = true;
  if (closed_) return;
  if (moved) {
    Wake();
  } else if (announced_ < written_) {
    announced_ = written_;
    Notify(await_written_);
  }
}

void LogCore::ProceedLater(bool moved) {
  boost::asio::post(executor_, [weak = weak_from_this(), moved] {
    const auto self = weak.lock();
    if (self && !self->closed_) self->Proceed(moved);
  });
}

// Takes only what is pending now: a callback that appends again must not keep
// the executor from its other work.
void LogCore::WritePending() {
  for (std::size_t left = pending_.size();
       left > 0 && !closed_ && !pending_.empty(); --left) {
    if (urgent_syncs_ > 0 && !IsWorthASync(pending_.front())) return;
    WriteFirst();
    Answer();
  }
}

// To the operating system: that is cheaper than the way to another thread,
// which only has to sync.
void LogCore::WriteFirst() {
  Group group = std::move(pending_.front());
  pending_.pop_front();
  absl::Status status = failed_;
  if (status.ok()) {
    FinishBatch(group);
    status = store_.Write(group.batch, false);
    if (status.ok()) {
      NoteStored(group);
    } else {
      Fail(status);
    }
  }
  unanswered_.push_back({std::move(group.acks), 0, group.last, writes_,
                         group.durable, std::move(status)});
  if (failed_.ok()) StartSync(group.durable);
}

// In the order of the appends: those behind a durable one wait with it.
void LogCore::Answer() {
  while (!closed_ && !unanswered_.empty()) {
    Answers& first = unanswered_.front();
    if (first.status.ok() && synced_ < first.write) {
      if (sync_failed_) {
        first.status = failed_;  // Its pages may be lost as well.
      } else if (first.durable) {
        return;
      }
    }
    if (first.status.ok()) written_ = std::max(written_, first.last);
    while (first.answered < first.acks.size()) {
      const Ack ack = std::move(first.acks[first.answered++]);
      if (!ack.done) continue;
      if (first.status.ok()) {
        ack.done(ack.appended);
      } else {
        ack.done(first.status);
      }
      if (closed_) return;  // The callback destroyed the log.
    }
    unanswered_.pop_front();
  }
}

// Buffered appends become durable behind their answers, as fast as the disk
// can.
void LogCore::StartSync(bool urgent) {
  if (urgent) {
    ++urgent_syncs_;
  } else if (syncing_ || urgent_syncs_ > 0 || stored_ <= durable_) {
    return;
  } else {
    syncing_ = true;
  }
  jobs_->Start();
  // Keeps the executor running until the outcome was handed to it.
  auto executor =
      std::make_shared<boost::asio::any_io_executor>(boost::asio::prefer(
          executor_, boost::asio::execution::outstanding_work.tracked));
  const SyncTarget target{stored_, writes_, urgent};
  sync_thread_.Submit(
      [] { return absl::OkStatus(); },
      [&store = store_, jobs = jobs_] {
        const Stopwatch stopwatch;
        const absl::Status status = store.Sync();
        jobs->NoteSync(stopwatch.ElapsedNs());
        return status;
      },
      [weak = weak_from_this(), jobs = jobs_, executor = std::move(executor),
       target](absl::Status status) {
        boost::asio::post(*executor,
                          [weak, target, status = std::move(status)] {
                            const auto self = weak.lock();
                            if (self && !self->closed_) {
                              self->OnSynced(target, status);
                            }
                          });
        // Once the job has ended, log, store and executor may be gone.
        *executor = boost::asio::any_io_executor();
        jobs->End();
      },
      urgent ? SyncQueue::Urgency::kNow : SyncQueue::Urgency::kSoon);
}

void LogCore::OnSynced(const SyncTarget& target, const absl::Status& status) {
  if (target.urgent) {
    --urgent_syncs_;
  } else {
    syncing_ = false;
  }
  if (!status.ok()) {
    sync_failed_ = true;
    Fail(status);
  }
  // An urgent sync may have overtaken this one; after a failed one none says
  // anything.
  const bool moved = !sync_failed_ && durable_ < target.seq;
  if (!sync_failed_) {
    synced_ = std::max(synced_, target.write);
    if (moved) MoveDurable(target.seq);
    if (failed_.ok()) StartSync(false);
  }
  Proceed(moved);
}

void LogCore::MoveDurable(Seq seq) {
  for (; durable_ < seq; durable_ = durable_.next()) {
    const TailRecord& record = tail_.front();
    durable_frontier_.Raise(record.dot.origin, record.dot.counter);
    chains_[record.dot.origin].durable = record.chain;
    tail_.pop_front();
  }
  written_ = std::max(written_, durable_);
}

// What is pending is then answered with the failure.
void LogCore::Fail(const absl::Status& status) {
  if (failed_.ok()) failed_ = status;
}

// ---- waiters

std::uint64_t LogCore::AddWaiter(std::function<void()> on_durable) {
  waiters_.emplace(++last_waiter_, std::make_shared<std::function<void()>>(
                                       std::move(on_durable)));
  return last_waiter_;
}

void LogCore::RemoveSubscription() {
  if (--subscriptions_ == 0) cache_.Clear();
}

// Each subscription hears once: it waits anew when it has read everything. It
// may be destroyed, and so may others, by what is called. If that throws, the
// exception is the executor's, and the others hear in a turn of their own.
void LogCore::Notify(ReadyList& waiting) {
  struct Rest {
    LogCore& self;
    ReadyList& waiting;
    ReadyList ready = {};
    bool all = false;
    ~Rest() {
      if (!self.closed_) waiting.splice(waiting.begin(), ready);
      ready.clear();
      if (!all && !self.closed_) self.WakeLater(0);
    }
  } rest{*this, waiting};
  rest.ready.swap(waiting);
  while (!rest.ready.empty() && !closed_) {
    ReadyHook& next = rest.ready.front();
    rest.ready.pop_front();
    // Thousands of them do not fit into the nearest cache.
    if (!rest.ready.empty()) __builtin_prefetch(&rest.ready.front());
    next.Ready();
  }
  rest.all = true;
}

void LogCore::Wake(std::uint64_t after) {
  announced_ = written_;
  Notify(await_durable_);
  Notify(await_written_);
  WakeWaiters(after);
}

// Callbacks may add and remove waiters, themselves included; those added
// meanwhile wait for the next group.
void LogCore::WakeWaiters(std::uint64_t at) {
  const std::uint64_t newest = last_waiter_;
  struct Rest {
    LogCore& self;
    std::uint64_t& at;
    bool all = false;
    ~Rest() {
      if (!all && !self.closed_) self.WakeLater(at);
    }
  } rest{*this, at};
  while (!closed_) {
    const auto next = waiters_.upper_bound(at);
    if (next == waiters_.end() || next->first > newest) break;
    at = next->first;
    const auto on_durable = next->second;
    (*on_durable)();
  }
  rest.all = true;
}

void LogCore::WakeLater(std::uint64_t after) {
  boost::asio::post(executor_, [weak = weak_from_this(), after] {
    const auto self = weak.lock();
    if (self && !self->closed_) self->Wake(after);
  });
}

}  // namespace syncline
