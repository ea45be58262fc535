// What LogCore tells of its records, and how it drops and skips them.

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "log/log_core.h"
#include "log/log_reader.h"
#include "log/log_runs.h"

namespace syncline {
namespace {

// Room that is made before a span is read.
constexpr std::size_t kSpanBytesMax = 1u << 20;

}  // namespace

// ---- reading

absl::Status LogCore::TruncatedAt(Seq since) const {
  return NotFound("project " + std::to_string(project_.value) + ", seq " +
                  std::to_string(since.next().value) + ": truncated up to " +
                  std::to_string(horizon_.value));
}

std::unique_ptr<AppendLog::Reader> LogCore::Read(
    const AppendLog::ReadOptions& options) const {
  if (options.since < horizon_) {
    return NewEndedReader(TruncatedAt(options.since));
  }
  const Seq last = std::min(options.until.value_or(durable_), durable_);
  if (last <= options.since) return NewEndedReader(absl::OkStatus());
  RecordRange range{options.since.next(), last};
  if (options.reverse) std::swap(range.from, range.to);
  return NewLogReader(store_, project_, range);
}

absl::Status LogCore::ReadSpan(Seq since, Visibility visibility,
                               std::size_t bytes_max, RecordSpan& span) const {
  if (since < horizon_) return TruncatedAt(since);
  const Seq last = Visible(visibility);
  if (last <= since) {
    span = {};
    return absl::OkStatus();
  }
  if (cache_.Span(since.next(), last, bytes_max, span)) {
    return absl::OkStatus();
  }
  return ReadStored(since, last, bytes_max, span);
}

absl::Status LogCore::ReadStored(Seq since, Seq last, std::size_t bytes_max,
                                 RecordSpan& span) const {
  Seq end;
  auto bytes = std::make_shared<std::string>();
  bytes->reserve(std::min(bytes_max, kSpanBytesMax));
  const auto reader = NewLogReader(store_, project_, {since.next(), last});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (!bytes->empty() && bytes->size() + record.stored.size() > bytes_max) {
      break;
    }
    *bytes += record.stored;
    end = record.seq;
  }
  // What was read before a damaged record is whole.
  if (bytes->empty()) return reader->status();
  span = {since.next(), end, *bytes, bytes, true};
  return absl::OkStatus();
}

const LogCore::TailRecord* LogCore::FindTail(const Dot& dot, Seq* seq) const {
  const auto found =
      std::find_if(tail_.begin(), tail_.end(),
                   [&](const TailRecord& record) { return record.dot == dot; });
  if (found == tail_.end()) return nullptr;
  if (seq != nullptr) {
    seq->value =
        durable_.value + 1 + static_cast<std::uint64_t>(found - tail_.begin());
  }
  return &*found;
}

absl::StatusOr<std::optional<Seq>> LogCore::Find(const Dot& dot) const {
  if (dot.counter == 0 || truncated_.Covers(dot)) return std::optional<Seq>();
  if (!durable_frontier_.Covers(dot)) {
    Seq seq;
    return FindTail(dot, &seq) == nullptr ? std::nullopt : std::optional(seq);
  }
  SYNCLINE_ASSIGN_OR_RETURN(const Run run, FindRun(store_, project_, dot));
  return std::optional(run.SeqOf(dot.counter));
}

Hash LogCore::ChainOf(const Origin& origin) const {
  const auto found = authors_.find(origin);
  return found == authors_.end() ? Hash() : found->second.newest;
}

absl::StatusOr<Hash> LogCore::ChainAt(const Dot& dot) const {
  if (dot.counter == 0) return Hash();
  const auto author = authors_.find(dot.origin);
  if (author == authors_.end() || !frontier_.Covers(dot)) {
    return NotFound("chain: not reached yet");
  }
  if (dot.counter == frontier_.CounterOf(dot.origin)) {
    return author->second.newest;
  }
  const std::uint64_t durable = durable_frontier_.CounterOf(dot.origin);
  if (dot.counter > durable) {
    const TailRecord* record = FindTail(dot, nullptr);
    if (record == nullptr) return NotFound("chain: came with a state");
    return record->chain;
  }
  if (dot.counter == durable) return author->second.durable;
  const std::uint64_t truncated = truncated_.CounterOf(dot.origin);
  if (dot.counter < truncated) return NotFound("chain: truncated");
  if (dot.counter == truncated) {
    // Truncation leaves a run that starts right behind it.
    SYNCLINE_ASSIGN_OR_RETURN(
        const Run next,
        FindRun(store_, project_, {dot.origin, dot.counter + 1}));
    return next.before;
  }
  SYNCLINE_ASSIGN_OR_RETURN(const Run run, FindRun(store_, project_, dot));
  return HashForward(store_, project_, run, dot.counter);
}

