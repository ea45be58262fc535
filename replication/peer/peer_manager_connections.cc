#include <utility>

#include "base/status.h"
#include "proto/asio_stream.h"
#include "replication/peer/connection_choice.h"
#include "replication/peer/peer_manager_impl.h"

namespace syncline {

using boost::asio::ip::tcp;

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

bool PeerManager::Impl::MeetsCopy(Peer& peer, const Peer::Instance& met) {
  constexpr std::size_t kFormerMax = 64;
  if (peer.instance == met) return false;
  const bool back = peer.former.contains(met);
  if (peer.former.size() >= kFormerMax) peer.former.clear();
  if (peer.instance) peer.former.insert(*peer.instance);
  peer.instance = met;
  peer.copied = peer.copied || back;
  return back;
}

std::optional<Refusal> PeerManager::Impl::Admit(ConnectionNumber number,
                                                const PeerIdentity& peer,
                                                bool invited) {
  if (closing) return Refusal{Refusal::Reason::kBusy, "the node is stopping"};
  Peer& known = PeerOf(peer.id);
  Connection& incoming = connections.at(number);
  if (Connection* existing = Find(known.connected)) {
    const PeerSession* session = existing->connection->session();
    const ConnectionFacts old{
        existing->connection->dialled(),
        session ? session->peer().hello.instance_nonce : std::string()};
    const ConnectionFacts fresh{incoming.connection->dialled(),
                                peer.hello.instance_nonce, invited};
    // Copies that have taken origins of their own take turns.
    const bool copies = known.copied && session &&
                        session->peer().hello.origin != peer.hello.origin;
    if (copies && env.time.SteadyMs() - known.connected_at_ms <
                      options.copy_turn_ms)
      return Refusal{Refusal::Reason::kDuplicate,
                     "a copy of this device is connected"};
    if (!TakesOver(old, fresh, env.host.self().identity.id(), peer.id))
      return Refusal{Refusal::Reason::kDuplicate, ""};
    existing->replaced = true;
    existing->connection->Close("replaced by another connection");
  }
  incoming.copied =
      MeetsCopy(known, {peer.hello.origin, peer.hello.instance_nonce});
  known.connected_at_ms = env.time.SteadyMs();
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
  if (connection.copied) connection.connection->session()->TellCopied();
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
  // The address that answered stays the first to try, whatever the peer says
  // of itself: behind a forwarder it knows only its own.
  std::vector<std::string> addresses = record.addresses;
  const Connection* by = peer.connected ? Find(*peer.connected) : nullptr;
  if (by != nullptr && by->connection->dialled()) {
    std::erase(addresses, by->address);
    addresses.insert(addresses.begin(), by->address);
  }
  if (!addresses.empty()) peer.record.addresses = std::move(addresses);
  env.host.RememberPeer(peer.record);
}

}  // namespace syncline
