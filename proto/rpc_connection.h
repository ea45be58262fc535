#pragma once

#include <capnp/capability.h>
#include <kj/async-io.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "proto/kj_loop.h"

namespace syncline {

// Limits on what one connected peer may do.
struct RpcLimits {
  // Bytes of the largest message that is taken off the wire, and that reading
  // one may touch over all its pointers: four times the largest segment. A
  // larger message of ours fails its call with kInternal and is not sent.
  std::size_t traversal_bytes_max = 4u << 20;
  int nesting_max = 24;
  // Of calls that we have not answered; beyond, nothing more is read from the
  // peer, answers to our own calls included. Keep it above the stream windows
  // of both sides.
  std::size_t unanswered_bytes_max = 16u << 20;
};

// One Cap'n Proto connection over a stream: the RPC system, its network and
// the stream, destroyed in the right order.
//
// Loop-bound to its KjLoop, which must outlive it. Destroying it closes it.
class RpcConnection final {
 public:
  enum class Side { kClient, kServer };

  struct Options {
    // The one that connected is the client. Both sides may export and use a
    // bootstrap capability.
    Side side = Side::kClient;
    RpcLimits limits = {};
    // Called once, inside the loop, when the peer is gone or broke the
    // protocol; not after Close(). May close or destroy the connection.
    std::function<void()> on_disconnect = nullptr;
  };

  // `bootstrap` is what the peer's Bootstrap() gets; null to export nothing.
  RpcConnection(KjLoop& loop, kj::Own<kj::AsyncIoStream> stream,
                kj::Maybe<capnp::Capability::Client> bootstrap,
                Options options);
  ~RpcConnection();
  RpcConnection(const RpcConnection&) = delete;
  RpcConnection& operator=(const RpcConnection&) = delete;

  // The peer's bootstrap capability; calls on it fail as DISCONNECTED once
  // the connection is closed or lost. Requires: inside the loop.
  [[nodiscard]] capnp::Capability::Client Bootstrap();

  // Ends the connection in a later handler, so that code which the connection
  // runs may call it. What was sent before leaves if the kernel takes it at
  // once. Idempotent.
  void Close();
  [[nodiscard]] bool IsClosed() const { return state_ == nullptr; }

  // Bytes of messages that wait to be sent; for back pressure by the caller.
  [[nodiscard]] std::size_t UnsentBytes() const;

 private:
  struct State;
  KjLoop& loop_;
  kj::Own<State> state_;
};

}  // namespace syncline
