#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/client/append_batch.h"
#include "node/feed.h"
#include "proto/message_socket.h"
#include "proto/plain_rpc.h"

namespace syncline {

class RemoteFeed;

// A connection to a node's EventControl (proto/control.capnp).
//
// Bound to its executor. Callbacks come there, as handlers of their own, and
// may call anything.
class EventLink final : public std::enable_shared_from_this<EventLink>,
                        private PlainRpc::Handler {
 public:
  // `on_lost` is called once when the connection is lost, after all that
  // waits has failed; not after Close(). `silence_ms_max`: see Client::Options.
  //   kNotFound     nobody serves there
  //   kUnavailable  who serves there accepts nobody
  static absl::StatusOr<std::shared_ptr<EventLink>> Connect(
      const boost::asio::any_io_executor& executor,
      const std::filesystem::path& home, std::int64_t silence_ms_max,
      std::function<void()> on_lost);

  // See AppendSend.
  void Append(const std::shared_ptr<const AppendBatch>& batch,
              AppendAnswered done);

  // The feed is told of what comes, until it ends; gives what it is known by.
  PlainRpc::Id OpenFeed(std::shared_ptr<RemoteFeed> feed,
                        const std::vector<FeedSource>& sources,
                        Visibility visibility);
  // That it wants no more.
  void CloseFeed(PlainRpc::Id feed);
  void AnswerPush(PlainRpc::Id push);

  // OK while the connection is there; kUnavailable and why, once it is lost.
  [[nodiscard]] const absl::Status& lost() const { return lost_; }
  // No callback comes any more.
  void Close();

 private:
  struct Question {
    AppendAnswered answered;           // An append, ...
    std::shared_ptr<RemoteFeed> feed;  // ... or a feed ...
    PlainRpc::Id sink = 0;             // ... and its export.
    bool closed = false;               // Finished before it was answered.
    bool sign = false;                 // For a sign of life, nothing else.
  };
  using Answer = std::pair<AppendAnswered, absl::StatusOr<AppendOutcome>>;

  EventLink(boost::asio::any_io_executor executor, std::int64_t silence_ms_max,
            std::function<void()> on_lost)
      : executor_(std::move(executor)),
        on_lost_(std::move(on_lost)),
        tick_(executor_),
        silence_ms_max_(silence_ms_max) {}

  void OnReadable();
  void OnRead(bool all_read);
  void FlushSoon();
  void WaitForTick();
  void OnTick();
  void Lose(absl::Status why);
  [[nodiscard]] bool gone() const { return closed_ || !lost_.ok(); }

  void OnBootstrap(PlainRpc::Id question,
                   capnp::AnyPointer::Reader object) override;
  void OnCall(const capnp::rpc::Call::Reader& call) override;
  void OnReturn(const capnp::rpc::Return::Reader& answer) override;
  void OnFinish(PlainRpc::Id) override {}
  void OnFeedReturn(const Question& feed,
                    const capnp::rpc::Return::Reader& answer);

  const boost::asio::any_io_executor executor_;
  std::function<void()> on_lost_;
  std::unique_ptr<MessageSocket> socket_;
  std::optional<PlainRpc> rpc_;
  IdTable<Question> questions_;
  IdTable<std::shared_ptr<RemoteFeed>> exports_;
  std::optional<Answer> answer_;     // Of the message that is read.
  std::vector<FeedRecords> pieces_;  // Kept for its memory.
  // Whether the node lives; ticks are half of `silence_ms_max_` apart.
  boost::asio::steady_timer tick_;
  const std::int64_t silence_ms_max_;
  int silent_ticks_ = 0;
  bool heard_ = false;  // Since the last tick.
  bool asked_ = false;  // For a sign of life.

  bool reading_ = false;
  bool closed_ = false;
  absl::Status lost_;
};

}  // namespace syncline
