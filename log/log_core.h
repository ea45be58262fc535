#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "log/append_log.h"
#include "log/log_rows.h"
#include "log/log_tables.h"
#include "log/subscription.h"
#include "log/tail_cache.h"

namespace syncline {

class JobCounter;

// A subscription that waits for a record. Leaves its list when destroyed.
class ReadyHook
    : public boost::intrusive::list_base_hook<
          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void Ready() = 0;

 protected:
  ~ReadyHook() = default;
};
using ReadyList =
    boost::intrusive::list<ReadyHook,
                           boost::intrusive::constant_time_size<false>>;

// What stands behind an AppendLog: owned by it, and shared for the length of a
// call with the handlers that it posted.
//
// Appends go through three places: `pending_` (groups that still gather),
// `unanswered_` (in the store; the durable ones wait for a sync that began
// behind their write) and `tail_` until they are durable.
class LogCore : public std::enable_shared_from_this<LogCore> {
 public:
  LogCore(Store& store, SyncQueue& sync_thread,
          boost::asio::any_io_executor executor, ProjectNumber project,
          const AppendLog::Options& options, LogTables tables);

  // No callback comes any more; waits for what the sync thread has of this
  // log. Must come before destruction.
  void Close();
  bool closed() const { return closed_; }

  void Append(std::span<const Draft> drafts, const WriteBatch& rows,
              Durability durability, AppendLog::AppendDone done);
  absl::Status TruncateThrough(Seq through);
  std::unique_ptr<AppendLog::Reader> Read(
      const AppendLog::ReadOptions& options) const;
  absl::StatusOr<std::optional<Seq>> Find(const Dot& dot) const;
  absl::StatusOr<Hash> ChainAt(const Dot& dot) const;
  Hash ChainOf(const Origin& origin) const;

  // ---- subscriptions
  // While there is one, new records are kept in the tail cache.
  void AddSubscription() { ++subscriptions_; }
  void RemoveSubscription();
  // Records behind `since`; empty if there are none to be seen yet. Without
  // an owner if they are in the tail cache: until that changes, Keep() adds it.
  absl::Status ReadSpan(Seq since, Visibility visibility, std::size_t bytes_max,
                        RecordSpan& span) const;
  void Keep(RecordSpan& span) const { cache_.Keep(span); }
  // Calls `hook` once, when there are.
  void AwaitRecords(Visibility visibility, ReadyHook& hook) {
    ListOf(visibility).push_back(hook);
  }

  std::uint64_t AddWaiter(std::function<void()> on_durable);
  void RemoveWaiter(std::uint64_t waiter) { waiters_.erase(waiter); }

  const LogId& id() const { return id_; }
  Seq head() const { return head_; }
  Seq durable() const { return durable_; }
  Seq Visible(Visibility visibility) const {
    return visibility == Visibility::kDurable ? durable_ : written_;
  }
  Seq horizon() const { return horizon_; }
  const VersionVector& frontier() const { return frontier_; }
  const VersionVector& durable_frontier() const { return durable_frontier_; }
  const VersionVector& truncated() const { return truncated_; }
  const absl::Status& health() const { return failed_; }

 private:
  struct Ack {
    AppendLog::Appended appended;
    AppendLog::AppendDone done;
  };

  // Appends that are written in one batch.
  struct Group {
    WriteBatch batch;
    // As of the last record of each, and perhaps earlier ones before it.
    std::vector<std::pair<Origin, OriginRow>> origins;
    std::vector<Ack> acks;
    std::size_t drafts = 0;
    Seq last;
    bool durable = false;       // Somebody waits for the disk.
    bool records_head = false;  // Brings the head row up to `last`.
  };

  // Appends that were written in one batch, or failed to be.
  struct Answers {
    std::vector<Ack> acks;
    std::size_t answered = 0;  // Of `acks`.
    Seq last;
    std::uint64_t write = 0;
    bool durable = false;
    absl::Status status;
  };

