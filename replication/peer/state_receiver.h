#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/replica.h"

namespace syncline {

// Takes in the pieces of one state, in the order they come: a push is answered
// when its piece is staged. Loop-bound.
class StateReceiver {
 public:
  // Called once at most, in a turn of their own: they may destroy this.
  struct Hooks {
    // The peer broke the protocol: the session must end.
    std::function<void(absl::Status)> broken;
    // This side cannot go on with the project. The receiver is done.
    std::function<void(Stop)> stopped;
    // All pieces are staged.
    std::function<void()> whole;
  };

  // Borrows `replica`, whose intake has been offered state `id`.
  StateReceiver(Replica& replica, boost::asio::any_io_executor loop,
                std::uint32_t stream, std::string id, Hooks hooks);
  ~StateReceiver();
  StateReceiver(const StateReceiver&) = delete;
  StateReceiver& operator=(const StateReceiver&) = delete;

  [[nodiscard]] std::uint32_t stream() const { return stream_; }
  void OnPush(const StatePush& piece, PeerCalls::Done<PushAnswer> done);
  // Answers all that comes with `stop`.
  void Refuse(Stop stop) { refusing_ = std::move(stop); }

 private:
  void OnStaged(std::size_t bytes, bool end, const absl::Status& status,
                const PeerCalls::Done<PushAnswer>& done);
  void Fail(const absl::Status& status);
  void Break(const std::string& why);
  void Later(std::function<void()> hook);

  Replica& replica_;
  boost::asio::any_io_executor loop_;
  std::uint32_t stream_;
  std::string id_;
  Hooks hooks_;
  std::optional<Stop> refusing_;
  std::size_t pending_bytes_ = 0;
  std::size_t window_ = kWindowBytesStart;
  Alive alive_;
};

}  // namespace syncline
