#include "log/commit_queue.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "log/job_counter.h"

namespace syncline {
namespace {

// Of the memory that a written batch leaves to the next.
constexpr std::size_t kKeptBytes = 1u << 20;

struct Ack {
  CommitQueue::Log* log;  // Null once it left.
  AppendLog::Appended appended;
  bool waits;  // For the disk; once it is written, also behind such a one.
  AppendLog::AppendDone done;
};

// What follows on the part before and belongs to one log.
struct Part {
  CommitQueue::Log* log;  // Null once it left.
  WriteBatch::Mark end;
  Seq last;
};

// Appends that are written together.
struct Batch {
  WriteBatch writes;
  std::vector<Part> parts;
  std::vector<Ack> acks;
  std::size_t drafts = 0;
  std::uint64_t number = 0;  // Of the newest write that is in the store.
  absl::Status status;
};

// Those whose turn has come.
struct Answers {
  std::vector<Ack> acks;
  absl::Status status;
  std::size_t next = 0;
};

// What a sync makes durable.
struct SyncTarget {
  std::uint64_t write;
  bool urgent;  // Somebody waits for it.
};

// Leaves the memory of `used` to the next batch, unless it is large.
template <typename T>
void Keep(std::vector<T>& spare, std::vector<T> used) {
  used.clear();
  if (used.capacity() * sizeof(T) <= kKeptBytes) spare = std::move(used);
}

}  // namespace

// A batch goes from `gathered`, or by way of `held`, to `unsynced`; what it
// answers, at once or behind a sync, through `answers`.
struct CommitQueue::Impl : std::enable_shared_from_this<Impl> {
  Impl(Store& a_store, SyncQueue& a_sync_queue,
       boost::asio::any_io_executor an_executor, const Options& some_options)
      : store(a_store),
        sync_queue(a_sync_queue),
        executor(std::move(an_executor)),
        options(some_options) {}

  WriteBatch& Start(Log& log, std::size_t drafts, Durability durability);
  void Finish(Log& log, AppendLog::Appended appended,
              AppendLog::AppendDone done);
  [[nodiscard]] bool IsFull(const Batch& batch, std::size_t drafts) const;
  void Leave(Log& log);

  void Schedule();
  void Turn();
  void WriteNext();
  void Settle(Batch batch);
  void Answer();
  void TellLogs();
  void NoteToTell(Log& log);

  void StartSync(bool urgent);
  void OnSynced(const SyncTarget& target, const absl::Status& status);
  void Release(Batch& batch, bool synced);
  void FailUnsynced(const absl::Status& status);
  void Stop(Log& log, const absl::Status& why);
  std::vector<Ack> TakeStopped();

  Store& store;
  SyncQueue& sync_queue;
  const boost::asio::any_io_executor executor;
  const Options options;

  std::deque<Batch> gathered;  // To be written, one each turn,
  std::deque<Batch> held;      // and once nobody waits for the disk.
  // Counts how often `held` became `gathered`: a log with this number has
  // something in `held`.
  std::uint64_t gather = 1;
  Batch* open = nullptr;  // Between Start() and Finish().
  bool open_waits = false;
  Batch spare;                 // For its memory.
  std::deque<Batch> unsynced;  // In the store, or failed behind such.
  std::deque<Answers> answers;
  std::deque<Log*> to_tell;

  std::uint64_t written = 0;  // Batches that came into the store.
  int urgent_syncs = 0;       // Under way, for somebody who waits.
  bool syncing = false;       // One that nobody waits for is.
  bool turn_posted = false;
  Scratch scratch;
  std::shared_ptr<JobCounter> jobs = std::make_shared<JobCounter>();
};

// ---- gathering

bool CommitQueue::Impl::IsFull(const Batch& batch, std::size_t drafts) const {
  return batch.writes.bytes() >= options.batch_bytes_max ||
         batch.drafts + drafts > options.batch_drafts_max;
}

WriteBatch& CommitQueue::Impl::Start(Log& log, std::size_t drafts,
                                     Durability durability) {
  open_waits = durability == Durability::kDurable;
  const bool hold = urgent_syncs > 0 &&
                    (open_waits || log.waiting_ > 0 || log.gather_ == gather);
  if (hold) log.gather_ = gather;
  std::deque<Batch>& batches = hold ? held : gathered;
  if (batches.empty() || IsFull(batches.back(), drafts)) {
    batches.push_back(std::exchange(spare, {}));
  }
  open = &batches.back();
  open->drafts += drafts;
  if (open->parts.empty() || open->parts.back().log != &log) {
    open->parts.push_back({&log, {}, {}});
    ++log.parts_;
  }
  return open->writes;
}

void CommitQueue::Impl::Finish(Log& log, AppendLog::Appended appended,
                               AppendLog::AppendDone done) {
  Part& part = open->parts.back();
  part.end = open->writes.mark();
  part.last = appended.last;
  open->acks.push_back({&log, appended, open_waits, std::move(done)});
  ++log.acks_;
  if (!gathered.empty()) Schedule();
}

// Posted rather than run at once: what is appended in the same turn of the
// executor shares the batch.
void CommitQueue::Impl::Schedule() {
  if (std::exchange(turn_posted, true)) return;
  boost::asio::post(executor, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->turn_posted = false;
    self->Turn();
  });
}

