#include "node/client/control_address.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"

namespace syncline {

using boost::asio::local::stream_protocol;

DirHandle::DirHandle(const std::filesystem::path& dir)
    : fd_(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

DirHandle::~DirHandle() {
  if (fd_ >= 0) close(fd_);
}

std::string DirHandle::PathOf(const std::string& name) const {
  return "/proc/self/fd/" + std::to_string(fd_) + "/" + name;
}

absl::StatusOr<stream_protocol::socket> ConnectControl(
    const boost::asio::any_io_executor& executor,
    const std::filesystem::path& home) {
  std::error_code not_there;
  const bool is_socket = std::filesystem::is_socket(home, not_there);
  const std::filesystem::path above = home.parent_path();
  const DirHandle dir(!is_socket      ? home
                      : above.empty() ? std::filesystem::path(".")
                                      : above);
  if (!dir.ok()) return NotFound("no home at " + home.string());
  const stream_protocol::endpoint endpoint(
      dir.PathOf(is_socket ? home.filename().string() : kControlSocketName));
  stream_protocol::socket socket(executor);
  boost::system::error_code error;
  socket.open(endpoint.protocol(), error);
  // A socket that blocks would wait for a place where a node that does not
  // accept has none left.
  if (!error) socket.native_non_blocking(true, error);
  if (error) return ErrnoStatus(error.value(), "control socket");
  if (connect(socket.native_handle(), endpoint.data(),
              static_cast<socklen_t>(endpoint.size())) == 0) {
    return socket;
  }
  const int why = errno;
  if (why == ECONNREFUSED || why == ENOENT) {
    return NotFound("no node serves " + home.string());
  }
  if (why == EAGAIN) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      "the node that serves " + home.string() +
                          " does not accept (others wait for it, too)");
  }
  return ErrnoStatus(why, "connect to " + home.string());
}

}  // namespace syncline
