#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/status/statusor.h"
#include "replication/peer/alive.h"

namespace syncline {

// One attempt to connect: tries the addresses in turn. Loop-bound; destroying
// it cancels.
class PeerDialler {
 public:
  struct Connected {
    boost::asio::ip::tcp::socket socket;
    std::string address;
    std::vector<std::string> rest;  // Addresses that were not tried.
  };

  // `done` comes later, once; the last address's error if none answers.
  //   kInvalidArgument, kFailedPrecondition  see ParseLoopbackEndpoint
  //   kUnavailable                           nobody answers
  PeerDialler(boost::asio::any_io_executor loop,
              std::vector<std::string> addresses, std::int64_t timeout_ms,
              std::function<void(absl::StatusOr<Connected>)> done);

 private:
  void TryNext();
  void Failed(absl::Status why);

  boost::asio::any_io_executor loop_;
  std::vector<std::string> addresses_;
  std::int64_t timeout_ms_;
  std::function<void(absl::StatusOr<Connected>)> done_;
  std::size_t next_ = 0;
  absl::Status error_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Alive alive_;
};

}  // namespace syncline
