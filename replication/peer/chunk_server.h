#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/timer.h"
#include "replication/content_wants.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"
#include "replication/replica.h"

namespace syncline {

// Gives one peer the content it asks for, read on the worker; only ever used
// for projects that the peer is authorised for. Loop-bound.
class ChunkServer {
 public:
  static constexpr std::size_t kRequestsMax = 4;  // From one peer at once.
  static constexpr std::int64_t kHintMs = 100;    // Between two hints.

  struct Hooks {
    // Content has come that the peer was told is missing.
    std::function<void()> more_content;
    // The peer broke the limits: end the session. In a turn of its own.
    std::function<void(absl::Status)> broken;
  };

  ChunkServer(Replica& replica, boost::asio::any_io_executor loop,
              boost::asio::any_io_executor worker, std::unique_ptr<Timer> hint,
              Hooks hooks);
  ~ChunkServer();
  ChunkServer(const ChunkServer&) = delete;
  ChunkServer& operator=(const ChunkServer&) = delete;

  void OnAsk(const std::vector<Hash>& hashes,
             PeerCalls::Done<ChunksAnswer> done);

 private:
  void OnRead(const std::shared_ptr<ChunkResults>& results,
              const PeerCalls::Done<ChunksAnswer>& done);
  void HintLater();

  Replica& replica_;
  boost::asio::any_io_executor loop_;
  boost::asio::any_io_executor worker_;
  Hooks hooks_;
  std::unique_ptr<ContentWants::Watch> watch_;
  std::unique_ptr<Timer> hint_;
  bool hint_set_ = false;
  bool told_missing_ = false;
  std::size_t requests_ = 0;
  Alive alive_;
};

}  // namespace syncline
