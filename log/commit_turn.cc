#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "log/commit_queue_impl.h"

namespace syncline {
namespace {

// Of the memory that a written batch leaves to the next.
constexpr std::size_t kKeptBytes = 1u << 20;
constexpr std::size_t kLingerDraftsMax = 512;
// They are tried again after 2^n - 1 syncs.
constexpr int kInVainMax = 6;

// Leaves the memory of `used` to the next batch, unless it is large.
template <typename T>
void Keep(std::vector<T>& spare, std::vector<T> used) {
  used.clear();
  if (used.capacity() * sizeof(T) <= kKeptBytes) spare = std::move(used);
}

}  // namespace

// ---- a turn

// Writes one batch only: neither many of them nor callbacks that append again
// may keep the executor from its other work.
void CommitQueue::Impl::Turn() {
  struct Rest {
    Impl& self;
    ~Rest() {
      if (!self.answers.empty() || !self.to_tell.empty() ||
          (!self.gathered.empty() && !self.away)) {
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
// which only has to sync; unless it is much.
void CommitQueue::Impl::WriteNext() {
  if (gathered.empty() || away) return;
  Batch batch = std::move(gathered.front());
  gathered.pop_front();
  if (GoesAway(batch)) return WriteAway(std::move(batch));
  batch.status = store.Write(batch.writes, false);
  NoteWritten(batch);
  const bool stored = batch.status.ok();
  const bool urgent = batch.waiting > 0;
  Settle(std::move(batch));
  if (stored) StartSync(urgent);
}

// While a sync is under way for somebody, what gathers waits for it anyway, and
// what does not gather should not.
bool CommitQueue::Impl::GoesAway(const Batch& batch) const {
  return urgent_syncs == 0 && batch.writes.bytes() >= options.away_bytes &&
         std::any_of(batch.acks.begin(), batch.acks.end(),
                     [](const Ack& ack) { return ack.waits; });
}

// Nothing else is written until this is in the store: batches keep their order.
void CommitQueue::Impl::WriteAway(Batch batch) {
  NoteWaiting(batch);  // Appends behind it gather from now on.
  ++urgent_syncs;
  away = std::make_shared<Batch>(std::move(batch));
  auto target = std::make_shared<SyncTarget>(SyncTarget{written, true});
  Submit(
      [weak = weak_from_this(), loop = executor, &store = store, batch = away,
       target]() mutable {
        absl::Status status = store.Write(batch->writes, false);
        boost::asio::post(loop, [weak, target, status] {
          if (const auto self = weak.lock()) {
            self->OnWrittenAway(target, status);
          }
        });
        loop = boost::asio::any_io_executor();
        return status;
      },
      target);
}

void CommitQueue::Impl::OnWrittenAway(const std::shared_ptr<SyncTarget>& target,
                                      absl::Status status) {
  Batch batch = std::move(*away);
  away.reset();
  batch.status = std::move(status);
  target->failed = !batch.status.ok();
  if (target->failed) {
    // Its appends wait for no sync now.
    for (Ack& ack : batch.acks) {
      if (ack.waits && ack.log != nullptr) --ack.log->waiting_;
      ack.waits = false;
    }
    batch.waiting = 0;
  }
  NoteWritten(batch);
  target->write = written;
  Settle(std::move(batch));
  Turn();
}

// Tells the logs, and which acks wait unless that is known.
void CommitQueue::Impl::NoteWritten(Batch& batch) {
  if (batch.status.ok()) {
    ++written;
    for (const Part& part : batch.parts) {
      if (part.log != nullptr) part.log->Stored(part.last);
    }
    if (batch.writes.bytes() <= kKeptBytes) {
      spare.writes = std::move(batch.writes);
      spare.writes.Clear();
    }
    batch.writes = {};
  } else {
    for (const Part& part : batch.parts) {
      if (part.log != nullptr) Stop(*part.log, batch.status);
    }
    for (Ack& ack : TakeStopped()) batch.acks.push_back(std::move(ack));
  }
  if (batch.waiting == 0) NoteWaiting(batch);
}

// Those wait that are to be durable, if they can be, and whoever is behind
// such a one.
void CommitQueue::Impl::NoteWaiting(Batch& batch) {
  for (Ack& ack : batch.acks) {
    if (ack.log == nullptr) continue;
    ack.waits = (ack.waits && batch.status.ok()) || ack.log->waiting_ > 0;
    if (!ack.waits) continue;
    ++ack.log->waiting_;
    ++batch.waiting;
  }
}

// Answers what need not wait: neither for the disk nor for what does.
void CommitQueue::Impl::Settle(Batch batch) {
  batch.number = written;
  if (batch.waiting < batch.acks.size()) {
    // Most batches wait as a whole or not at all.
    Answers now{std::move(batch.acks), batch.status};
    batch.acks.clear();
    if (batch.waiting > 0) {
      const auto begin =
          std::stable_partition(now.acks.begin(), now.acks.end(),
                                [](const Ack& ack) { return !ack.waits; });
      std::move(begin, now.acks.end(), std::back_inserter(batch.acks));
      now.acks.erase(begin, now.acks.end());
    }
    answers.push_back(std::move(now));
  }
  if (!batch.status.ok() && batch.waiting == 0) return Release(batch, false);
  unsynced.push_back(std::move(batch));
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
  Submit([] { return absl::OkStatus(); },
         std::make_shared<SyncTarget>(SyncTarget{written, urgent}));
}

void CommitQueue::Impl::Submit(std::function<absl::Status()> write,
                               std::shared_ptr<SyncTarget> target) {
  jobs->Start();
  // Keeps the executor running until it has been told the outcome, and is let
  // go there: done by the sync thread, the last one would stop an executor that
  // may have been started again meanwhile.
  auto tracked =
      std::make_shared<boost::asio::any_io_executor>(boost::asio::prefer(
          executor, boost::asio::execution::outstanding_work.tracked));
  const bool urgent = target->urgent;
  sync_queue.Submit(
      std::move(write), [&store = store] { return store.Sync(); },
      [weak = weak_from_this(), jobs = jobs, loop = executor,
       tracked = std::move(tracked),
       target = std::move(target)](absl::Status status) mutable {
        boost::asio::post(loop, [weak, target, status = std::move(status),
                                 tracked = std::move(tracked)] {
          if (const auto self = weak.lock()) self->OnSynced(*target, status);
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
  std::size_t answered = 0;
  std::size_t drafts = 0;
  if (status.ok()) {
    while (!unsynced.empty() && unsynced.front().number <= target.write) {
      answered += unsynced.front().acks.size();
      drafts += unsynced.front().drafts;
      Release(unsynced.front(), true);
      unsynced.pop_front();
    }
    if (!unsynced.empty()) StartSync(false);
  } else if (!target.failed) {
    FailUnsynced(status);
  }
  if (urgent_syncs == 0 && target.urgent) Linger(answered, drafts);
  if (urgent_syncs == 0 && awaited == 0) TakeHeld();
  Turn();
}

void CommitQueue::Impl::TakeHeld() {
  if (held.empty()) return;
  std::move(held.begin(), held.end(), std::back_inserter(gathered));
  held.clear();
  ++gather;
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

// ---- those who come back

std::size_t CommitQueue::Impl::HeldAcks() const {
  std::size_t acks = 0;
  for (const Batch& batch : held) acks += batch.acks.size();
  return acks;
}

// A lone caller is back when it is back; of much, the sync is the lesser part.
void CommitQueue::Impl::Linger(std::size_t answered, std::size_t drafts) {
  for (const Batch& batch : held) drafts += batch.drafts;
  if (options.linger == options.linger.zero() || answered == 0 ||
      answered + HeldAcks() < 2 || drafts > kLingerDraftsMax) {
    return;
  }
  if (lingers_off > 0) {
    --lingers_off;
    return;
  }
  awaited = answered + HeldAcks();
  awaited_half = awaited - answered / 2;
  EndLingerIn(options.linger);
}

void CommitQueue::Impl::EndLingerIn(std::chrono::microseconds time) {
  linger_end.expires_after(time);
  linger_end.async_wait([weak = weak_from_this(), number = ++linger_number](
                            boost::system::error_code error) {
    const auto self = weak.lock();
    if (!error && self) self->OnLingerEnd(number);
  });
}

// Some may think for long before they come back: once half of them have come,
// the others are waited for only a moment longer.
void CommitQueue::Impl::OnCameBack() {
  const std::size_t held_acks = HeldAcks();
  if (held_acks >= awaited) {
    EndLinger();
  } else if (awaited_half > 0 && held_acks >= awaited_half) {
    awaited_half = 0;
    EndLingerIn(options.linger_rest);
  }
}

void CommitQueue::Impl::EndLinger() {
  awaited = 0;
  ++linger_number;
  in_vain = 0;
  linger_end.cancel();
  TakeHeld();
}

void CommitQueue::Impl::OnLingerEnd(std::uint64_t number) {
  if (number != linger_number || awaited == 0) return;
  const bool most = HeldAcks() >= awaited_half;
  const int misses = most ? 0 : std::min(in_vain + 1, kInVainMax);
  EndLinger();
  in_vain = misses;
  lingers_off = (1 << misses) - 1;
  Turn();
}

}  // namespace syncline
