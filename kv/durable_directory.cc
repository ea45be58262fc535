#include "kv/durable_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/status.h"

namespace syncline {
namespace {

absl::Status SyncDirectory(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // A directory that may be passed through but not read is not ours.
  if (fd < 0 && errno == EACCES) return absl::OkStatus();
  if (fd < 0) return ErrnoStatus(errno, "open " + path.string());
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  // Some file systems cannot sync a directory.
  if (error == 0 || error == EINVAL || error == EROFS) return absl::OkStatus();
  return ErrnoStatus(error, "sync " + path.string());
}

}  // namespace

absl::Status MakeDurableDirectory(const std::filesystem::path& path) {
  const std::filesystem::path full =
      std::filesystem::absolute(path).lexically_normal();
  const std::filesystem::path named =
      full.has_filename() ? full : full.parent_path();
  const std::filesystem::path parent = named.parent_path();
  std::error_code error;
  if (!std::filesystem::exists(parent, error)) {
    SYNCLINE_RETURN_IF_ERROR(MakeDurableDirectory(parent));
  }
  const int failed = mkdir(named.c_str(), S_IRWXU) == 0 ? 0 : errno;
  if (failed != 0 &&
      !(failed == EEXIST && std::filesystem::is_directory(named, error))) {
    return ErrnoStatus(failed, "make " + named.string());
  }
  return SyncDirectory(parent);
}

}  // namespace syncline