// ---- a turn

// Writes one batch only: neither many of them nor callbacks that append again
// may keep the executor from its other work.
void CommitQueue::Impl::Turn() {
  struct Rest {
    Impl& self;
    ~Rest() {
      if (!self.answers.empty() || !self.to_tell.empty() ||
          !self.gathered.empty()) {
        self.Schedule();
      }
    }
  } rest{*this};
  Answer();
  WriteNext();  // The disk works while others are told.
  Answer();
  TellLogs();
}

// To the operating system: that is cheaper than the way to another thread,
// which only has to sync.
void CommitQueue::Impl::WriteNext() {
  if (gathered.empty()) return;
  Batch batch = std::move(gathered.front());
  gathered.pop_front();
  batch.status = store.Write(batch.writes, false);
  if (batch.status.ok()) {
    ++written;
    for (const Part& part : batch.parts) part.log->Stored(part.last);
    if (batch.writes.bytes() <= kKeptBytes) {
      spare.writes = std::move(batch.writes);
      spare.writes.Clear();
    }
    batch.writes = {};
  } else {
    for (const Part& part : batch.parts) Stop(*part.log, batch.status);
    for (Ack& ack : TakeStopped()) batch.acks.push_back(std::move(ack));
  }
  Settle(std::move(batch));
}

// Answers what need not wait: neither for the disk nor for what does.
void CommitQueue::Impl::Settle(Batch batch) {
  const bool stored = batch.status.ok();
  batch.number = written;
  std::size_t waiting = 0;
  for (Ack& ack : batch.acks) {
    ack.waits = (ack.waits && stored) || ack.log->waiting_ > 0;
    if (ack.waits) {
      ++ack.log->waiting_;
      ++waiting;
    }
  }
  if (waiting < batch.acks.size()) {
    // Most batches wait as a whole or not at all.
    Answers now{std::move(batch.acks), batch.status};
    batch.acks.clear();
    if (waiting > 0) {
      const auto begin =
          std::stable_partition(now.acks.begin(), now.acks.end(),
                                [](const Ack& ack) { return !ack.waits; });
      std::move(begin, now.acks.end(), std::back_inserter(batch.acks));
      now.acks.erase(begin, now.acks.end());
    }
    answers.push_back(std::move(now));
  }
  if (!stored && waiting == 0) return Release(batch, false);
  unsynced.push_back(std::move(batch));
  if (stored) StartSync(waiting > 0);
}

void CommitQueue::Impl::Answer() {
  while (!answers.empty()) {
    Answers& front = answers.front();
    if (front.next == front.acks.size()) {
      Keep(spare.acks, std::move(front.acks));
      answers.pop_front();
      continue;
    }
    const Ack ack = std::move(front.acks[front.next++]);
    if (ack.log == nullptr) continue;
    --ack.log->acks_;
    if (!front.status.ok()) {
      if (ack.done) ack.done(front.status);
      continue;
    }
    ack.log->Answered(ack.appended.last);
    NoteToTell(*ack.log);
    if (ack.done) ack.done(ack.appended);
  }
}

void CommitQueue::Impl::NoteToTell(Log& log) {
  if (!std::exchange(log.to_tell_, true)) to_tell.push_back(&log);
}

void CommitQueue::Impl::TellLogs() {
  while (!to_tell.empty()) {
    Log& log = *to_tell.front();
    to_tell.pop_front();
    log.to_tell_ = false;
    log.Tell();
  }
}

// ---- the disk

// Buffered appends become durable behind their answers, as fast as the disk
// can.
void CommitQueue::Impl::StartSync(bool urgent) {
  if (urgent) {
    ++urgent_syncs;
  } else if (syncing || urgent_syncs > 0) {
    return;
  } else {
    syncing = true;
  }
  jobs->Start();
  // Keeps the executor running until it has been told the outcome, and is let
  // go there: done by the sync thread, the last one would stop an executor that
  // may have been started again meanwhile.
  auto tracked =
      std::make_shared<boost::asio::any_io_executor>(boost::asio::prefer(
          executor, boost::asio::execution::outstanding_work.tracked));
  const SyncTarget target{written, urgent};
  sync_queue.Submit(
      [] { return absl::OkStatus(); },
      [&store = store] { return store.Sync(); },
      [weak = weak_from_this(), jobs = jobs, loop = executor,
       tracked = std::move(tracked), target](absl::Status status) mutable {
        boost::asio::post(loop, [weak, target, status = std::move(status),
                                 tracked = std::move(tracked)] {
          if (const auto self = weak.lock()) self->OnSynced(target, status);
        });
        // Once the job has ended, queue, store and executor may be gone.
        loop = boost::asio::any_io_executor();
        jobs->End();
      },
      urgent ? SyncQueue::Urgency::kNow : SyncQueue::Urgency::kSoon);
}

