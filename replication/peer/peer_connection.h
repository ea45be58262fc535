#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/time_source.h"
#include "proto/kj_loop.h"
#include "replication/peer/handshake.h"
#include "replication/peer/peer_host.h"
#include "replication/peer/peer_session.h"

namespace syncline {

// One connected stream: the handshake, then the session. Owns all of it and
// ends it in the right order. Loop-bound to its KjLoop.
class PeerConnection {
 public:
  struct Options {
    std::int64_t handshake_ms = 10'000;
    PeerSession::Options session;
  };

  // Borrowed; must outlive the connection.
  struct Environment {
    PeerHost& host;
    KjLoop& loop;
    boost::asio::any_io_executor worker;  // For what blocks on the disk.
    RandomSource& random;
    const TimeSource& time;
    std::function<std::vector<std::string>()> addresses;
    std::function<void(const PeerRecord&)> remember;
  };

  struct Hooks {
    // The peer has proven who it is, and perhaps (`invited`) redeemed an
    // invitation: why there will be no session, if so. May close other
    // connections, not this one.
    std::function<std::optional<Refusal>(const PeerIdentity&, bool invited)>
        admit;
    // There is a session: start it, now or later. `invited` are the projects
    // that an invitation gave.
    std::function<void(const std::vector<ProjectInfo>& invited)> ready;
    // It is over, in a turn of its own, once: destroy the connection. OK after
    // Close().
    std::function<void(absl::Status)> closed;
  };

  struct Dial {
    DeviceId expected;
    std::string invitation_secret;  // Empty without an invitation.
  };

  // Takes `stream` over. With `dial` this is the side that connected. Begins
  // at once.
  PeerConnection(const Environment& environment, const Options& options,
                 kj::Own<kj::AsyncIoStream> stream, std::optional<Dial> dial,
                 Hooks hooks);
  ~PeerConnection();  // Not from a hook but `closed`.
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  // Says goodbye if there is a session, and closes.
  void Close(const std::string& reason);

  [[nodiscard]] bool dialled() const;
  // Null until the handshake is done, and after the end.
  [[nodiscard]] PeerSession* session();
  [[nodiscard]] const PeerSession* session() const;
  // The other side was refused, or refused us: no use in hurrying back.
  [[nodiscard]] bool refused() const;
  // It sent what no peer sends before it had proven anything.
  [[nodiscard]] bool garbage() const;
  [[nodiscard]] std::uint64_t sent_bytes() const;
  [[nodiscard]] std::uint64_t received_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
