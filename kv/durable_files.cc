#include "kv/durable_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
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

// What is wrong with the name of a directory, or with what is in its way.
absl::Status CannotMake(int error_number, const std::string& name) {
  const absl::Status failed = ErrnoStatus(error_number, "make " + name);
  switch (error_number) {
    case EEXIST:  // It is not a directory.
      return InvalidArgument(name + " is no directory");
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return InvalidArgument(FromAbsl(failed.message()));
    default:
      return failed;
  }
}

absl::Status WriteAndSync(int file, std::string_view bytes,
                          const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + name);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(file) != 0) return ErrnoStatus(errno, "sync " + name);
  return absl::OkStatus();
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
    return CannotMake(failed, named.string());
  }
  return SyncDirectory(parent);
}

absl::Status WriteDurableFile(const std::filesystem::path& file,
                              std::string_view bytes) {
  const std::string fresh = file.string() + ".new";
  // One that a crash left may be open to others.
  unlink(fresh.c_str());
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                      S_IRUSR | S_IWUSR);
  if (fd < 0) return ErrnoStatus(errno, "make " + fresh);
  const absl::Status written = WriteAndSync(fd, bytes, fresh);
  close(fd);
  if (!written.ok()) {
    unlink(fresh.c_str());
    return written;
  }
  if (rename(fresh.c_str(), file.c_str()) != 0) {
    const absl::Status failed = ErrnoStatus(errno, "replace " + file.string());
    unlink(fresh.c_str());
    return failed;
  }
  return SyncDirectory(file.parent_path());
}

}  // namespace syncline
