#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/timer.h"
#include "replication/content_wants.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/replica.h"

namespace syncline {

// Asks one peer for the content that a project wants, small pieces first, and
// stores it on the worker: verified, then durable, then arrived. What several
// peers have is asked of one at a time. Loop-bound.
class ChunkFetcher {
 public:
  static constexpr std::size_t kRequestsMax = 2;  // On the way at once.
  static constexpr std::size_t kAskedMax = 128;   // Pieces per request.
  // Pieces that the peer lacks, after which it is left alone for a while.
  static constexpr std::size_t kMissingMax = 4096;
  static constexpr std::int64_t kRetryMs = 1'000;

  struct Hooks {
    std::function<void(std::vector<Hash>, PeerCalls::Done<ChunksAnswer>)> ask;
    // The peer sent other bytes than it was asked for: end the session. Comes
    // in a turn of its own.
    std::function<void(absl::Status)> broken;
    // Content cannot be stored here. In a turn of its own, once.
    std::function<void(Stop)> stopped;
  };

  ChunkFetcher(Replica& replica, boost::asio::any_io_executor loop,
               boost::asio::any_io_executor worker,
               std::unique_ptr<Timer> retry, Hooks hooks);
  ~ChunkFetcher();  // Gives back what was taken and has not come.
  ChunkFetcher(const ChunkFetcher&) = delete;
  ChunkFetcher& operator=(const ChunkFetcher&) = delete;

  void Start();
  // The peer has got content that it lacked.
  void OnMoreContent();

 private:
  struct Arrival {
    std::vector<Hash> hashes;  // Asked for and sent.
    std::vector<std::string> bytes;
  };

  void PumpLater();
  void Pump();
  std::vector<Hash> TakeSome();
  void OnAnswer(const std::vector<Hash>& asked,
                absl::StatusOr<ChunksAnswer> answer);
  void Store(std::shared_ptr<Arrival> arrival);
  void OnStored(const Arrival& arrival, const absl::Status& status);
  void Release(const Hash& hash);
  void End(std::function<void()> hook);
  void ScheduleRetry();

  Replica& replica_;
  boost::asio::any_io_executor loop_;
  boost::asio::any_io_executor worker_;
  Hooks hooks_;
  std::unique_ptr<ContentWants::Watch> watch_;
  std::unique_ptr<Timer> retry_;
  bool retry_set_ = false;
  bool failed_ = false;     // The last request; until the retry.
  std::set<Hash> taken_;    // Asked for, or being stored.
  std::set<Hash> missing_;  // The peer does not have them.
  std::size_t requests_ = 0;
  bool pump_posted_ = false;
  bool ended_ = false;
  Alive alive_;
};

}  // namespace syncline
