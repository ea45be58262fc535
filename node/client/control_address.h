#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "absl/status/statusor.h"

namespace syncline {

// Of control connections: a record of the log or a page of a directory with
// the longest paths still fits.
inline constexpr std::size_t kControlMessageBytesMax = 64u << 20;

// Of the control socket in a node's home.
inline constexpr char kControlSocketName[] = "control.sock";

// A directory by descriptor: the path of a Unix socket has at most 107 bytes,
// that of a home may have more.
class DirHandle {
 public:
  explicit DirHandle(const std::filesystem::path& dir);
  ~DirHandle();
  DirHandle(const DirHandle&) = delete;
  DirHandle& operator=(const DirHandle&) = delete;
  [[nodiscard]] bool ok() const { return fd_ >= 0; }
  // Valid while this lives.
  [[nodiscard]] std::string PathOf(const std::string& name) const;

 private:
  int fd_;
};

// Connects to the node that serves `home`: a home, or its control socket.
//   kNotFound  none does (no socket, or nobody behind it)
absl::StatusOr<boost::asio::local::stream_protocol::socket> ConnectControl(
    const boost::asio::any_io_executor& executor,
    const std::filesystem::path& home);

}  // namespace syncline
