#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/time_source.h"
#include "clock/version_vector.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/replica.h"

namespace syncline {

// Takes in the segments of one pull, in the order they come. The worker stores
// small content before its entries are taken in, and reads long segments. A
// push is answered
// when it is durable; once one fails, it and all behind it are answered with
// the reason, and nothing of them is applied. Of several that receive for one
// replica, one leads (replication/inflow.h). Loop-bound.
class SegmentReceiver {
 public:
  // Called once at most, in a turn of their own: they may destroy this.
  struct Hooks {
    // The peer broke the protocol: the session must end.
    std::function<void(absl::Status)> broken;
    // This side cannot go on with the project. The receiver is done.
    std::function<void(Stop)> stopped;
  };

  // Borrows `replica`, `time`, and `theirs`, what the peer is known to hold
  // durably, which segments raise.
  SegmentReceiver(Replica& replica, boost::asio::any_io_executor loop,
                  boost::asio::any_io_executor worker, std::uint32_t stream,
                  VersionVector& theirs, const TimeSource& time, Hooks hooks);
  ~SegmentReceiver();
  SegmentReceiver(const SegmentReceiver&) = delete;
  SegmentReceiver& operator=(const SegmentReceiver&) = delete;

  [[nodiscard]] std::uint32_t stream() const { return stream_; }
  void OnPush(Segment segment, PeerCalls::Done<PushAnswer> done);
  // Answers everything that waits, and all that comes, with `stop`.
  void Refuse(Stop stop);

 private:
  struct Item {
    Segment segment;
    std::size_t bytes = 0;
    PeerCalls::Done<PushAnswer> done;
    std::vector<Hash> hashes;  // Of segment.chunks, once stored.
    // Of segment.frames; nothing yet where they are not worth the worker's way.
    std::optional<absl::StatusOr<SegmentEntries>> entries;
    bool ready = false;  // Its content is stored, and it is read if it is long.
  };

  [[nodiscard]] static bool IsLong(const Segment& segment);
  void Prepare(std::shared_ptr<Item> item);
  void Take(const std::shared_ptr<Item>& item);
  void Drain();
  void OnIngested(const std::shared_ptr<Item>& item,
                  const absl::Status& status);
  // The rows that say what is still wanted.
  void NoteArrived(const std::vector<Hash>& hashes);
  PushDurable Answer(const Item& item);
  void Fail(const absl::Status& status);
  void StopWith(const Stop& stop);
  void Break(const std::string& why);

  Replica& replica_;
  boost::asio::any_io_executor loop_;
  boost::asio::any_io_executor worker_;
  std::uint32_t stream_;
  VersionVector& theirs_;
  const TimeSource& time_;
  Hooks hooks_;
  const std::uint64_t states_;  // That had come in when it was made.
  std::deque<std::shared_ptr<Item>> queue_;      // Not taken in yet.
  std::deque<std::shared_ptr<Item>> ingesting_;  // Not durable yet.
  std::optional<Stop> refusing_;
  std::size_t pending_bytes_ = 0;
  std::size_t window_ = kWindowBytesStart;
  std::size_t taken_since_growth_ = 0;
  Alive alive_;
};

}  // namespace syncline
