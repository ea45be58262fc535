#include "replication/mirror/root_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/mirror/root_impl.h"

namespace syncline {

using internal::EntryStat;
using internal::OpenBeneath;
using internal::PathError;
using internal::Place;
using internal::StatAt;

namespace {

constexpr std::size_t kReadBytes = 256u << 10;
constexpr long kXfsMagic = 0x58465342;

absl::Status RootTrouble(std::string_view path, std::string_view why) {
  std::string message = "root ";
  message += path;
  message += ": ";
  message += why;
  return MakeStatus(absl::StatusCode::kUnavailable, message);
}

absl::Status IllegalPath(std::string_view path) {
  return InvalidArgument("not a legal path: \"" + std::string(path) + "\"");
}

// File systems that make a page of a mapped file read-only when they write it
// back, so that the next store moves mtime. One in memory never writes back.
bool ShowsMappedStores(int fd) {
  struct statfs info;
  if (::fstatfs(fd, &info) != 0) return false;
  const long type = static_cast<long>(info.f_type);
  return type == EXT4_SUPER_MAGIC || type == kXfsMagic ||
         type == BTRFS_SUPER_MAGIC || type == F2FS_SUPER_MAGIC;
}

// File systems whose times are those of this machine's clock.
bool HasOwnTimes(int fd) {
  struct statfs info;
  return ShowsMappedStores(fd) ||
         (::fstatfs(fd, &info) == 0 &&
          static_cast<long>(info.f_type) == TMPFS_MAGIC);
}

// Calls `sink` for all names but "." and "..".
absl::Status ForEachName(
    UniqueFd directory, std::string_view path,
    const std::function<absl::Status(const std::string&)>& sink) {
  DIR* stream = ::fdopendir(directory.get());
  if (stream == nullptr) return PathError(errno, "list", path);
  (void)directory.Release();
  const std::unique_ptr<DIR, int (*)(DIR*)> owner(stream, ::closedir);
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr)
      return errno == 0 ? absl::OkStatus() : PathError(errno, "list", path);
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    SYNCLINE_RETURN_IF_ERROR(sink(name));
  }
}

}  // namespace

