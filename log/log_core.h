#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "log/append_log.h"
#include "log/commit_queue.h"
#include "log/log_rows.h"
#include "log/log_tables.h"
#include "log/subscription.h"
#include "log/tail_cache.h"

namespace syncline {

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
// call with the handlers that it posted and with its subscriptions.
//
// Makes records of what is appended, and knows how far they have come; the
// queue writes them, and says so.
class LogCore final : public CommitQueue::Log,
                      public std::enable_shared_from_this<LogCore> {
 public:
  LogCore(CommitQueue& commits, ProjectNumber project,
          const AppendLog::Options& options, LogTables tables);

  // No callback comes any more; waits for what is under way for this log. Must
  // come before destruction.
  void Close();
  bool closed() const { return closed_; }

  void Append(std::span<const Draft> drafts, const WriteBatch& rows,
              Durability durability, AppendLog::AppendDone done);
  void AppendJoin(const Draft& last, std::span<const ChainHead> theirs,
                  const WriteBatch& rows, AppendLog::AppendDone done);
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
  // A record that is not yet durable.
  struct TailRecord {
    Dot dot;  // Counter 0: without an entry.
    Hash chain;
    bool starts_run;
  };

  struct Author {
    Hash newest;           // Chain hash of all its records, ...
    Hash durable;          // ... and of those that are durable.
    bool changed = false;  // Since the head row: it is in `changed_`.
  };

  // Of the last record given out: what a next record may continue.
  struct OpenRun {
    Dot first;
    Dot last;
    [[nodiscard]] bool TakesIn(const Dot& dot) const;
  };

  // CommitQueue::Log.
  void Stored(Seq last) override { stored_ = last; }
  void Answered(Seq last) override { written_ = std::max(written_, last); }
  void Synced(Seq last) override;
  void Failed(const absl::Status& why) override { failed_ = why; }
  void Tell() override;

  void Refuse(const absl::Status& refusal, AppendLog::AppendDone done);
  absl::Status Validate(std::span<const Draft> drafts) const;
  absl::Status ValidateJoin(const Draft& last,
                            std::span<const ChainHead> theirs) const;
  absl::Status ValidateDots(std::span<const Draft> drafts) const;
  void AddRecord(WriteBatch& batch, const Draft& draft);
  void AddJoined(WriteBatch& batch, const Draft& draft);
  void PutRecord(WriteBatch& batch, const Draft& draft);
  void RaiseTo(WriteBatch& batch, std::span<const ChainHead> theirs);
  void RaiseDurable();
  // The state of the last draft's origin is found at once.
  Author& AuthorOf(const Origin& origin);
  // Adds the head row for all that was given out, and the rows of the origins
  // that changed.
  void RecordHead(WriteBatch& batch);
  // Sees to it that the head row covers `through`, which is durable.
  void RecordDurableHead(Seq through, WriteBatch& batch);

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

  // What every group touches comes first, and together: of thousands of logs
  // the nearest caches have none.
  Seq head_;      // Given out.
  Seq recorded_;  // What the newest head row covers, which may be on its way.
  Seq stored_;    // In the store, perhaps not synced.
  Seq written_;   // Of those what was answered.
  Seq durable_;
  Seq told_written_;  // To those who wait for such records.
  Seq told_durable_;
  std::vector<TailRecord> tail_;  // From after `durable_` to `head_`.
  VersionVector frontier_;
  VersionVector durable_frontier_;
  Origin last_origin_;             // Of `authors_`:
  Author* last_author_ = nullptr;  // the one that was asked for last.
  ReadyList await_durable_;
  ReadyList await_written_;
  std::map<std::uint64_t, std::shared_ptr<std::function<void()>>> waiters_;
  std::uint64_t last_waiter_ = 0;
  std::size_t subscriptions_ = 0;

  CommitQueue& commits_;
  Store& store_;
  const boost::asio::any_io_executor executor_;
  const ProjectNumber project_;
  const AppendLog::Options options_;
  const LogId id_;

  std::vector<Origin> changed_;  // From `recorded_` to `head_`.
  Seq horizon_;
  VersionVector truncated_;
  std::unordered_map<Origin, Author> authors_;
  std::optional<OpenRun> open_run_;
  // By the last records of joins that are not durable: what they raise.
  std::map<Seq, std::vector<ChainHead>> raises_;
  bool joined_ = false;  // The append under way has records without entries.
  bool closed_ = false;
  absl::Status failed_;

  TailCache cache_;
};

}  // namespace syncline
