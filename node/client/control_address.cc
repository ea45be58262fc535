#include "node/client/control_address.h"

#include <fcntl.h>
#include <unistd.h>

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
  stream_protocol::socket socket(executor);
  boost::system::error_code error;
  socket.connect(
      stream_protocol::endpoint(dir.PathOf(is_socket ? home.filename().string()
                                                     : kControlSocketName)),
      error);
  if (!error) return socket;
  if (error == boost::asio::error::connection_refused ||
      error == boost::system::errc::no_such_file_or_directory) {
    return NotFound("no node serves " + home.string());
  }
  return ErrnoStatus(error.value(), "connect to " + home.string());
}

}  // namespace syncline
