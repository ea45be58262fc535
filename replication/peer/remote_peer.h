#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "proto/kj_loop.h"
#include "proto/peer.capnp.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

// Reaches the peer by its capability, over Cap'n Proto RPC: nothing but
// translation. `failed` hears of answers that cannot be read and calls that
// fail other than with the connection, in the loop; it must not destroy
// anything at once. Must not be destroyed by a callback of its own.
// peer_target.h is the other way.
std::unique_ptr<PeerCalls> NewRemotePeer(
    KjLoop& loop, wire::Peer::Client peer,
    std::function<void(absl::Status)> failed);

}  // namespace syncline
