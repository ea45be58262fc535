#pragma once

#include <filesystem>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/node_core.h"
#include "proto/kj_loop.h"

namespace syncline {

// Serves the control interface on the Unix socket "control.sock" (mode 0600)
// in a node's home. A socket that a dead process left is replaced.
//
// Bound to the loop of `io`. Destroying it closes all connections; it must go
// before the node's parts do.
class ControlSocket {
 public:
  static absl::StatusOr<std::unique_ptr<ControlSocket>> Listen(
      boost::asio::io_context& io, NodeCore& core,
      const std::filesystem::path& home);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // Takes no more connections; those that are there go on.
  void StopAccepting();

 private:
  struct Impl;
  explicit ControlSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