  // What a sync makes durable.
  struct SyncTarget {
    Seq seq;
    std::uint64_t write = 0;
    bool urgent = false;  // Somebody waits for it.
  };

  // A record that is not yet durable.
  struct TailRecord {
    Dot dot;
    Hash chain;
    bool starts_run;
  };

  struct Chains {
    Hash newest;
    Hash durable;
  };

  // Of the last record given out: what a next record may continue.
  struct OpenRun {
    Dot first;
    Dot last;
    [[nodiscard]] bool TakesIn(const Dot& dot) const;
  };

  absl::Status Validate(std::span<const Draft> drafts) const;
  absl::Status ValidateDots(std::span<const Draft> drafts) const;
  Group& GroupFor(std::span<const Draft> drafts);
  void AddRecord(Group& group, const Draft& draft);
  void FinishBatch(Group& group) const;
  void NoteStored(const Group& group);
  // Adds the head row for `seq`, and the origins' rows that changed up to it.
  void PutHead(WriteBatch& batch, Seq seq,
               const std::map<Origin, OriginRow>& origins) const;
  void RecordHeadFor(Seq through, WriteBatch& batch);

  [[nodiscard]] bool IsWorthASync(const Group& group) const;
  void ScheduleFlush();
  void Proceed(bool moved);
  void ProceedLater(bool moved);
  void WritePending();
  void WriteFirst();
  void Answer();
  void StartSync(bool urgent);
  void OnSynced(const SyncTarget& target, const absl::Status& status);
  void MoveDurable(Seq seq);
  void Fail(const absl::Status& status);
  // Whoever waits for durable records; of the waiters those behind `after`.
  void Wake(std::uint64_t after = 0);
  void WakeWaiters(std::uint64_t at);
  void WakeLater(std::uint64_t after);
  void Notify(ReadyList& waiting);
  ReadyList& ListOf(Visibility visibility) {
    return visibility == Visibility::kDurable ? await_durable_ : await_written_;
  }
  absl::Status ReadStored(Seq since, Seq last, std::size_t bytes_max,
                          RecordSpan& span) const;

  absl::Status TruncatedAt(Seq since) const;
  const TailRecord* FindTail(const Dot& dot, Seq* seq) const;

  Store& store_;
  SyncQueue& sync_thread_;
  const boost::asio::any_io_executor executor_;
  const ProjectNumber project_;
  const AppendLog::Options options_;
  const LogId id_;

  Seq head_;      // Given out.
  Seq recorded_;  // What the head row in the store covers.
  std::map<Origin, OriginRow> unrecorded_;  // From there to `stored_`.
  Seq stored_;                              // In the store, perhaps not synced.
  Seq written_;                             // Of those what was answered.
  Seq announced_;  // To those who wait for written records.
  Seq durable_;
  Seq horizon_;
  VersionVector frontier_;
  VersionVector durable_frontier_;
  VersionVector truncated_;
  std::unordered_map<Origin, Chains> chains_;
  std::optional<OpenRun> open_run_;

  std::deque<Group> pending_;
  std::deque<TailRecord> tail_;  // From after `durable_` to `head_`.
  std::deque<Answers> unanswered_;
  std::uint64_t writes_ = 0;  // Batches that are in the store,
  std::uint64_t synced_ = 0;  // and how many of them are durable.
  bool flush_posted_ = false;
  int urgent_syncs_ = 0;  // At the sync thread, for durable groups.
  bool syncing_ = false;  // One for buffered groups is.
  bool sync_failed_ = false;
  bool closed_ = false;
  absl::Status failed_;

  TailCache cache_;
  std::size_t subscriptions_ = 0;
  ReadyList await_durable_;
  ReadyList await_written_;
  std::string scratch_;  // A record being encoded.

  std::map<std::uint64_t, std::shared_ptr<std::function<void()>>> waiters_;
  std::uint64_t last_waiter_ = 0;
  std::shared_ptr<JobCounter> jobs_;
};

}  // namespace syncline
