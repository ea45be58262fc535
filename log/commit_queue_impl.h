#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "log/commit_queue.h"
#include "log/job_counter.h"

namespace syncline {

// What stands behind a CommitQueue: commit_queue.cc for what the logs ask of
// it, commit_turn.cc for what a turn of the executor does.
//
// A batch goes from `gathered`, or by way of `held`, to `unsynced`; what it
// answers, at once or behind a sync, through `answers`.
struct CommitQueue::Impl : std::enable_shared_from_this<Impl> {
  struct Ack {
    Log* log;  // Null once it left.
    AppendLog::Appended appended;
    bool waits;  // For the disk; once it is written, also behind such a one.
    AppendLog::AppendDone done;
  };

  // What follows on the part before and belongs to one log.
  struct Part {
    Log* log;  // Null once it left.
    WriteBatch::Mark end;
    Seq last;
  };

  // Appends that are written together.
  struct Batch {
    WriteBatch writes;
    std::vector<Part> parts;
    std::vector<Ack> acks;
    std::size_t drafts = 0;
    std::size_t waiting = 0;   // Of `acks`.
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
    bool urgent;          // Somebody waits for it.
    bool failed = false;  // It was not done as its own write failed.
  };

  Impl(Store& a_store, SyncQueue& a_sync_queue,
       boost::asio::any_io_executor an_executor, const Options& some_options)
      : store(a_store),
        sync_queue(a_sync_queue),
        executor(std::move(an_executor)),
        options(some_options),
        linger_end(executor) {}

  WriteBatch& Start(Log& log, std::size_t drafts, Durability durability);
  void Finish(Log& log, AppendLog::Appended appended,
              AppendLog::AppendDone done);
  [[nodiscard]] bool IsFull(const Batch& batch, std::size_t drafts) const;
  void Leave(Log& log);

  void Schedule();
  void Turn();
  void WriteNext();
  [[nodiscard]] bool GoesAway(const Batch& batch) const;
  void WriteAway(Batch batch);
  void OnWrittenAway(const std::shared_ptr<SyncTarget>& target,
                     absl::Status status);
  void NoteWritten(Batch& batch);
  static void NoteWaiting(Batch& batch);
  void Settle(Batch batch);
  void Answer();
  void TellLogs();
  void NoteToTell(Log& log);

  void StartSync(bool urgent);
  void Submit(std::function<absl::Status()> write,
              std::shared_ptr<SyncTarget> target);
  void OnSynced(const SyncTarget& target, const absl::Status& status);
  void Release(Batch& batch, bool synced);
  void FailUnsynced(const absl::Status& status);
  void TakeHeld();

  void Linger(std::size_t answered, std::size_t drafts);
  void EndLingerIn(std::chrono::microseconds time);
  void OnCameBack();
  void EndLinger();
  void OnLingerEnd(std::uint64_t number);
  [[nodiscard]] std::size_t HeldAcks() const;

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
  std::shared_ptr<Batch> away;  // Being written by the sync queue.
  Batch spare;                  // For its memory.
  std::deque<Batch> unsynced;   // In the store, or failed behind such.
  std::deque<Answers> answers;
  std::deque<Log*> to_tell;

  std::uint64_t written = 0;  // Batches that came into the store.
  int urgent_syncs = 0;       // Under way, for somebody who waits.
  bool syncing = false;       // One that nobody waits for is.
  bool turn_posted = false;

  // Appends that `held` lingers for, if it does; and with how many half of
  // those who were answered are back, until they are.
  std::size_t awaited = 0;
  std::size_t awaited_half = 0;
  std::uint64_t linger_number = 0;
  boost::asio::steady_timer linger_end;
  int in_vain = 0;      // Times in a row that they did not come.
  int lingers_off = 0;  // Syncs behind which nobody is waited for.

  Scratch scratch;
  std::shared_ptr<JobCounter> jobs = std::make_shared<JobCounter>();
};

}  // namespace syncline