absl::Status RootDir::Impl::Check() const {
  struct stat now;
  if (::stat(path.c_str(), &now) != 0)
    return RootTrouble(path, FromAbsl(ErrnoStatus(errno, "stat").message()));
  if (now.st_dev != device || now.st_ino != inode)
    return RootTrouble(path, "another directory stands in its place");
  const std::string marker(internal::kMarkerName);
  if (::fstatat(fd.get(), marker.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(now.st_mode))
    return RootTrouble(path, "its marker " + marker + " is gone");
  return absl::OkStatus();
}

absl::Status RootDir::Impl::ReadFailure(int error_number, std::string_view call,
                                        std::string_view of) const {
  SYNCLINE_RETURN_IF_ERROR(Check());
  absl::Status status = PathError(error_number, call, of);
  if (of.empty()) return RootTrouble(path, FromAbsl(status.message()));
  return status;
}

absl::StatusOr<Place> RootDir::Impl::Locate(std::string_view of) const {
  if (!IsLegalPath(of)) return IllegalPath(of);
  Place place;
  place.name = std::string(LastName(of));
  if (const int error = OpenBeneath(fd.get(), ParentPath(of),
                                    O_PATH | O_DIRECTORY, place.parent))
    return ReadFailure(error, "open the parent of", of);
  return place;
}

absl::StatusOr<Place> RootDir::Impl::LocateToChange(std::string_view of) const {
  SYNCLINE_RETURN_IF_ERROR(Check());
  return Locate(of);
}

int RootDir::Impl::OpenToRead(int parent, const std::string& name,
                              UniqueFd& out) {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK;
  const int error = OpenBeneath(parent, name, kFlags | O_NOATIME, out);
  return error == EPERM ? OpenBeneath(parent, name, kFlags, out) : error;
}

absl::StatusOr<std::unique_ptr<RootDir>> RootDir::Open(
    const std::string& path, std::string_view mirror_id,
    const Environment& environment, const Options& options) {
  auto impl = std::make_unique<Impl>(environment.time, options);
  impl->path = path;
  impl->fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info;
  if (!impl->fd.valid() || ::fstat(impl->fd.get(), &info) != 0)
    return RootTrouble(path, FromAbsl(ErrnoStatus(errno, "open").message()));
  impl->device = info.st_dev;
  impl->inode = info.st_ino;
  impl->shows_mapped_stores = ShowsMappedStores(impl->fd.get());
  impl->own_times = HasOwnTimes(impl->fd.get());
  impl->run = ToHex(environment.random.Bytes(8));

  std::unique_ptr<RootDir> root(new RootDir(std::move(impl)));
  SYNCLINE_RETURN_IF_ERROR(root->Check());
  const auto marker = root->ReadSmallFile(internal::kMarkerName, 1024);
  if (!marker.ok())
    return RootTrouble(path, FromAbsl(marker.status().message()));
  if (*marker != internal::MarkerText(mirror_id))
    return RootTrouble(path, "its marker is that of another mirror");
  return root;
}

absl::Status RootDir::Impl::ListPrivate(
    const std::function<void(const std::string&)>& sink) const {
  UniqueFd directory;
  if (const int error = OpenBeneath(fd.get(), internal::kPrivateName,
                                    O_RDONLY | O_DIRECTORY, directory))
    return ReadFailure(error, "list", internal::kPrivateName);
  return ForEachName(std::move(directory), internal::kPrivateName,
                     [&sink](const std::string& name) {
                       sink(name);
                       return absl::OkStatus();
                     });
}

RootDir::RootDir(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RootDir::~RootDir() = default;

absl::Status RootDir::Check() const { return impl_->Check(); }
std::uint64_t RootDir::device() const { return impl_->device; }

absl::StatusOr<Fingerprint> RootDir::Stat(std::string_view path) const {
  EntryStat stat;
  if (path.empty()) {
    SYNCLINE_RETURN_IF_ERROR(Check());
    if (const int error = StatAt(impl_->fd.get(), "", impl_->device, stat))
      return impl_->ReadFailure(error, "stat", path);
    return stat.fingerprint;
  }
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->Locate(path));
  if (const int error = impl_->Stat(place, stat))
    return impl_->ReadFailure(error, "stat", path);
  SYNCLINE_RETURN_IF_ERROR(Check());
  return stat.fingerprint;
}

absl::Status RootDir::ListDir(std::string_view path,
                              const EntrySink& sink) const {
  if (!path.empty() && !IsLegalPath(path)) return IllegalPath(path);
  UniqueFd directory;
  if (const int error =
          OpenBeneath(impl_->fd.get(), path, O_RDONLY | O_DIRECTORY, directory))
    return impl_->ReadFailure(error, "list", path);
  const int fd = directory.get();
  SYNCLINE_RETURN_IF_ERROR(ForEachName(
      std::move(directory), path, [&](const std::string& name) -> absl::Status {
        EntryStat stat;
        const int error = StatAt(fd, name, impl_->device, stat);
        if (error == ENOENT) return absl::OkStatus();  // Gone meanwhile.
        if (error) return impl_->ReadFailure(error, "stat in", path);
        return sink(name, stat.fingerprint);
      }));
  return Check();
}

absl::StatusOr<UniqueFd> RootDir::OpenDir(std::string_view path) const {
  if (!path.empty() && !IsLegalPath(path)) return IllegalPath(path);
  UniqueFd directory;
  if (const int error =
          OpenBeneath(impl_->fd.get(), path, O_PATH | O_DIRECTORY, directory))
    return impl_->ReadFailure(error, "open", path);
  SYNCLINE_RETURN_IF_ERROR(Check());
  return directory;
}

namespace {

// Reads from the start to the end; `bytes` tells how much that was.
absl::Status Stream(int fd, std::uint64_t size_hint, std::string_view path,
                    const ByteSink& sink, std::uint64_t& bytes) {
  const std::size_t capacity = static_cast<std::size_t>(
      std::min<std::uint64_t>(size_hint + 1, kReadBytes));
  const auto buffer = std::make_unique<char[]>(capacity);
  bytes = 0;
  while (true) {
    const ssize_t count = ::read(fd, buffer.get(), capacity);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return PathError(errno, "read", path);
    if (count == 0) return absl::OkStatus();
    bytes += static_cast<std::uint64_t>(count);
    SYNCLINE_RETURN_IF_ERROR(
        sink({buffer.get(), static_cast<std::size_t>(count)}));
  }
}

}  // namespace

// What makes a fingerprint trusted: stat must show every later change. It
// shows write() always. It shows a store to a mapped page only if the page was
// clean before: no writer at all is one way to know, writing the pages back
// the other. The clock must also have left the file's last change behind.
absl::StatusOr<RootDir::FileRead> RootDir::ReadFile(
    std::string_view path, const ByteSink& sink) const {
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->Locate(path));
  EntryStat before;
  if (const int error = impl_->Stat(place, before))
    return impl_->ReadFailure(error, "stat", path);
  // Looked at first: merely opening a fifo or device may do something.
  if (before.fingerprint.kind != DiskKind::kFile)
    return FailedPrecondition("not a regular file: " + std::string(path));
  UniqueFd file;
  if (const int error = Impl::OpenToRead(place.parent.get(), place.name, file))
    return impl_->ReadFailure(error, "open", path);

  const bool leased =
      internal::TakeLease(file.get()) == internal::Lease::kGranted;
  if (leased) internal::DropLease(file.get());
  bool trusted = leased;
  if (!leased && impl_->shows_mapped_stores) {
    trusted =
        ::sync_file_range(file.get(), 0, 0,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER) == 0;
  }
  if (const int error = StatAt(file.get(), "", impl_->device, before))
    return impl_->ReadFailure(error, "stat", path);
  const std::int64_t age_ms =
      impl_->time.NowMs() - before.fingerprint.ctime_ns / 1'000'000;
  if (age_ms < impl_->options.settle_ms) {
    // Far in the future the clock was set back: do not wait for it. A change
    // from now on gets a time of now, which is another one; unless the times
    // are those of another machine, that may be ahead of this one.
    if (age_ms > -impl_->options.settle_ms)
      return internal::Changed(path, "changed a moment ago");
    trusted = trusted && impl_->own_times;
  }
  std::uint64_t bytes = 0;
  SYNCLINE_RETURN_IF_ERROR(
      Stream(file.get(), before.fingerprint.size, path, sink, bytes));
  EntryStat after;
  if (const int error = StatAt(file.get(), "", impl_->device, after))
    return impl_->ReadFailure(error, "stat", path);
  if (after.fingerprint != before.fingerprint ||
      bytes != before.fingerprint.size)
    return internal::Changed(path, "changed while it was read");
  SYNCLINE_RETURN_IF_ERROR(Check());
  return FileRead{after.fingerprint, trusted};
}

