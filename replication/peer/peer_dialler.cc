#include "replication/peer/peer_dialler.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "replication/peer/endpoint.h"

namespace syncline {

PeerDialler::PeerDialler(boost::asio::any_io_executor loop,
                         std::vector<std::string> addresses,
                         std::int64_t timeout_ms,
                         std::function<void(absl::StatusOr<Connected>)> done)
    : loop_(std::move(loop)),
      addresses_(std::move(addresses)),
      timeout_ms_(timeout_ms),
      done_(std::move(done)),
      error_(MakeStatus(absl::StatusCode::kUnavailable, "no address is known")),
      socket_(loop_),
      timer_(loop_) {
  boost::asio::post(loop_, alive_.Guard([this] { TryNext(); }));
}

void PeerDialler::TryNext() {
  if (next_ == addresses_.size()) {
    const auto done = done_;  // It may destroy this.
    return done(error_);
  }
  const std::string& address = addresses_[next_++];
  const auto endpoint = ParseLoopbackEndpoint(address);
  if (!endpoint.ok()) return Failed(endpoint.status());
  socket_ = boost::asio::ip::tcp::socket(loop_);
  timer_.expires_after(std::chrono::milliseconds(timeout_ms_));
  timer_.async_wait(
      alive_.Guard([this](const boost::system::error_code& error) {
        // The connect ends with an error then.
        boost::system::error_code ignored;
        if (!error) socket_.close(ignored);
      }));
  socket_.async_connect(
      *endpoint,
      alive_.Guard([this, address](const boost::system::error_code& error) {
        timer_.cancel();
        if (error)
          return Failed(MakeStatus(absl::StatusCode::kUnavailable,
                                   address + ": " + error.message()));
        const auto done = done_;  // It may destroy this.
        std::vector<std::string> rest(addresses_.begin() + next_,
                                      addresses_.end());
        done(Connected{std::move(socket_), address, std::move(rest)});
      }));
}

void PeerDialler::Failed(absl::Status why) {
  error_ = std::move(why);
  boost::asio::post(loop_, alive_.Guard([this] { TryNext(); }));
}

}  // namespace syncline
