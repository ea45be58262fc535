#pragma once

#include <filesystem>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/node_core.h"
#include "proto/kj_loop.h"

namespace syncline {

// Of control connections: a record of the log or a page of a directory with
// the longest paths still fits.
inline constexpr std::size_t kControlMessageBytesMax = 64u << 20;

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

// Connects to the node that serves `home`.
//   kNotFound  none does (no socket, or nobody behind it)
absl::StatusOr<boost::asio::local::stream_protocol::socket> ConnectControl(
    boost::asio::io_context& io, const std::filesystem::path& home);

}  // namespace syncline
