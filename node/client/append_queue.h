#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/client/append_batch.h"

namespace syncline {

// Gathers events into messages to a node: while as many are on their way as
// may be, what is appended goes into the next.
//
// Append() may be called from any thread, all else on the executor. Callbacks
// come there, never from within a call of this.
class AppendQueue : public std::enable_shared_from_this<AppendQueue> {
 public:
  using Done = std::function<void(absl::StatusOr<Seq>)>;

  struct Options {
    std::size_t batch_events_max = 4096;
    std::size_t batch_bytes_max = 256u << 10;
    std::size_t batches_in_flight_max = 2;
  };

  // `send` is called until Close().
  AppendQueue(boost::asio::any_io_executor executor, AppendSend send,
              const Options& options)
      : executor_(std::move(executor)),
        options_(options),
        send_(std::move(send)) {}

  // See Client::Append.
  void Append(std::string_view project, std::string_view channel,
              std::string_view payload, Durability durability, Done done);

  // Of events that are not answered yet. Any thread.
  [[nodiscard]] std::size_t UnansweredBytes() const {
    return unanswered_bytes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t UnansweredEvents() const {
    return unanswered_events_.load(std::memory_order_relaxed);
  }

  // Sends what may be sent, as is done by itself a little later.
  void Flush();
  // Answers what was not sent, and all that comes, with `why`; its callbacks
  // come within. What is on its way is answered by who sends.
  void Fail(const absl::Status& why);
  // No callback comes any more.
  void Close() { closed_ = true; }

 private:
  struct Batch : AppendBatch {
    // The answer for `event`, which comes behind those asked for before.
    absl::StatusOr<Seq> Next(std::size_t event);
    // Empties it; large memory stays.
    void Reset();

    std::vector<Done> dones;  // For each event.
    std::size_t answered = 0;
    absl::StatusOr<AppendOutcome> outcome = absl::UnknownError("none yet");
    std::size_t run = 0;
    std::size_t in_run = 0;   // Events of it.
    std::size_t refused = 0;  // Of those refused.
    Seq seq;                  // Of the next that was not.
  };

  absl::Status Gather(std::string_view project, std::string_view channel,
                      std::string_view payload, Durability durability,
                      Done& done);
  [[nodiscard]] bool IsFull(const Batch& batch) const;
  // Both under `mutex_`.
  [[nodiscard]] bool MaySend() const;
  void Schedule();
  // A new batch, where there is one in the memory of an old one.
  std::shared_ptr<Batch> NewBatch(Durability durability);
  // The next batch, if it may be sent now.
  std::shared_ptr<Batch> Take();
  void Send(const std::shared_ptr<Batch>& batch);
  void Answer(const std::shared_ptr<Batch>& batch,
              absl::StatusOr<AppendOutcome> outcome);
  void AnswerRest(const std::shared_ptr<Batch>& batch);
  void CallDones(const std::shared_ptr<Batch>& batch);

  const boost::asio::any_io_executor executor_;
  const Options options_;
  const AppendSend send_;
  bool closed_ = false;

  std::atomic<std::size_t> unanswered_bytes_ = 0;
  std::atomic<std::size_t> unanswered_events_ = 0;

  std::mutex mutex_;
  std::deque<std::shared_ptr<Batch>> waiting_;  // Guarded by `mutex_`.
  std::vector<std::shared_ptr<Batch>> spare_;   // Guarded by `mutex_`.
  std::size_t in_flight_ = 0;                   // Guarded by `mutex_`.
  bool scheduled_ = false;                      // Guarded by `mutex_`.
  absl::Status failed_;                         // Guarded by `mutex_`.
};

}  // namespace syncline
