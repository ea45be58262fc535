#include "node/client/append_queue.h"

#include <capnp/message.h>

#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/event_limits.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

constexpr std::size_t kProjectBytesMax = 4096;

struct IgnoreErrors final : kj::TaskSet::ErrorHandler {
  void taskFailed(kj::Exception&&) override {}
};

void SetText(capnp::Text::Builder out, std::string_view text) {
  std::memcpy(out.begin(), text.data(), text.size());
}

capnp::Data::Reader ToData(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

std::size_t Words(std::size_t bytes) { return bytes / sizeof(capnp::word) + 1; }

}  // namespace

AppendQueue::AppendQueue(KjLoop& loop, control::EventControl::Client target,
                         const Options& options)
    : loop_(loop),
      executor_(loop.executor()),
      options_(options),
      target_(kj::mv(target)),
      errors_(std::make_unique<IgnoreErrors>()),
      sends_(std::make_unique<kj::TaskSet>(*errors_)) {}

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
    waiting_.push_back(std::make_shared<Batch>());
    waiting_.back()->durability = durability;
  }
  Batch& batch = *waiting_.back();
  if (batch.runs.empty() || batch.runs.back().channel != channel ||
      batch.runs.back().project != project) {
    absl::Status status = CheckChannel(channel);
    if (status.ok() && project.size() > kProjectBytesMax) {
      status = NotFound("no project of a name that long");
    }
    if (!status.ok()) {
      if (batch.runs.empty()) waiting_.pop_back();
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
    if (!self || self->closed_) return;
    self->loop_.Handle([&self] { self->Flush(); });
  });
}

// ---- sending, inside the loop

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
  if (!target_) return;
  while (std::shared_ptr<Batch> batch = Take()) Send(std::move(batch));
}

void AppendQueue::Send(std::shared_ptr<Batch> batch) {
  std::size_t words = 4 + batch->payloads.size() / sizeof(capnp::word) +
                      2 * batch->sizes.size();
  for (const Run& run : batch->runs) {
    words += 5 + Words(run.project.size()) + Words(run.channel.size());
  }
  auto request = target_->appendEventsRequest(capnp::MessageSize{words, 0});
  request.setDurable(batch->durability == Durability::kDurable);
  auto runs = request.initRuns(static_cast<unsigned>(batch->runs.size()));
  std::size_t event = 0;
  std::size_t at = 0;
  for (unsigned i = 0; i < runs.size(); ++i) {
    const Run& run = batch->runs[i];
    SetText(runs[i].initProject(static_cast<unsigned>(run.project.size())),
            run.project);
    SetText(runs[i].initChannel(static_cast<unsigned>(run.channel.size())),
            run.channel);
    auto payloads = runs[i].initPayloads(static_cast<unsigned>(run.events));
    for (unsigned j = 0; j < payloads.size(); ++j, ++event) {
      const std::size_t size = batch->sizes[event];
      payloads.set(j, ToData({batch->payloads.data() + at, size}));
      at += size;
    }
  }
  sends_->add(request.send().then(
      [this, batch](Response&& response) {
        OnResponse(batch, response);
        answered_ = kj::mv(response);
      },
      [this, batch](kj::Exception&& exception) {
        OnFailure(batch, StatusFromKj(exception));
      }));
  answered_ = nullptr;
}

void AppendQueue::OnResponse(const std::shared_ptr<Batch>& batch,
                             const Response& response) {
  const auto result = response.getResult();
  if (result.isFailure()) {
    const auto failure = result.getFailure();
    return OnFailure(
        batch, MakeStatus(static_cast<absl::StatusCode>(failure.getCode()),
                          {failure.getMessage().begin(),
                           failure.getMessage().size()}));
  }
  const auto value = result.getValue();
  const auto firsts = value.getFirsts();
  const auto refused = value.getRefused();
  if (firsts.size() != batch->runs.size()) {
    return OnFailure(batch, Internal("an answer of another program"));
  }
  std::vector<absl::StatusOr<Seq>> answers;
  answers.reserve(batch->sizes.size());
  unsigned next_refused = 0;
  for (unsigned i = 0; i < firsts.size(); ++i) {
    std::uint64_t seq = firsts[i];
    for (std::size_t j = 0; j < batch->runs[i].events; ++j) {
      if (next_refused < refused.size() &&
          refused[next_refused].getEvent() == answers.size()) {
        const auto failure = refused[next_refused++].getFailure();
        answers.emplace_back(MakeStatus(
            static_cast<absl::StatusCode>(failure.getCode()),
            {failure.getMessage().begin(), failure.getMessage().size()}));
      } else {
        answers.emplace_back(Seq{seq++});
      }
    }
  }
  Finish(batch, std::move(answers));
}

void AppendQueue::OnFailure(const std::shared_ptr<Batch>& batch,
                            const absl::Status& status) {
  Finish(batch, std::vector<absl::StatusOr<Seq>>(batch->sizes.size(), status));
}

// Answers leave the loop: callbacks may do anything.
void AppendQueue::Finish(const std::shared_ptr<Batch>& batch,
                         std::vector<absl::StatusOr<Seq>> answers) {
  {
    const std::scoped_lock lock(mutex_);
    --in_flight_;
  }
  loop_.Leave(
      [weak = weak_from_this(), batch, answers = std::move(answers)]() mutable {
        const auto self = weak.lock();
        if (!self) return;
        for (std::size_t i = 0; i < answers.size() && !self->closed_; ++i) {
          self->unanswered_bytes_.fetch_sub(batch->sizes[i],
                                            std::memory_order_relaxed);
          self->unanswered_events_.fetch_sub(1, std::memory_order_relaxed);
          if (batch->dones[i]) batch->dones[i](std::move(answers[i]));
        }
      });
  Flush();
}

// ---- ending

void AppendQueue::Fail(const absl::Status& why) {
  std::deque<std::shared_ptr<Batch>> waiting;
  {
    const std::scoped_lock lock(mutex_);
    failed_ = why;
    waiting = std::exchange(waiting_, {});
    in_flight_ += waiting.size();
  }
  for (const std::shared_ptr<Batch>& batch : waiting) OnFailure(batch, why);
}

void AppendQueue::Close() {
  closed_ = true;
  loop_.Enter([this] {
    sends_.reset();
    answered_ = nullptr;
    target_.reset();
  });
}

}  // namespace syncline
