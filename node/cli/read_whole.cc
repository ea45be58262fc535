#include "node/cli/read_whole.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"

namespace syncline::cli {
namespace {

absl::StatusOr<std::string> ReadAll(int fd, const std::string& name,
                                    std::size_t bytes_max) {
  constexpr std::size_t kPiece = 64u << 10;
  std::string bytes;
  std::string piece(kPiece, '\0');
  for (;;) {
    const ssize_t got = read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read " + name);
    if (got == 0) return bytes;
    bytes.append(piece, 0, static_cast<std::size_t>(got));
    if (bytes.size() > bytes_max) {
      return InvalidArgument(name + " is too long");
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadWhole(const std::string& name,
                                      std::size_t bytes_max) {
  if (name == "-") return ReadAll(STDIN_FILENO, "stdin", bytes_max);
  const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + name);
  absl::StatusOr<std::string> bytes = ReadAll(fd, name, bytes_max);
  close(fd);
  return bytes;
}

}  // namespace syncline::cli
