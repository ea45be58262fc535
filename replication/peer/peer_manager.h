#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "proto/kj_loop.h"
#include "replication/peer/backoff.h"
#include "replication/peer/invitation.h"
#include "replication/peer/peer_connection.h"
#include "replication/peer/peer_host.h"

namespace syncline {

// A peer as `syncline status` shows it.
struct PeerStatus {
  enum class State : std::uint8_t {
    kConnected,
    kConnecting,
    kOffline,
    kRefused,  // It does not want us, or we do not want it: see last_error.
  };
  DeviceId id;
  std::string name;
  // The one that was dialled, or the first one known; empty if none is.
  std::string address;
  State state = State::kOffline;
  std::vector<ProjectLink::Status> projects;  // While connected.
  absl::Status last_error;  // Of the connection, or else of a project.
  std::optional<std::int64_t> retry_at_ms;  // Wall clock.
  std::optional<std::int64_t> rtt_ms;
  std::uint64_t sent_bytes = 0;  // Since the start of this process.
  std::uint64_t received_bytes = 0;
};
// "connected", "connecting", "offline", "refused".
std::string_view PeerStateName(PeerStatus::State state);

// Keeps this node connected to the devices it knows: listens, dials them
// (again and again, backing off), and runs one session with each. Sessions do
// the rest by themselves.
//
// Loop-bound to the KjLoop. Callbacks may come from inside that loop, so they
// must not enter another one, nor destroy the manager.
class PeerManager {
 public:
  struct Options {
    PeerConnection::Options connection;
    Backoff::Options backoff;
    std::size_t half_open_max = 64;
    // How long one of two copies of a device keeps its connection before the
    // other gets its turn.
    std::int64_t copy_turn_ms = 10'000;
  };

  // Borrowed; must outlive the manager. `worker` runs what blocks on the disk
  // (chunk stores): it may have several threads, and must be drained after the
  // manager is gone and before the chunk stores and the io_context go.
  struct Environment {
    PeerHost& host;
    KjLoop& loop;
    boost::asio::any_io_executor worker;
    RandomSource& random;
    const TimeSource& time;
  };

  struct Joined {
    PeerRecord inviter;
    std::vector<ProjectInfo> projects;
  };

  // What strangers did to the listening side, since the start.
  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t turned_away = 0;  // Too many were half-open.
    std::uint64_t garbage = 0;      // Not our protocol, or over a limit.
    std::uint64_t refused = 0;      // Handshakes that ended in a refusal.
  };

  PeerManager(const Environment& environment, const Options& options);
  // Ends all sessions without a word; see Close(). Not from a callback.
  ~PeerManager();
  PeerManager(const PeerManager&) = delete;
  PeerManager& operator=(const PeerManager&) = delete;

  // Accepts connections at "HOST:PORT" (port 0: a free one); the endpoint.
  //   kInvalidArgument     not an endpoint
  //   kFailedPrecondition  not a loopback address
  //   kUnavailable         cannot listen there
  absl::StatusOr<std::string> Listen(std::string_view endpoint);

  // Makes a device known, or changes what is known of it; dials it if it has
  // addresses. The host must know it too (ProjectsFor).
  void AddPeer(const PeerRecord& peer);
  // Ends its session and forgets it.
  void RemovePeer(const DeviceId& id);

  // What the host names or authorises has changed. Sessions take up new
  // projects, and have let go of those that are no longer named when this
  // returns.
  void ProjectsChanged();
  // Ends all sessions, with `reason` for the peers, and begins them anew: the
  // host is somebody else now.
  void StartOver(const std::string& reason);
  // Dials all unconnected peers at once, and lets sessions try again what they
  // have given up for a while.
  void RetryNow();

  // Redeems an invitation: dials its addresses in turn, proves the secret, and
  // has the host accept the projects. `done` once, with
  //   kNotFound            the inviter does not know the invitation
  //   kFailedPrecondition  used already, an address not on this machine, or
  //                        this device's own invitation
  //   kDeadlineExceeded    expired
  //   kUnauthenticated     another device answers there
  //   kUnimplemented       the inviter speaks no version of the protocol that
  //                        this build does
  //   kUnavailable         nobody answers, or not in time
  //   other                from the host
  void Join(const Invitation& invitation,
            std::function<void(absl::StatusOr<Joined>)> done);

  // By id.
  [[nodiscard]] std::vector<PeerStatus> Status() const;
  [[nodiscard]] const Counters& counters() const;

  // Stops listening and dialling, says goodbye to all; `done` when every
  // connection is gone. Nothing else is to be called afterwards.
  void Close(std::function<void()> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
