#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "clock/version_vector.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/peer/segment_reader.h"
#include "replication/replica.h"

namespace syncline {

// Answers one pull: pushes what the peer lacks, then what is appended, for as
// long as it lives. Never more bytes are on the way than the window allows,
// but one entry always is. One segment is read in a turn of the loop; content
// is read on the worker. Loop-bound.
class SegmentSender {
 public:
  struct Hooks {
    std::function<void(Segment, PeerCalls::Done<PushAnswer>)> push;
    // Nothing more is sent. `by_peer`: it said so; otherwise it must be told.
    // Comes in a turn of its own: it may destroy the sender.
    std::function<void(Stop, bool by_peer)> ended;
  };

  // Borrows `replica` and `theirs`, what the peer is known to hold durably:
  // it is read, and raised by answers. The chunk store must outlive what is
  // posted to `worker`.
  SegmentSender(Replica& replica, boost::asio::any_io_executor loop,
                boost::asio::any_io_executor worker, const PullRequest& request,
                VersionVector& theirs, Hooks hooks);
  ~SegmentSender();
  SegmentSender(const SegmentSender&) = delete;
  SegmentSender& operator=(const SegmentSender&) = delete;

  // Begins in a later turn.
  void Start();

  [[nodiscard]] std::uint32_t stream() const { return request_.stream; }
  [[nodiscard]] std::size_t in_flight_bytes() const { return in_flight_; }

 private:
  void PumpLater();
  void Pump();
  void LoadContent(SegmentReader::Cut cut);
  void Send(Segment segment);
  void OnAnswer(std::size_t bytes, const std::vector<ChainHead>& chains,
                const absl::StatusOr<PushAnswer>& answer);
  void End(Stop stop, bool by_peer);

  Replica& replica_;
  boost::asio::any_io_executor loop_;
  boost::asio::any_io_executor worker_;
  PullRequest request_;
  VersionVector& theirs_;
  Hooks hooks_;
  SegmentReader reader_;
  std::unique_ptr<AppendLog::Waiter> waiter_;
  std::size_t window_;
  std::size_t in_flight_ = 0;
  bool pump_posted_ = false;
  bool loading_ = false;  // Content of the next segment is being read.
  bool ended_ = false;
  Alive alive_;
};

}  // namespace syncline