// ---- joins

void LogCore::AppendJoin(const Draft& last, std::span<const ChainHead> theirs,
                         const WriteBatch& rows, AppendLog::AppendDone done) {
  const absl::Status refusal = ValidateJoin(last, theirs);
  if (!refusal.ok()) return Refuse(refusal, std::move(done));
  WriteBatch& batch = commits_.Start(*this, 1, Durability::kDurable);
  AddRecord(batch, last);
  RaiseTo(batch, theirs);
  batch.Append(rows);
  joined_ = false;
  RecordHead(batch);
  commits_.Finish(*this, {head_, head_}, std::move(done));
}

absl::Status LogCore::ValidateJoin(const Draft& last,
                                   std::span<const ChainHead> theirs) const {
  SYNCLINE_RETURN_IF_ERROR(Validate({&last, 1}));
  std::size_t origins = frontier_.size();
  for (const ChainHead& head : theirs) {
    if (frontier_.CounterOf(head.dot.origin) == 0) ++origins;
  }
  if (last.dot.counter != 0 || origins > VersionVector::kMaxSlots) {
    return InvalidArgument("join: an entry, or too many origins");
  }
  return absl::OkStatus();
}

// What the log never held counts as truncated: whoever lacks it needs a state.
void LogCore::RaiseTo(WriteBatch& batch, std::span<const ChainHead> theirs) {
  std::vector<ChainHead>& raised = raises_[head_];
  for (const ChainHead& head : theirs) {
    const Dot& dot = head.dot;
    if (frontier_.CounterOf(dot.origin) >= dot.counter) continue;
    frontier_.Raise(dot.origin, dot.counter);
    Author& author = AuthorOf(dot.origin);
    author.newest = head.hash;
    if (!std::exchange(author.changed, true)) changed_.push_back(dot.origin);
    batch.Put(Column::kProjects, TruncatedKey(project_, dot.origin),
              EncodeTruncated(dot.counter));
    raised.push_back({dot, head.hash, {}});
  }
}

void LogCore::RaiseDurable() {
  while (!raises_.empty() && raises_.begin()->first <= durable_) {
    for (const ChainHead& head : raises_.begin()->second) {
      const Dot& dot = head.dot;
      truncated_.Raise(dot.origin, dot.counter);
      if (durable_frontier_.Covers(dot)) continue;
      durable_frontier_.Raise(dot.origin, dot.counter);
      AuthorOf(dot.origin).durable = head.hash;
    }
    raises_.erase(raises_.begin());
  }
}

// ---- truncation

absl::Status LogCore::TruncateThrough(Seq through) {
  if (through <= horizon_) return absl::OkStatus();
  if (!failed_.ok()) {
    return FailedPrecondition("an earlier write failed: " + failed_.ToString());
  }
  if (through > durable_) {
    return InvalidArgument("truncate: beyond the durable head");
  }
  if (!raises_.empty()) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      "truncate: a join is not durable yet");
  }
  SYNCLINE_ASSIGN_OR_RETURN(Truncation plan,
                            PlanTruncation(store_, project_, through, durable_,
                                           durable_frontier_, truncated_));
  if (through == durable_ && !tail_.empty() && !tail_.front().starts_run) {
    const Dot& dot = tail_.front().dot;
    plan.batch.Put(
        Column::kDots, RunKey(project_, dot),
        EncodeRun({dot, through.next(), AuthorOf(dot.origin).durable}));
  }
  RecordDurableHead(through, plan.batch);
  const absl::Status status = store_.Write(plan.batch, false);
  if (!status.ok()) {
    commits_.Stop(*this, status);
    return status;
  }
  if (through == head_) open_run_.reset();
  horizon_ = through;
  truncated_.Join(plan.truncated);
  return absl::OkStatus();
}

// The head row must not lag behind what is dropped. What was appended since may
// not be in the store yet, and the rows must not run ahead of it.
void LogCore::RecordDurableHead(Seq through, WriteBatch& batch) {
  if (through <= recorded_ && recorded_ <= stored_) return;
  for (const VersionVector::Slot& slot : durable_frontier_.slots()) {
    batch.Put(Column::kProjects, OriginKey(project_, slot.origin),
              EncodeOrigin({slot.counter, authors_[slot.origin].durable}));
  }
  batch.Put(Column::kProjects, HeadKey(project_), EncodeHead({id_, durable_}));
  recorded_ = std::max(recorded_, durable_);
}

}  // namespace syncline
