#include "log/log_core.h"

#include <algorithm>
#include <string>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>

#include "base/status.h"
#include "log/frame.h"
#include "log/log_runs.h"

namespace syncline {
namespace {

// Records behind the head row, which an open has to read again. The fewer
// keys a batch has the faster it is written.
constexpr std::uint64_t kUnrecordedMax = 1024;

}  // namespace

bool LogCore::OpenRun::TakesIn(const Dot& dot) const {
  return dot.origin == last.origin && dot.counter == last.counter + 1 &&
         dot.counter - first.counter < kRunEntriesMax;
}

LogCore::LogCore(CommitQueue& commits, ProjectNumber project,
                 const AppendLog::Options& options, LogTables tables)
    : head_(tables.head),
      recorded_(tables.recorded),
      stored_(tables.head),
      written_(tables.head),
      durable_(tables.head),
      told_written_(tables.head),
      told_durable_(tables.head),
      frontier_(std::move(tables.frontier)),
      durable_frontier_(frontier_),
      commits_(commits),
      store_(commits.store()),
      executor_(commits.executor()),
      project_(project),
      options_(options),
      id_(std::move(tables.id)),
      horizon_(tables.horizon),
      truncated_(std::move(tables.truncated)),
      cache_(options.tail_cache_bytes) {
  for (const auto& [origin, chain] : tables.chains) {
    authors_.emplace(origin, Author{chain, chain});
  }
  for (const auto& [origin, row] : tables.unrecorded) {
    authors_[origin].changed = true;
    changed_.push_back(origin);
  }
}

void LogCore::Close() {
  closed_ = true;
  await_durable_.clear();
  await_written_.clear();
  commits_.Leave(*this);
}

// ---- append

void LogCore::Append(std::span<const Draft> drafts, const WriteBatch& rows,
                     Durability durability, AppendLog::AppendDone done) {
  const absl::Status refusal = Validate(drafts);
  if (!refusal.ok()) return Refuse(refusal, std::move(done));
  const Seq first = drafts.empty() ? head_ : head_.next();
  WriteBatch& batch = commits_.Start(*this, drafts.size(), durability);
  for (const Draft& draft : drafts) AddRecord(batch, draft);
  batch.Append(rows);
  // The head row says that the format is one with records without entries.
  if (head_.value - recorded_.value >= kUnrecordedMax ||
      std::exchange(joined_, false)) {
    RecordHead(batch);
  }
  commits_.Finish(*this, {first, head_}, std::move(done));
}

void LogCore::Refuse(const absl::Status& refusal, AppendLog::AppendDone done) {
  boost::asio::post(executor_,
                    [weak = weak_from_this(), refusal, done = std::move(done)] {
                      const auto self = weak.lock();
                      if (self && !self->closed_ && done) done(refusal);
                    });
}

absl::Status LogCore::Validate(std::span<const Draft> drafts) const {
  if (!failed_.ok()) {
    return FailedPrecondition("an earlier write failed: " + failed_.ToString());
  }
  if (drafts.size() > options_.append_drafts_max) {
    return InvalidArgument("append: too many drafts at once");
  }
  for (const Draft& draft : drafts) {
    if (draft.entry.empty() != (draft.dot.counter == 0) ||
        draft.entry.size() > kEntryBytesMax ||
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
    if (draft.dot.counter == 0) continue;
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

LogCore::Author& LogCore::AuthorOf(const Origin& origin) {
  if (last_author_ == nullptr || last_origin_ != origin) {
    last_author_ = &authors_[origin];
    last_origin_ = origin;
  }
  return *last_author_;
}

void LogCore::AddRecord(WriteBatch& batch, const Draft& draft) {
  const Dot& dot = draft.dot;
  if (dot.counter == 0) return AddJoined(batch, draft);
  head_ = head_.next();
  Author& author = AuthorOf(dot.origin);
  const bool starts_run = !open_run_ || !open_run_->TakesIn(dot);
  if (starts_run) {
    open_run_ = OpenRun{dot, dot};
    batch.Put(Column::kDots, RunKey(project_, dot),
              EncodeRun({dot, head_, author.newest}));
  }
  open_run_->last = dot;
  PutRecord(batch, draft);
  author.newest =
      draft.chain ? *draft.chain : Sha256(author.newest.view(), draft.entry);
  if (!std::exchange(author.changed, true)) changed_.push_back(dot.origin);
  frontier_.Raise(dot.origin, dot.counter);
  tail_.push_back({dot, author.newest, starts_run});
}

void LogCore::PutRecord(WriteBatch& batch, const Draft& draft) {
  std::string& record = commits_.scratch().record;
  record.clear();
  AppendRecord(record, draft);
  batch.Put(Column::kLog, RecordKey(project_, head_), record);
  if (subscriptions_ > 0) cache_.Add(head_, record);
}

// No run goes on over it: a run is consecutive counters at consecutive seqs.
void LogCore::AddJoined(WriteBatch& batch, const Draft& draft) {
  head_ = head_.next();
  open_run_.reset();
  PutRecord(batch, draft);
  tail_.push_back({{}, {}, true});
  joined_ = true;
}

void LogCore::RecordHead(WriteBatch& batch) {
  for (const Origin& origin : changed_) {
    Author& author = authors_[origin];
    author.changed = false;
    batch.Put(Column::kProjects, OriginKey(project_, origin),
              EncodeOrigin({frontier_.CounterOf(origin), author.newest}));
  }
  batch.Put(Column::kProjects, HeadKey(project_), EncodeHead({id_, head_}));
  changed_.clear();
  recorded_ = head_;
}

// ---- what the queue says

void LogCore::Synced(Seq last) {
  const auto end =
      tail_.begin() + static_cast<std::ptrdiff_t>(last.value - durable_.value);
  for (auto record = tail_.begin(); record != end; ++record) {
    const auto next = record + 1;
    if (record->dot.counter == 0) continue;
    // Of records in a row the last one says it all.
    if (next != end && next->dot.origin == record->dot.origin) continue;
    durable_frontier_.Raise(record->dot.origin, record->dot.counter);
    AuthorOf(record->dot.origin).durable = record->chain;
  }
  tail_.erase(tail_.begin(), end);
  durable_ = last;
  written_ = std::max(written_, durable_);
  RaiseDurable();
}

void LogCore::Tell() {
  if (await_durable_.empty() && await_written_.empty() && waiters_.empty()) {
    told_written_ = written_;
    told_durable_ = durable_;
    return;
  }
  const auto self = shared_from_this();  // What is called may destroy the log.
  if (told_durable_ < durable_) {
    told_durable_ = durable_;
    Wake();
  } else if (told_written_ < written_) {
    told_written_ = written_;
    Notify(await_written_);
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
    // Thousands of them do not fit into the nearest cache.
    if (!rest.ready.empty()) __builtin_prefetch(&rest.ready.front());
    next.Ready();
  }
  rest.all = true;
}

void LogCore::Wake(std::uint64_t after) {
  told_written_ = written_;
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
