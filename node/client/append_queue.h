#pragma once

#include <kj/async.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/append_log.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"

namespace syncline {

// Gathers events into messages to a node: while as many are on their way as
// may be, what is appended goes into the next.
//
// Append() may be called from any thread, all else on the loop's executor.
// Callbacks come there, as handlers of their own outside the loop.
class AppendQueue : public std::enable_shared_from_this<AppendQueue> {
 public:
  using Done = std::function<void(absl::StatusOr<Seq>)>;

  struct Options {
    std::size_t batch_events_max = 4096;
    std::size_t batch_bytes_max = 256u << 10;
    std::size_t batches_in_flight_max = 2;
  };

  // Inside the loop, which must outlive Close().
  AppendQueue(KjLoop& loop, control::EventControl::Client target,
              const Options& options);

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

  // Answers what was not sent, and all that comes, with `why`. What is on its
  // way fails by itself.
  void Fail(const absl::Status& why);
  // No callback comes any more.
  void Close();

 private:
  // Events of one channel of one project that follow one another.
  struct Run {
    std::string project;
    std::string channel;
    std::size_t events = 0;
  };
  // What goes in one message.
  struct Batch {
    Durability durability = Durability::kDurable;
    std::vector<Run> runs;
    std::vector<std::uint32_t> sizes;  // Of each event's payload.
    std::vector<Done> dones;           // For each event.
    std::string payloads;              // End to end.
  };
  using Response = capnp::Response<control::EventControl::AppendEventsResults>;

  absl::Status Gather(std::string_view project, std::string_view channel,
                      std::string_view payload, Durability durability,
                      Done& done);
  [[nodiscard]] bool IsFull(const Batch& batch) const;
  // Both under `mutex_`.
  [[nodiscard]] bool MaySend() const;
  void Schedule();
  void Flush();
  // The next batch, if it may be sent now.
  std::shared_ptr<Batch> Take();
  void Send(std::shared_ptr<Batch> batch);
  void OnResponse(const std::shared_ptr<Batch>& batch,
                  const Response& response);
  void OnFailure(const std::shared_ptr<Batch>& batch,
                 const absl::Status& status);
  void Finish(const std::shared_ptr<Batch>& batch,
              std::vector<absl::StatusOr<Seq>> answers);

  KjLoop& loop_;
  const boost::asio::any_io_executor executor_;
  const Options options_;
  std::optional<control::EventControl::Client> target_;  // None: closed.
  std::unique_ptr<kj::TaskSet::ErrorHandler> errors_;
  std::unique_ptr<kj::TaskSet> sends_;
  // The last one. To drop an answer is a message, which would wake the node
  // for nothing: it waits for the next request.
  kj::Maybe<Response> answered_;
  bool closed_ = false;

  std::atomic<std::size_t> unanswered_bytes_ = 0;
  std::atomic<std::size_t> unanswered_events_ = 0;

  std::mutex mutex_;
  std::deque<std::shared_ptr<Batch>> waiting_;  // Guarded by `mutex_`.
  std::size_t in_flight_ = 0;                   // Guarded by `mutex_`.
  bool scheduled_ = false;                      // Guarded by `mutex_`.
  absl::Status failed_;                         // Guarded by `mutex_`.
};

}  // namespace syncline
