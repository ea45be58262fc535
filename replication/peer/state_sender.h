#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/statusor.h"
#include "base/timer.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/state_pins.h"

namespace syncline {

// Answers one pull with a pinned state: pushes its pieces, from behind a key
// on, never more bytes on the way than the window allows but one piece always.
// Pieces are read on the worker. A peer that answers nothing for kStalledMs is
// given up, so that it does not hold the pin. Loop-bound.
class StateSender {
 public:
  static constexpr std::int64_t kStalledMs = 600'000;

  struct Hooks {
    std::function<void(StatePush, PeerCalls::Done<PushAnswer>)> push;
    // Nothing more is sent. `by_peer`: it said so; otherwise it must be told.
    // Comes in a turn of its own: it may destroy the sender. Not called when
    // all went well.
    std::function<void(Stop, bool by_peer)> ended;
  };

  StateSender(std::shared_ptr<const PinnedState> pin,
              boost::asio::any_io_executor loop,
              boost::asio::any_io_executor worker, std::unique_ptr<Timer> timer,
              const PullRequest& request, std::string from, Hooks hooks);
  ~StateSender();
  StateSender(const StateSender&) = delete;
  StateSender& operator=(const StateSender&) = delete;

  // Begins in a later turn.
  void Start();

  [[nodiscard]] std::uint32_t stream() const { return request_.stream; }

 private:
  void Pump();
  void OnRead(absl::StatusOr<StatePiece> piece);
  void Send();
  void OnAnswer(std::size_t bytes, const absl::StatusOr<PushAnswer>& answer);
  void Watch();
  void End(Stop stop, bool by_peer);

  std::shared_ptr<const PinnedState> pin_;
  boost::asio::any_io_executor loop_;
  boost::asio::any_io_executor worker_;
  std::unique_ptr<Timer> timer_;
  PullRequest request_;
  std::string at_;                  // Pieces up to this key were read.
  std::optional<StatePiece> next_;  // Read, and not sent.
  Hooks hooks_;
  std::size_t window_;
  std::size_t in_flight_ = 0;
  bool reading_ = false;
  bool all_read_ = false;
  bool ended_ = false;
  Alive alive_;
};

}  // namespace syncline
