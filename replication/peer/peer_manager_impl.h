#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "replication/peer/alive.h"
#include "replication/peer/backoff.h"
#include "replication/peer/peer_dialler.h"
#include "replication/peer/peer_manager.h"

// The inside of PeerManager, for its own source files: peer_manager.cc (the
// interface and status), peer_manager_dial.cc (listening, dialling, joining)
// and peer_manager_connections.cc (what becomes of a connection).

namespace syncline {

struct PeerManager::Impl {
  using tcp = boost::asio::ip::tcp;
  using ConnectionNumber = std::uint64_t;

  struct Peer {
    Peer(const boost::asio::any_io_executor& executor, Backoff::Options options)
        : backoff(options), retry(executor) {}
    PeerRecord record;
    Backoff backoff;
    boost::asio::steady_timer retry;
    std::optional<std::int64_t> retry_at_ms;
    std::unique_ptr<PeerDialler> dialler;       // Connecting.
    std::optional<ConnectionNumber> greeting;   // Dialled, not yet proven.
    std::optional<ConnectionNumber> connected;  // Proven.
    absl::Status last_error;
    bool refused = false;
    // Running instances that it was met as: origin and nonce of the last one,
    // and of those before it. A device that is started again never comes back
    // as an earlier one; if it does, both run.
    using Instance = std::pair<Origin, std::string>;
    std::optional<Instance> instance;
    std::set<Instance> former;
    bool copied = false;
    std::int64_t connected_at_ms = 0;  // Steady clock.
    std::uint64_t sent_bytes = 0;      // By connections that are gone.
    std::uint64_t received_bytes = 0;
  };

  struct Joining {
    Invitation invitation;
    std::function<void(absl::StatusOr<Joined>)> done;
    std::unique_ptr<PeerDialler> dialler;
    std::vector<std::string> addresses;  // Not tried yet.
  };

  struct Connection {
    std::unique_ptr<PeerConnection> connection;
    std::string address;
    std::optional<DeviceId> peer;      // Whom we dialled, or who has proven.
    std::vector<std::string> rest;     // Further addresses of a dialled peer.
    std::shared_ptr<Joining> joining;  // Until the invitation is redeemed.
    bool half_open = true;
    bool replaced = false;  // By a better one to the same peer.
    bool copied = false;    // Its peer runs twice, and is to be told.
  };

  struct Listener {
    explicit Listener(const boost::asio::any_io_executor& executor)
        : acceptor(executor), retry(executor) {}
    tcp::acceptor acceptor;
    boost::asio::steady_timer retry;
    std::string endpoint;
  };

  Impl(const Environment& environment, const Options& opts)
      : env(environment), options(opts), executor(env.loop.executor()) {}

  // Listening.
  absl::StatusOr<std::string> Listen(std::string_view endpoint);
  void Accept(Listener& listener);
  void OnAccepted(tcp::socket socket);

  // Dialling.
  void Dial(Peer& peer, std::vector<std::string> addresses);
  void DialLater(Peer& peer);
  void TryToJoin(std::shared_ptr<Joining> joining);
  void EndJoining(const std::shared_ptr<Joining>& joining,
                  absl::StatusOr<Joined> result);

  // Connections.
  absl::Status Connect(tcp::socket socket, Connection connection,
                       std::optional<PeerConnection::Dial> dial);
  std::optional<Refusal> Admit(ConnectionNumber number,
                               const PeerIdentity& peer, bool invited);
  // Whether `met` shows that two of it run. Remembers it.
  bool MeetsCopy(Peer& peer, const Peer::Instance& met);
  void OnReady(ConnectionNumber number,
               const std::vector<ProjectInfo>& invited);
  void AcceptInvited(ConnectionNumber number, const PeerRecord& record,
                     const std::vector<ProjectInfo>& invited);
  void OnClosed(ConnectionNumber number, const absl::Status& why);
  void OnPeerClosed(Peer& peer, const Connection& gone, ConnectionNumber number,
                    const absl::Status& why);
  void Remember(const PeerRecord& record);

  Peer& PeerOf(const DeviceId& id);
  Connection* Find(std::optional<ConnectionNumber> number);
  const Connection* Find(std::optional<ConnectionNumber> number) const;
  std::size_t HalfOpen() const;
  PeerStatus StatusOf(const Peer& peer) const;
  void DoneIfClosed();

  Environment env;
  Options options;
  boost::asio::any_io_executor executor;
  Counters counters;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::map<DeviceId, std::unique_ptr<Peer>> peers;
  std::set<std::shared_ptr<Joining>> joinings;
  std::map<ConnectionNumber, Connection> connections;
  ConnectionNumber next_connection = 0;
  bool closing = false;
  std::function<void()> closed;
  Alive alive;
};

}  // namespace syncline
