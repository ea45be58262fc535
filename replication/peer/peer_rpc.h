#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "proto/kj_loop.h"
#include "proto/peer.capnp.h"
#include "replication/peer/peer_messages.h"

// PeerCalls over Cap'n Proto RPC, both ways: nothing but translation.

namespace syncline {

// Where calls of the peer go. They wait until there is a target, and fail as
// DISCONNECTED once it was taken away. Loop-bound.
class PeerTarget {
 public:
  explicit PeerTarget(KjLoop& loop);
  ~PeerTarget();
  PeerTarget(const PeerTarget&) = delete;
  PeerTarget& operator=(const PeerTarget&) = delete;

  // The capability to give to the peer. Inside the loop.
  [[nodiscard]] wire::Peer::Client Offer();
  // Borrows `calls` until Clear(). `malformed` hears of messages that cannot
  // be read, in the loop; it must not destroy anything at once.
  void Set(PeerCalls& calls, std::function<void(absl::Status)> malformed);
  void Clear();

 private:
  friend class PeerServer;
  struct State;
  KjLoop& loop_;
  std::shared_ptr<State> state_;
};

// Reaches the peer by its capability. `failed` hears of answers that cannot be
// read and calls that fail other than with the connection, in the loop; it
// must not destroy anything at once. Must not be destroyed by a callback of its
// own.
std::unique_ptr<PeerCalls> NewRemotePeer(
    KjLoop& loop, wire::Peer::Client peer,
    std::function<void(absl::Status)> failed);

}  // namespace syncline
