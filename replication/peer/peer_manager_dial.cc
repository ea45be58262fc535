#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "replication/peer/endpoint.h"
#include "replication/peer/peer_manager_impl.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;

constexpr std::int64_t kAcceptRetryMs = 500;

}  // namespace

// ---- listening

absl::StatusOr<std::string> PeerManager::Impl::Listen(
    std::string_view endpoint) {
  SYNCLINE_ASSIGN_OR_RETURN(const tcp::endpoint local,
                            ParseLoopbackEndpoint(endpoint));
  auto listener = std::make_unique<Listener>(executor);
  boost::system::error_code error;
  tcp::acceptor& acceptor = listener->acceptor;
  acceptor.open(local.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(local, error);
  if (!error)
    acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error)
    return MakeStatus(absl::StatusCode::kUnavailable,
                      "cannot listen at " + std::string(endpoint) + ": " +
                          error.message() +
                          " (choose another address or port)");
  listener->endpoint = EndpointText(acceptor.local_endpoint());
  listeners.push_back(std::move(listener));
  Accept(*listeners.back());
  for (const auto& [number, connection] : connections)
    if (PeerSession* session = connection.connection->session())
      session->ProjectsChanged();  // Tells the new address.
  return listeners.back()->endpoint;
}

void PeerManager::Impl::Accept(Listener& listener) {
  listener.acceptor.async_accept(
      alive.Guard([this, &listener](const boost::system::error_code& error,
                                    tcp::socket socket) {
        if (closing || error == boost::asio::error::operation_aborted) return;
        if (!error) {
          OnAccepted(std::move(socket));
          return Accept(listener);
        }
        // Out of descriptors, most likely: it passes.
        listener.retry.expires_after(std::chrono::milliseconds(kAcceptRetryMs));
        listener.retry.async_wait(alive.Guard(
            [this, &listener](const boost::system::error_code& cancelled) {
              if (!cancelled) Accept(listener);
            }));
      }));
}

void PeerManager::Impl::OnAccepted(tcp::socket socket) {
  ++counters.accepted;
  if (HalfOpen() >= options.half_open_max) {
    ++counters.turned_away;
    return;
  }
  Connection connection;
  boost::system::error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;  // Gone again.
  connection.address = EndpointText(remote);
  Connect(std::move(socket), std::move(connection), std::nullopt).IgnoreError();
}

// ---- dialling

void PeerManager::Impl::Dial(Peer& peer, std::vector<std::string> addresses) {
  if (closing || addresses.empty() || peer.connected || peer.greeting ||
      peer.dialler)
    return;
  peer.retry.cancel();
  peer.retry_at_ms.reset();
  peer.dialler = std::make_unique<PeerDialler>(
      executor, std::move(addresses), options.connection.handshake_ms,
      [this, &peer](absl::StatusOr<PeerDialler::Connected> connected) {
        const std::unique_ptr<PeerDialler> dialler = std::move(peer.dialler);
        if (!connected.ok()) {
          peer.last_error = connected.status();
          peer.refused = !absl::IsUnavailable(connected.status());
          return DialLater(peer);
        }
        Connection connection;
        connection.address = connected->address;
        connection.peer = peer.record.id;
        connection.rest = std::move(connected->rest);
        peer.greeting = next_connection;
        const absl::Status status =
            Connect(std::move(connected->socket), std::move(connection),
                    PeerConnection::Dial{peer.record.id, ""});
        if (status.ok()) return;
        peer.greeting.reset();
        peer.last_error = status;
        DialLater(peer);
      });
}

void PeerManager::Impl::DialLater(Peer& peer) {
  if (closing || peer.record.addresses.empty() || peer.connected ||
      peer.greeting || peer.dialler || peer.retry_at_ms)
    return;
  const std::int64_t wait_ms = peer.backoff.NextMs(env.random);
  peer.retry_at_ms = env.time.NowMs() + wait_ms;
  peer.retry.expires_after(std::chrono::milliseconds(wait_ms));
  peer.retry.async_wait(alive.Guard(
      [this, id = peer.record.id](const boost::system::error_code& error) {
        const auto at = peers.find(id);
        if (!error && at != peers.end())
          Dial(*at->second, at->second->record.addresses);
      }));
}

void PeerManager::Impl::TryToJoin(std::shared_ptr<Joining> joining) {
  std::vector<std::string> addresses = std::exchange(joining->addresses, {});
  Joining& current = *joining;
  current.dialler = std::make_unique<PeerDialler>(
      executor, std::move(addresses), options.connection.handshake_ms,
      [this, joining](absl::StatusOr<PeerDialler::Connected> connected) {
        const std::unique_ptr<PeerDialler> dialler =
            std::move(joining->dialler);
        if (!connected.ok()) return EndJoining(joining, connected.status());
        joining->addresses = std::move(connected->rest);
        Connection connection;
        connection.address = connected->address;
        connection.joining = joining;
        const absl::Status status =
            Connect(std::move(connected->socket), std::move(connection),
                    PeerConnection::Dial{joining->invitation.device,
                                         joining->invitation.secret});
        if (!status.ok()) EndJoining(joining, status);
      });
}

void PeerManager::Impl::EndJoining(const std::shared_ptr<Joining>& joining,
                                   absl::StatusOr<Joined> result) {
  if (joinings.erase(joining) == 0) return;
  joining->done(std::move(result));
}

}  // namespace syncline
