#include "log/commit_queue.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "log/commit_queue_impl.h"

namespace syncline {

// ---- gathering

bool CommitQueue::Impl::IsFull(const Batch& batch, std::size_t drafts) const {
  return batch.writes.bytes() >= options.batch_bytes_max ||
         batch.drafts + drafts > options.batch_drafts_max;
}

WriteBatch& CommitQueue::Impl::Start(Log& log, std::size_t drafts,
                                     Durability durability) {
  open_waits = durability == Durability::kDurable;
  const bool hold = (urgent_syncs > 0 || awaited > 0) &&
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
  if (awaited > 0) OnCameBack();
  if (!gathered.empty() && !away) Schedule();
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

// ---- logs that stop or leave

void CommitQueue::Impl::Stop(Log& log, const absl::Status& why) {
  if (!std::exchange(log.stopped_, true)) log.Failed(why);
}

// Takes what stopped logs have gathered out of the batches.
std::vector<CommitQueue::Impl::Ack> CommitQueue::Impl::TakeStopped() {
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
  const auto leave = [&](Batch& batch) {
    for (Part& part : batch.parts) {
      if (part.log != &log) continue;
      part.log = nullptr;
      under_way = true;
    }
    drop(batch.acks);
  };
  for (Batch& batch : unsynced) leave(batch);
  if (away) leave(*away);
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
  Impl::Batch batch;
  batch.status = why;
  batch.acks = impl_->TakeStopped();
  Impl::NoteWaiting(batch);
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
