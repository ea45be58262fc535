#include "replication/peer/peer_manager.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/status.h"
#include "replication/peer/peer_manager_impl.h"

namespace syncline {

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
  if (peer.copied && status.last_error.ok())
    status.last_error = FailedPrecondition(
        "two copies of this device's home are running (pair the copy as a "
        "device of its own)");
  const Connection* connection = Find(peer.connected);
  if (connection == nullptr) {
    if (peer.dialler || peer.greeting)
      status.state = PeerStatus::State::kConnecting;
    else if (peer.refused)
      status.state = PeerStatus::State::kRefused;
    return status;
  }
  status.state = PeerStatus::State::kConnecting;
  // Where an incoming connection comes from is no place to connect to.
  if (connection->connection->dialled()) status.address = connection->address;
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

void PeerManager::StartOver(const std::string& reason) {
  for (const auto& [number, connection] : impl_->connections)
    connection.connection->Close(reason);
}

void PeerManager::RetryNow() {
  ProjectsChanged();
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