absl::StatusOr<std::string> RootDir::ReadSmallFile(
    std::string_view path, std::size_t bytes_max) const {
  const std::string_view parent = ParentPath(path);
  if (!parent.empty() && !IsLegalPath(parent)) return IllegalPath(path);
  UniqueFd directory;
  if (const int error =
          OpenBeneath(impl_->fd.get(), parent, O_PATH | O_DIRECTORY, directory))
    return impl_->ReadFailure(error, "open the parent of", path);
  UniqueFd file;
  if (const int error =
          Impl::OpenToRead(directory.get(), std::string(LastName(path)), file))
    return impl_->ReadFailure(error, "open", path);
  EntryStat stat;
  if (const int error = StatAt(file.get(), "", impl_->device, stat))
    return impl_->ReadFailure(error, "stat", path);
  if (stat.fingerprint.kind != DiskKind::kFile)
    return FailedPrecondition("not a regular file: " + std::string(path));
  std::string content;
  std::uint64_t bytes = 0;
  SYNCLINE_RETURN_IF_ERROR(Stream(
      file.get(), stat.fingerprint.size, path,
      [&](std::string_view piece) {
        content += piece;
        return content.size() <= bytes_max
                   ? absl::OkStatus()
                   : MakeStatus(absl::StatusCode::kResourceExhausted,
                                "too long: " + std::string(path));
      },
      bytes));
  SYNCLINE_RETURN_IF_ERROR(Check());
  return content;
}

absl::StatusOr<std::string> RootDir::ReadLink(std::string_view path) const {
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->Locate(path));
  char target[PATH_MAX];
  const ssize_t count = ::readlinkat(place.parent.get(), place.name.c_str(),
                                     target, sizeof target);
  if (count < 0) {
    if (errno == EINVAL)
      return FailedPrecondition("not a symlink: " + std::string(path));
    return impl_->ReadFailure(errno, "readlink", path);
  }
  SYNCLINE_RETURN_IF_ERROR(Check());
  return std::string(target, static_cast<std::size_t>(count));
}

absl::Status RootDir::SyncAll() {
  SYNCLINE_RETURN_IF_ERROR(Check());
  if (::syncfs(impl_->fd.get()) != 0) return PathError(errno, "syncfs", "");
  return absl::OkStatus();
}

}  // namespace syncline
