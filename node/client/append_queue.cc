#include "node/client/append_queue.h"

#include <cstdint>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/event_limits.h"

namespace syncline {
namespace {

constexpr std::size_t kProjectBytesMax = 4096;
constexpr std::size_t kSpareMax = 2;

}  // namespace

// ---- gathering, on any thread

void AppendQueue::Append(std::string_view project, std::string_view channel,
                         std::string_view payload, Durability durability,
                         Done done) {
  const absl::Status refused =
      Gather(project, channel, payload, durability, done);
  if (refused.ok() || !done) return;
  boost::asio::post(executor_,
                    [weak = weak_from_this(), refused, done = std::move(done)] {
                      const auto self = weak.lock();
                      if (self && !self->closed_) done(refused);
                    });
}

absl::Status AppendQueue::Gather(std::string_view project,
                                 std::string_view channel,
                                 std::string_view payload,
                                 Durability durability, Done& done) {
  SYNCLINE_RETURN_IF_ERROR(CheckPayload(payload));
  const std::scoped_lock lock(mutex_);
  SYNCLINE_RETURN_IF_ERROR(failed_);
  // In order: only the last batch takes more.
  if (waiting_.empty() || waiting_.back()->durability != durability ||
      IsFull(*waiting_.back())) {
    waiting_.push_back(NewBatch(durability));
  }
  Batch& batch = *waiting_.back();
  if (batch.runs.empty() || batch.runs.back().channel != channel ||
      batch.runs.back().project != project) {
    absl::Status status = CheckChannel(channel);
    if (status.ok() && project.size() > kProjectBytesMax) {
      status = NotFound("no project of a name that long");
    }
    if (!status.ok()) {
      if (batch.runs.empty()) {
        spare_.push_back(std::move(waiting_.back()));
        waiting_.pop_back();
      }
      return status;
    }
    batch.runs.push_back({std::string(project), std::string(channel), 0});
  }
  ++batch.runs.back().events;
  batch.sizes.push_back(static_cast<std::uint32_t>(payload.size()));
  batch.payloads += payload;
  batch.dones.push_back(std::move(done));
  unanswered_events_.fetch_add(1, std::memory_order_relaxed);
  unanswered_bytes_.fetch_add(payload.size(), std::memory_order_relaxed);
  if (MaySend()) Schedule();
  return absl::OkStatus();
}

std::shared_ptr<AppendQueue::Batch> AppendQueue::NewBatch(
    Durability durability) {
  std::shared_ptr<Batch> batch;
  if (spare_.empty()) {
    batch = std::make_shared<Batch>();
  } else {
    batch = std::move(spare_.back());
    spare_.pop_back();
  }
  batch->durability = durability;
  return batch;
}

// A further message sets out only where it is worth one: the smaller the
// messages, the more there are.
bool AppendQueue::MaySend() const {
  constexpr std::size_t kWorthBytes = 32u << 10;
  constexpr std::size_t kWorthEvents = 256;
  if (in_flight_ == 0) return true;
  if (in_flight_ >= options_.batches_in_flight_max) return false;
  const Batch& next = *waiting_.front();
  return waiting_.size() > 1 || next.payloads.size() >= kWorthBytes ||
         next.sizes.size() >= kWorthEvents;
}

bool AppendQueue::IsFull(const Batch& batch) const {
  return batch.sizes.size() >= options_.batch_events_max ||
         batch.payloads.size() >= options_.batch_bytes_max;
}

// Posted rather than run at once: what is appended in the same turn of the
// executor shares the message.
void AppendQueue::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  boost::asio::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->Flush();
  });
}

// ---- sending

std::shared_ptr<AppendQueue::Batch> AppendQueue::Take() {
  const std::scoped_lock lock(mutex_);
  scheduled_ = false;
  if (waiting_.empty() || !MaySend()) return nullptr;
  std::shared_ptr<Batch> batch = std::move(waiting_.front());
  waiting_.pop_front();
  ++in_flight_;
  return batch;
}

void AppendQueue::Flush() {
  if (closed_) return;
  while (const std::shared_ptr<Batch> batch = Take()) Send(batch);
}

void AppendQueue::Send(const std::shared_ptr<Batch>& batch) {
  send_(batch, [weak = weak_from_this(),
                batch](absl::StatusOr<AppendOutcome> outcome) {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    {
      const std::scoped_lock lock(self->mutex_);
      --self->in_flight_;
    }
    self->Flush();  // The node goes on while callbacks are called.
    self->Answer(batch, std::move(outcome));
  });
}

void AppendQueue::Answer(const std::shared_ptr<Batch>& batch,
                         absl::StatusOr<AppendOutcome> outcome) {
  if (outcome.ok() && outcome->firsts.size() != batch->runs.size()) {
    outcome = Internal("an answer of another program");
  }
  batch->outcome = std::move(outcome);
  AnswerRest(batch);
}

void AppendQueue::AnswerRest(const std::shared_ptr<Batch>& batch) {
  CallDones(batch);
  if (closed_) return;
  batch->Reset();
  const std::scoped_lock lock(mutex_);
  if (spare_.size() < kSpareMax) spare_.push_back(batch);
}

// Callbacks may do anything. If one throws, the exception is the executor's,
// and the others are called in a handler of their own.
void AppendQueue::CallDones(const std::shared_ptr<Batch>& batch) {
  struct Rest {
    AppendQueue& queue;
    const std::shared_ptr<Batch>& batch;
    ~Rest() {
      if (queue.closed_ || batch->answered == batch->dones.size()) return;
      boost::asio::post(queue.executor_,
                        [weak = queue.weak_from_this(), left = batch] {
                          if (const auto self = weak.lock()) {
                            self->AnswerRest(left);
                          }
                        });
    }
  } rest{*this, batch};
  while (!closed_ && batch->answered < batch->dones.size()) {
    const std::size_t event = batch->answered++;
    absl::StatusOr<Seq> answer = batch->Next(event);
    unanswered_bytes_.fetch_sub(batch->sizes[event], std::memory_order_relaxed);
    unanswered_events_.fetch_sub(1, std::memory_order_relaxed);
    if (batch->dones[event]) batch->dones[event](std::move(answer));
  }
}

void AppendQueue::Batch::Reset() {
  runs.clear();
  sizes.clear();
  payloads.clear();
  dones.clear();
  outcome = absl::UnknownError("none yet");
  answered = run = in_run = refused = 0;
}

absl::StatusOr<Seq> AppendQueue::Batch::Next(std::size_t event) {
  if (!outcome.ok()) return outcome.status();
  while (in_run == runs[run].events) {
    ++run;
    in_run = 0;
  }
  if (in_run++ == 0) seq = outcome->firsts[run];
  if (refused < outcome->refused.size() &&
      outcome->refused[refused].first == event) {
    return outcome->refused[refused++].second;
  }
  return std::exchange(seq, seq.next());
}

// ---- ending

void AppendQueue::Fail(const absl::Status& why) {
  const auto self = shared_from_this();
  std::deque<std::shared_ptr<Batch>> waiting;
  {
    const std::scoped_lock lock(mutex_);
    failed_ = why;
    waiting = std::exchange(waiting_, {});
  }
  for (const std::shared_ptr<Batch>& batch : waiting) {
    if (closed_) return;
    Answer(batch, why);
  }
}

}  // namespace syncline
