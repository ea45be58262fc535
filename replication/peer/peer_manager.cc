#include "replication/peer/peer_manager.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "base/status.h"
#include "proto/asio_stream.h"
#include "replication/peer/alive.h"
#include "replication/peer/endpoint.h"
#include "replication/peer/peer_dialler.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;

constexpr std::int64_t kAcceptRetryMs = 500;

// Of two connections between the same devices, the one that the smaller id
// dialled stays: both sides come to the same answer.
bool DialledBySmaller(bool dialled, const DeviceId& self,
                      const DeviceId& peer) {
  return dialled == (self < peer);
}

}  // namespace

std::string_view PeerStateName(PeerStatus::State state) {
  switch (state) {
    case PeerStatus::State::kConnected:
      return "connected";
    case PeerStatus::State::kConnecting:
      return "connecting";
    case PeerStatus::State::kOffline:
      return "offline";
    case PeerStatus::State::kRefused:
      break;
  }
  return "refused";
}

struct PeerManager::Impl {
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
    std::uint64_t sent_bytes = 0;  // By connections that are gone.
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
    return MakeStatus(
        absl::StatusCode::kUnavailable,
        "cannot listen at " + std::string(endpoint) + ": " + error.message());
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

// ---- connections

absl::Status PeerManager::Impl::Connect(
    tcp::socket socket, Connection connection,
    std::optional<PeerConnection::Dial> dial) {
  kj::Own<kj::AsyncIoStream> stream;
  absl::Status status;
  env.loop.Enter([&] {
    auto opened = NewAsioStream(env.loop, std::move(socket));
    if (opened.ok())
      stream = *std::move(opened);
    else
      status = opened.status();
  });
  SYNCLINE_RETURN_IF_ERROR(status);
  const ConnectionNumber number = next_connection++;
  PeerConnection::Environment environment{
      env.host,
      env.loop,
      env.worker,
      env.random,
      env.time,
      [this] {
        std::vector<std::string> addresses;
        for (const auto& listener : listeners)
          addresses.push_back(listener->endpoint);
        return addresses;
      },
      alive.Guard([this](const PeerRecord& record) { Remember(record); })};
  PeerConnection::Hooks hooks;
  hooks.admit = [this, number](const PeerIdentity& peer, bool invited) {
    return Admit(number, peer, invited);
  };
  hooks.ready = [this, number](const std::vector<ProjectInfo>& invited) {
    OnReady(number, invited);
  };
  hooks.closed = [this, number](const absl::Status& why) {
    OnClosed(number, why);
  };
  connection.connection = std::make_unique<PeerConnection>(
      environment, options.connection, kj::mv(stream), std::move(dial),
      std::move(hooks));
  connections.emplace(number, std::move(connection));
  return absl::OkStatus();
}

std::optional<Refusal> PeerManager::Impl::Admit(ConnectionNumber number,
                                                const PeerIdentity& peer,
                                                bool invited) {
  if (closing) return Refusal{Refusal::Reason::kBusy, "the node is stopping"};
  Peer& known = PeerOf(peer.id);
  Connection& incoming = connections.at(number);
  if (Connection* existing = Find(known.connected)) {
    const PeerSession* session = existing->connection->session();
    // A restarted peer, or one that came back before the loss of its old
    // connection was noticed, replaces that.
    const bool same_instance =
        session != nullptr &&
        session->peer().hello.instance_nonce == peer.hello.instance_nonce;
    const bool dialled = incoming.connection->dialled();
    if (!invited && same_instance &&
        existing->connection->dialled() != dialled &&
        !DialledBySmaller(dialled, env.host.self().identity.id(), peer.id))
      return Refusal{Refusal::Reason::kDuplicate, ""};
    existing->replaced = true;
    existing->connection->Close("replaced by another connection");
  }
  known.connected = number;
  known.record.device_key = peer.hello.device_key;
  known.record.name = peer.hello.device_name;
  if (known.greeting == number) known.greeting.reset();
  incoming.peer = peer.id;
  return std::nullopt;
}

void PeerManager::Impl::OnReady(ConnectionNumber number,
                                const std::vector<ProjectInfo>& invited) {
  Connection& connection = connections.at(number);
  connection.half_open = false;
  Peer& peer = PeerOf(*connection.peer);
  peer.dialler.reset();
  peer.retry.cancel();
  peer.retry_at_ms.reset();
  peer.last_error = absl::OkStatus();
  peer.refused = false;
  if (connection.joining) {
    PeerRecord record = peer.record;
    record.addresses = connection.joining->invitation.addresses;
    return AcceptInvited(number, record, invited);
  }
  connection.connection->session()->Start();
}

void PeerManager::Impl::AcceptInvited(ConnectionNumber number,
                                      const PeerRecord& record,
                                      const std::vector<ProjectInfo>& invited) {
  const std::shared_ptr<Joining> joining = connections.at(number).joining;
  std::vector<ProjectInfo> projects;  // What the code said, and no more.
  for (const ProjectInfo& project : invited)
    for (const ProjectInfo& promised : joining->invitation.projects)
      if (promised.id == project.id) projects.push_back(project);
  PeerOf(record.id).record = record;
  env.host.AcceptProjects(
      record, projects,
      alive.Guard([this, number, joining, record,
                   projects](const absl::Status& status) {
        if (Connection* connection = Find(number)) {
          connection->joining.reset();
          if (!status.ok())
            connection->connection->Close("cannot take the projects");
          else if (PeerSession* session = connection->connection->session())
            session->Start();
        }
        if (!status.ok()) return EndJoining(joining, status);
        EndJoining(joining, Joined{record, projects});
      }));
}

void PeerManager::Impl::OnClosed(ConnectionNumber number,
                                 const absl::Status& why) {
  const auto at = connections.find(number);
  if (at == connections.end()) return;
  const Connection gone = std::move(at->second);
  connections.erase(at);
  const PeerConnection& connection = *gone.connection;
  if (!connection.dialled() && gone.half_open) {
    if (connection.garbage())
      ++counters.garbage;
    else if (connection.refused())
      ++counters.refused;
  }
  const auto peer = gone.peer ? peers.find(*gone.peer) : peers.end();
  if (peer != peers.end()) OnPeerClosed(*peer->second, gone, number, why);
  if (gone.joining) {
    const bool unreachable = absl::IsUnavailable(why) && !connection.refused();
    if (unreachable && !gone.joining->addresses.empty() && !closing)
      TryToJoin(gone.joining);
    else
      EndJoining(gone.joining, why.ok()
                                   ? MakeStatus(absl::StatusCode::kUnavailable,
                                                "the connection was closed")
                                   : why);
  }
  DoneIfClosed();
}

void PeerManager::Impl::OnPeerClosed(Peer& peer, const Connection& gone,
                                     ConnectionNumber number,
                                     const absl::Status& why) {
  peer.sent_bytes += gone.connection->sent_bytes();
  peer.received_bytes += gone.connection->received_bytes();
  const bool greeting = peer.greeting == number;
  if (greeting) peer.greeting.reset();
  if (peer.connected == number) {
    peer.connected.reset();
    // A peer that breaks the protocol is not worth hurrying back to.
    if (!absl::IsInvalidArgument(why)) peer.backoff.Reset();
  }
  if (gone.replaced || why.ok() || absl::IsAlreadyExists(why)) {
    if (!peer.connected) DialLater(peer);
    return;
  }
  peer.last_error = why;
  peer.refused = gone.connection->refused();
  if (greeting && !gone.rest.empty()) return Dial(peer, gone.rest);
  DialLater(peer);
}

void PeerManager::Impl::Remember(const PeerRecord& record) {
  Peer& peer = PeerOf(record.id);
  peer.record.device_key = record.device_key;
  peer.record.name = record.name;
  if (!record.addresses.empty()) peer.record.addresses = record.addresses;
  env.host.RememberPeer(peer.record);
}

// ---- looking things up

PeerManager::Impl::Peer& PeerManager::Impl::PeerOf(const DeviceId& id) {
  std::unique_ptr<Peer>& peer = peers[id];
  if (!peer) {
    peer = std::make_unique<Peer>(executor, options.backoff);
    peer->record.id = id;
  }
  return *peer;
}

PeerManager::Impl::Connection* PeerManager::Impl::Find(
    std::optional<ConnectionNumber> number) {
  if (!number) return nullptr;
  const auto at = connections.find(*number);
  return at == connections.end() ? nullptr : &at->second;
}
const PeerManager::Impl::Connection* PeerManager::Impl::Find(
    std::optional<ConnectionNumber> number) const {
  return const_cast<Impl*>(this)->Find(number);
}

std::size_t PeerManager::Impl::HalfOpen() const {
  std::size_t count = 0;
  for (const auto& [number, connection] : connections)
    if (connection.half_open && !connection.connection->dialled()) ++count;
  return count;
}

PeerStatus PeerManager::Impl::StatusOf(const Peer& peer) const {
  PeerStatus status;
  status.id = peer.record.id;
  status.name = peer.record.name;
  if (!peer.record.addresses.empty())
    status.address = peer.record.addresses.front();
  status.last_error = peer.last_error;
  status.retry_at_ms = peer.retry_at_ms;
  status.sent_bytes = peer.sent_bytes;
  status.received_bytes = peer.received_bytes;
  const Connection* connection = Find(peer.connected);
  if (connection == nullptr) {
    if (peer.dialler || peer.greeting)
      status.state = PeerStatus::State::kConnecting;
    else if (peer.refused)
      status.state = PeerStatus::State::kRefused;
    return status;
  }
  status.state = PeerStatus::State::kConnecting;
  status.address = connection->address;
  status.sent_bytes += connection->connection->sent_bytes();
  status.received_bytes += connection->connection->received_bytes();
  const PeerSession* session = connection->connection->session();
  if (session == nullptr) return status;
  status.state = PeerStatus::State::kConnected;
  status.rtt_ms = session->rtt_ms();
  status.projects = session->projects();
  for (const ProjectLink::Status& project : status.projects)
    if (status.last_error.ok()) status.last_error = project.error;
  return status;
}

void PeerManager::Impl::DoneIfClosed() {
  if (!closing || !connections.empty() || !closed) return;
  boost::asio::post(
      executor, alive.Guard([done = std::exchange(closed, {})] { done(); }));
}

// ---- the interface

PeerManager::PeerManager(const Environment& environment, const Options& options)
    : impl_(std::make_unique<Impl>(environment, options)) {}

PeerManager::~PeerManager() = default;

absl::StatusOr<std::string> PeerManager::Listen(std::string_view endpoint) {
  return impl_->Listen(endpoint);
}

void PeerManager::AddPeer(const PeerRecord& record) {
  Impl::Peer& peer = impl_->PeerOf(record.id);
  peer.record = record;
  impl_->Dial(peer, peer.record.addresses);
}

void PeerManager::RemovePeer(const DeviceId& id) {
  const auto at = impl_->peers.find(id);
  if (at == impl_->peers.end()) return;
  const std::unique_ptr<Impl::Peer> peer = std::move(at->second);
  impl_->peers.erase(at);
  for (const auto& number : {peer->connected, peer->greeting})
    if (Impl::Connection* connection = impl_->Find(number))
      connection->connection->Close("the device was removed");
}

void PeerManager::ProjectsChanged() {
  for (const auto& [number, connection] : impl_->connections)
    if (PeerSession* session = connection.connection->session())
      session->ProjectsChanged();
}

void PeerManager::RetryNow() {
  for (const auto& [id, peer] : impl_->peers) {
    peer->backoff.Reset();
    impl_->Dial(*peer, peer->record.addresses);
  }
}

void PeerManager::Join(const Invitation& invitation,
                       std::function<void(absl::StatusOr<Joined>)> done) {
  auto joining = std::make_shared<Impl::Joining>();
  joining->invitation = invitation;
  joining->done = std::move(done);
  joining->addresses = invitation.addresses;
  impl_->joinings.insert(joining);
  if (invitation.device != impl_->env.host.self().identity.id())
    return impl_->TryToJoin(std::move(joining));
  boost::asio::post(impl_->executor, impl_->alive.Guard([this, joining] {
    impl_->EndJoining(joining,
                      FailedPrecondition("this device made the invitation"));
  }));
}

std::vector<PeerStatus> PeerManager::Status() const {
  std::vector<PeerStatus> all;
  all.reserve(impl_->peers.size());
  for (const auto& [id, peer] : impl_->peers)
    all.push_back(impl_->StatusOf(*peer));
  return all;
}

const PeerManager::Counters& PeerManager::counters() const {
  return impl_->counters;
}

void PeerManager::Close(std::function<void()> done) {
  impl_->closing = true;
  impl_->closed = std::move(done);
  for (const auto& listener : impl_->listeners) {
    boost::system::error_code ignored;
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  for (const auto& [id, peer] : impl_->peers) {
    peer->dialler.reset();
    peer->retry.cancel();
  }
  const std::set<std::shared_ptr<Impl::Joining>> joinings = impl_->joinings;
  for (const std::shared_ptr<Impl::Joining>& joining : joinings) {
    joining->dialler.reset();
    impl_->EndJoining(joining, MakeStatus(absl::StatusCode::kUnavailable,
                                          "the node is stopping"));
  }
  for (const auto& [number, connection] : impl_->connections)
    connection.connection->Close("the node is stopping");
  impl_->DoneIfClosed();
}

}  // namespace syncline
