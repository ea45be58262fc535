#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/kj_loop.h"
#include "proto/peer.capnp.h"
#include "replication/peer/handshake.h"
#include "replication/peer/peer_target.h"

// The handshake over Cap'n Proto RPC: PeerGate of proto/peer.capnp.

namespace syncline {

// A handshake that went well.
struct Greeted {
  PeerIdentity peer;
  wire::Peer::Client remote;         // What the peer offers.
  std::vector<ProjectInfo> invited;  // What an invitation gave.
};

struct HandshakeHooks {
  // The peer has proven who it is, and perhaps redeemed an invitation: why
  // there will be no session, if so. Must not destroy the connection.
  std::function<std::optional<Refusal>(const PeerIdentity&, bool invited)>
      admit;
  // How it ended, in the loop, in a turn of its own, once. kUnavailable: the
  // connection was lost, which its owner hears of anyway.
  std::function<void(absl::StatusOr<Greeted>)> done;
};

// One connection's handshake, on either side. Destroying it cancels; not from
// a hook.
class RpcHandshake {
 public:
  virtual ~RpcHandshake() = default;
};

// The listening side: `gate` is to be the bootstrap of the connection. Borrows
// everything.
std::unique_ptr<RpcHandshake> ListenForPeer(KjLoop& loop, PeerHost& host,
                                            Hello own, PeerTarget& target,
                                            HandshakeHooks hooks,
                                            wire::PeerGate::Client& gate);

// The dialling side; `gate` is the other side's bootstrap.
std::unique_ptr<RpcHandshake> GreetPeer(KjLoop& loop, DialHandshake handshake,
                                        PeerTarget& target,
                                        HandshakeHooks hooks,
                                        wire::PeerGate::Client gate);

}  // namespace syncline
