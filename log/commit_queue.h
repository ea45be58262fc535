#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/sync_thread.h"

namespace syncline {

// Writes, syncs and answers for all logs of one store on one executor.
//
// Batch      What the logs append in one turn of the executor is one batch:
//            one Store::Write(), and one sync for all who wait for the disk.
//            While it works for somebody, the appends that would wait for it
//            anyway gather into the next batch: those that are to be durable,
//            and all of a log behind them. Other buffered ones wait for no
//            sync; where a large batch is being written (away_bytes), for that.
// Linger     Of callers that wait each time, those whom one sync has answered
//            come back while the next one is under way: two halves would take
//            turns, each with a sync of its own. So that they share them, the
//            next sync waits until so many have come as were answered and wait
//            already, for a moment at most (linger), and once half of them
//            are back, linger_rest; not where that was in vain lately, nor
//            where there is much to sync anyway.
// Order      Each log is answered in the order of its appends: buffered ones
//            behind a durable one wait with it.
// Fail-stop  A failed write stops every log that has something in the batch,
//            a failed sync every log that has something which no sync covers
//            yet. What a stopped log has gathered is not written any more and
//            is answered with that error. Other logs go on.
// Callbacks  come one after the other, never from within a call of the queue.
//            If one throws, the exception is the executor's, and the rest is
//            done in a turn of its own.
//
// Bound to the executor. A sync under way counts as work of it.
class CommitQueue final {
 public:
  struct Options {
    // A batch is full beyond either; one append is never split.
    std::size_t batch_drafts_max = 4096;
    std::size_t batch_bytes_max = 8u << 20;
    // One of so many bytes that somebody wants to be durable is written by the
    // sync queue: the executor has other work meanwhile.
    std::size_t away_bytes = 64u << 10;
    // How long those who have just been told that they are durable may take to
    // append again, before others' appends are synced without theirs. Zero:
    // nobody waits for them. Uses the executor's clock.
    std::chrono::microseconds linger{0};
    std::chrono::microseconds linger_rest{0};  // Once half of them are back.
  };

  // A log as the queue knows it, and what it is told.
  class Log {
   public:
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

   protected:
    Log() = default;
    ~Log() = default;  // Requires: it has left.

   private:
    friend class CommitQueue;

    // Its records up to `last` are in the store; ...
    virtual void Stored(Seq last) = 0;
    // ... whoever appended them is about to hear so; ...
    virtual void Answered(Seq last) = 0;
    // ... and they survive loss of power.
    virtual void Synced(Seq last) = 0;
    // It is stopped.
    virtual void Failed(const absl::Status& why) = 0;
    // Behind the answers: whoever else waits may be called. What is called may
    // throw, and may make the log leave.
    virtual void Tell() = 0;

    std::size_t parts_ = 0;     // In batches,
    std::size_t acks_ = 0;      // and not yet answered;
    std::size_t waiting_ = 0;   // of those, of what was written.
    std::uint64_t gather_ = 0;  // See Impl::gather_.
    bool stopped_ = false;
    bool to_tell_ = false;
  };

  // Memory in which entries and records are put together: there may be
  // thousands of logs. Nothing in it outlives the call that fills it.
  struct Scratch {
    std::string record;
    std::string entries;
    std::vector<Draft> drafts;
  };

  // Borrows all of it; the store, the queue and what the executor belongs to
  // must outlive this.
  CommitQueue(Store& store, SyncQueue& sync_queue,
              boost::asio::any_io_executor executor, const Options& options);
  CommitQueue(Store& store, SyncQueue& sync_queue,
              boost::asio::any_io_executor executor)
      : CommitQueue(store, sync_queue, std::move(executor), Options()) {}
  // Waits for the sync under way. Requires: all logs have left.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // An append of `log`, which is not stopped: adds nothing but what it appends
  // to the batch given, then calls Finish().
  WriteBatch& Start(Log& log, std::size_t drafts, Durability durability);
  void Finish(Log& log, AppendLog::Appended appended,
              AppendLog::AppendDone done);

  // Stops a log because a write of its own failed.
  void Stop(Log& log, const absl::Status& why);
  // Waits for the sync under way, if it is for this log too. No call comes for
  // it any more, and what it gathered is not written.
  void Leave(Log& log);

  // Shared by the logs and whoever appends to them.
  [[nodiscard]] Scratch& scratch();
  [[nodiscard]] Store& store();
  [[nodiscard]] const boost::asio::any_io_executor& executor() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace syncline
