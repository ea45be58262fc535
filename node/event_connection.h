#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio/local/stream_protocol.hpp>

#include "absl/status/statusor.h"
#include "node/client/append_batch.h"
#include "node/feed_push.h"
#include "node/node_core.h"
#include "proto/message_socket.h"
#include "proto/plain_rpc.h"

namespace syncline {

// A client that appends events and follows logs: EventControl of
// proto/control.capnp over one connection of the control socket.
//
// Bound to the node's loop; borrows `core`.
class EventConnection final : private PlainRpc::Handler {
 public:
  // Whether that is what the first message of a connection asks for.
  static bool IsWanted(MessageSocket::Words first_message);

  // `feeds`: how many there are in this node. `on_lost` is called once when
  // the client is gone or broke the protocol, and must not destroy this.
  static absl::StatusOr<std::unique_ptr<EventConnection>> Start(
      NodeCore& core, boost::asio::local::stream_protocol::socket socket,
      std::shared_ptr<std::size_t> feeds, std::function<void()> on_lost);
  ~EventConnection() override = default;
  EventConnection(const EventConnection&) = delete;
  EventConnection& operator=(const EventConnection&) = delete;

 private:
  EventConnection(NodeCore& core, std::shared_ptr<std::size_t> feeds,
                  std::function<void()> on_lost);

  void Read();
  void ReadLater();
  // More of this client is not read until it has read more.
  [[nodiscard]] bool IsFull() const;
  void Lose();

  void OnBootstrap(PlainRpc::Id question,
                   capnp::AnyPointer::Reader object) override;
  void OnCall(const capnp::rpc::Call::Reader& call) override;
  void OnReturn(const capnp::rpc::Return::Reader& answer) override;
  void OnFinish(PlainRpc::Id question) override;

  void Append(const capnp::rpc::Call::Reader& call);
  void AnswerAppend(PlainRpc::Id question,
                    const absl::StatusOr<AppendOutcome>& outcome);
  void Feed(const capnp::rpc::Call::Reader& call);
  void PushSoon(PlainRpc::Id feed);
  void PushReady();
  // Answers the call of a feed that ended.
  void EndFeed(PlainRpc::Id feed);

  NodeCore& core_;
  const std::shared_ptr<std::size_t> feeds_count_;
  const std::function<void()> on_lost_;
  // What comes later finds this expired.
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::unique_ptr<MessageSocket> socket_;
  std::unique_ptr<PlainRpc> rpc_;
  IdTable<FeedQuestion> questions_;  // Of ours.
  // By the question that opened it.
  std::map<PlainRpc::Id, std::unique_ptr<FeedPush>> feeds_;
  std::vector<PlainRpc::Id> ready_;   // Feeds that have something to push.
  std::size_t unanswered_ = 0;        // Appends, ...
  std::size_t unanswered_bytes_ = 0;  // ... and their messages.
  bool reading_ = false;
  bool full_ = false;
  bool lost_ = false;
};

}  // namespace syncline