void CommitQueue::Impl::OnSynced(const SyncTarget& target,
                                 const absl::Status& status) {
  if (target.urgent) {
    --urgent_syncs;
  } else {
    syncing = false;
  }
  if (status.ok()) {
    while (!unsynced.empty() && unsynced.front().number <= target.write) {
      Release(unsynced.front(), true);
      unsynced.pop_front();
    }
    if (!unsynced.empty()) StartSync(false);
  } else {
    FailUnsynced(status);
  }
  if (urgent_syncs == 0 && !held.empty()) {
    std::move(held.begin(), held.end(), std::back_inserter(gathered));
    held.clear();
    ++gather;
  }
  Turn();
}

// The batch's acks have waited long enough.
void CommitQueue::Impl::Release(Batch& batch, bool synced) {
  for (const Part& part : batch.parts) {
    if (part.log == nullptr) continue;
    --part.log->parts_;
    if (!synced || !batch.status.ok()) continue;
    part.log->Synced(part.last);
    NoteToTell(*part.log);
  }
  for (const Ack& ack : batch.acks) {
    if (ack.log != nullptr) --ack.log->waiting_;
  }
  if (!batch.acks.empty()) {
    answers.push_back({std::move(batch.acks), std::move(batch.status)});
  }
  Keep(spare.parts, std::move(batch.parts));
}

// The pages of what was written meanwhile may be lost as well, and no later
// sync would say so.
void CommitQueue::Impl::FailUnsynced(const absl::Status& status) {
  for (Batch& batch : unsynced) {
    if (batch.status.ok()) batch.status = status;
    for (const Part& part : batch.parts) {
      if (part.log != nullptr) Stop(*part.log, status);
    }
  }
  for (Batch& batch : unsynced) Release(batch, false);
  unsynced.clear();
  answers.push_back({TakeStopped(), status});
}

// ---- logs that stop or leave

void CommitQueue::Impl::Stop(Log& log, const absl::Status& why) {
  if (!std::exchange(log.stopped_, true)) log.Failed(why);
}

// Takes what stopped logs have gathered out of the batches.
std::vector<Ack> CommitQueue::Impl::TakeStopped() {
  std::vector<Ack> taken;
  for (std::deque<Batch>* batches : {&gathered, &held}) {
    for (Batch& batch : *batches) {
      Batch kept;
      kept.drafts = batch.drafts;
      WriteBatch::Mark begin;
      for (Part part : batch.parts) {
        const WriteBatch::Mark end = part.end;
        if (part.log->stopped_) {
          --part.log->parts_;
        } else {
          kept.writes.Append(batch.writes, begin, end);
          part.end = kept.writes.mark();
          kept.parts.push_back(part);
        }
        begin = end;
      }
      for (Ack& ack : batch.acks) {
        (ack.log->stopped_ ? taken : kept.acks).push_back(std::move(ack));
      }
      batch = std::move(kept);
    }
    std::erase_if(*batches,
                  [](const Batch& batch) { return batch.parts.empty(); });
  }
  return taken;
}

void CommitQueue::Impl::Leave(Log& log) {
  log.stopped_ = true;
  if (std::exchange(log.to_tell_, false)) std::erase(to_tell, &log);
  if (log.parts_ == 0 && log.acks_ == 0) return;
  // Callbacks go when nothing is looked at any more: they may own much.
  std::vector<Ack> dropped = TakeStopped();
  const auto drop = [&log, &dropped](std::vector<Ack>& acks) {
    for (Ack& ack : acks) {
      if (ack.log != &log) continue;
      dropped.push_back(std::move(ack));
      ack.log = nullptr;
    }
  };
  bool under_way = false;
  for (Batch& batch : unsynced) {
    for (Part& part : batch.parts) {
      if (part.log != &log) continue;
      part.log = nullptr;
      under_way = true;
    }
    drop(batch.acks);
  }
  for (Answers& each : answers) drop(each.acks);
  if (under_way) jobs->AwaitNone();
}

// ---- what is seen

CommitQueue::CommitQueue(Store& store, SyncQueue& sync_queue,
                         boost::asio::any_io_executor executor,
                         const Options& options)
    : impl_(std::make_shared<Impl>(store, sync_queue, std::move(executor),
                                   options)) {}

CommitQueue::~CommitQueue() { impl_->jobs->AwaitNone(); }

WriteBatch& CommitQueue::Start(Log& log, std::size_t drafts,
                               Durability durability) {
  return impl_->Start(log, drafts, durability);
}

void CommitQueue::Finish(Log& log, AppendLog::Appended appended,
                         AppendLog::AppendDone done) {
  impl_->Finish(log, appended, std::move(done));
}

void CommitQueue::Stop(Log& log, const absl::Status& why) {
  impl_->Stop(log, why);
  Batch batch;
  batch.status = why;
  batch.acks = impl_->TakeStopped();
  impl_->Settle(std::move(batch));
  impl_->Schedule();
}

void CommitQueue::Leave(Log& log) { impl_->Leave(log); }

CommitQueue::Scratch& CommitQueue::scratch() { return impl_->scratch; }

Store& CommitQueue::store() { return impl_->store; }

const boost::asio::any_io_executor& CommitQueue::executor() const {
  return impl_->executor;
}

}  // namespace syncline
