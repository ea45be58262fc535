#include "log/log_core.h"

#include <string>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "base/status.h"
#include "log/frame.h"
#include "log/job_counter.h"
#include "log/log_runs.h"

namespace syncline {
namespace {

// A group is full beyond this much; one append is never split.
constexpr std::size_t kGroupBytesMax = 8u << 20;
// Records behind the head row, which an open has to read again. The fewer
// keys a batch has the faster it is written.
constexpr std::uint64_t kUnrecordedMax = 1024;

}  // namespace

bool LogCore::OpenRun::TakesIn(const Dot& dot) const {
  return dot.origin == last.origin && dot.counter == last.counter + 1 &&
         dot.counter - first.counter < kRunEntriesMax;
}

LogCore::LogCore(Store& store, SyncThread& sync_thread,
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
      written_(tables.head),
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

void LogCore::NoteWritten(const Group& group) {
  written_ = group.last;
  if (group.records_head) {
    unrecorded_.clear();
    recorded_ = group.last;
    return;
  }
  for (const auto& [origin, row] : group.origins) unrecorded_[origin] = row;
}

// ---- flush

// Posted rather than run at once: what is appended in the same turn of the
// executor shares the batch.
void LogCore::ScheduleFlush() {
  if (flush_posted_ || writing_) return;
  flush_posted_ = true;
  boost::asio::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->flush_posted_ = false;
    self->Flush();
  });
}

// Takes only what is pending now: a callback that appends again must not keep
// the executor from its other work.
void LogCore::Flush() {
  for (std::size_t left = pending_.size();
       left > 0 && !closed_ && !writing_ && !pending_.empty(); --left) {
    Group group = std::move(pending_.front());
    pending_.pop_front();
    if (!failed_.ok()) {
      Acknowledge(std::move(group.acks), failed_);
    } else if (group.durable) {
      WriteThere(std::move(group));
    } else {
      WriteHere(std::move(group));
    }
  }
}

// Nobody waits for the disk: a write to the operating system is cheaper than
// the way to another thread.
void LogCore::WriteHere(Group group) {
  FinishBatch(group);
  const absl::Status status = store_.Write(group.batch, false);
  if (status.ok()) {
    NoteWritten(group);
    StartSync();
  } else {
    Fail(status);
  }
  Acknowledge(std::move(group.acks), status);
  if (!closed_ && failed_.ok()) Notify(await_written_);
}

void LogCore::WriteThere(Group group) {
  FinishBatch(group);
  auto batch = std::make_shared<WriteBatch>(std::move(group.batch));
  writing_ = std::move(group);
  Submit(
      SyncThread::Urgency::kNow,
      [&store = store_, batch] {
        absl::Status status = store.Write(*batch, false);
        batch->Clear();
        return status;
      },
      [](LogCore& self, const absl::Status& status) {
        self.OnWritten(status);
      });
}

void LogCore::OnWritten(const absl::Status& status) {
  Group group = *std::move(writing_);
  writing_.reset();
  if (!status.ok()) Fail(status);
  // A sync that failed meanwhile may have lost this group's pages as well.
  const bool moved = failed_.ok() && durable_ < group.last;
  if (failed_.ok()) {
    NoteWritten(group);
    MoveDurable(group.last);
  }
  Acknowledge(std::move(group.acks), failed_);
  Flush();  // The disk works while subscribers read.
  if (moved) Wake();
}

// Buffered appends become durable behind their acknowledgement, as fast as the
// disk can.
void LogCore::StartSync() {
  if (syncing_ || !failed_.ok() || written_ <= durable_) return;
  syncing_ = true;
  Submit(
      SyncThread::Urgency::kSoon, [] { return absl::OkStatus(); },
      [target = written_](LogCore& self, const absl::Status& status) {
        self.OnSynced(target, status);
      });
}

void LogCore::OnSynced(Seq target, const absl::Status& status) {
  syncing_ = false;
  if (!status.ok()) Fail(status);
  if (!failed_.ok()) return;
  const bool moved = durable_ < target;  // A durable group may have overtaken.
  if (moved) MoveDurable(target);
  StartSync();
  if (moved) Wake();
}

void LogCore::Submit(SyncThread::Urgency urgency,
                     std::function<absl::Status()> write,
                     std::function<void(LogCore&, const absl::Status&)> done) {
  jobs_->Start();
  // Keeps the executor running until the outcome was handed to it.
  auto executor =
      std::make_shared<boost::asio::any_io_executor>(boost::asio::prefer(
          executor_, boost::asio::execution::outstanding_work.tracked));
  sync_thread_.Submit(
      std::move(write), [&store = store_] { return store.Sync(); },
      [weak = weak_from_this(), jobs = jobs_, executor = std::move(executor),
       done = std::move(done)](absl::Status status) {
        boost::asio::post(*executor, [weak, done, status = std::move(status)] {
          const auto self = weak.lock();
          if (self && !self->closed_) done(*self, status);
        });
        // Once the job has ended, log, store and executor may be gone.
        *executor = boost::asio::any_io_executor();
        jobs->End();
      },
      urgency);
}

void LogCore::MoveDurable(Seq seq) {
  for (; durable_ < seq; durable_ = durable_.next()) {
    const TailRecord& record = tail_.front();
    durable_frontier_.Raise(record.dot.origin, record.dot.counter);
    chains_[record.dot.origin].durable = record.chain;
    tail_.pop_front();
  }
}

// Flush() then answers what is pending with the failure.
void LogCore::Fail(const absl::Status& status) {
  if (failed_.ok()) failed_ = status;
}

void LogCore::Acknowledge(std::vector<Ack> acks, const absl::Status& status) {
  for (Ack& ack : acks) {
    if (closed_) return;  // A callback destroyed the log.
    if (!ack.done) continue;
    if (status.ok()) {
      ack.done(ack.appended);
    } else {
      ack.done(status);
    }
  }
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
    next.Ready();
  }
  rest.all = true;
}

void LogCore::Wake(std::uint64_t after) {
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
