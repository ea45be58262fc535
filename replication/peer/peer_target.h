#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "proto/kj_loop.h"
#include "proto/peer.capnp.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

// Where calls of the peer go, which come over Cap'n Proto RPC: nothing but
// translation. They wait until there is a target, and fail as DISCONNECTED once
// it was taken away. remote_peer.h is the other way. Loop-bound.
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

}  // namespace syncline
