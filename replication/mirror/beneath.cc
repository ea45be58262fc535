#include "replication/mirror/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/status.h"

namespace syncline {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

namespace internal {

absl::Status PathError(int error_number, std::string_view call,
                       std::string_view path) {
  std::string what(call);
  what += ' ';
  what += path.empty() ? std::string_view("(root)") : path;
  absl::Status status = ErrnoStatus(error_number, what);
  switch (error_number) {
    case EBUSY:  // A mount point.
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        FromAbsl(status.message()));
    case ENOSYS:
    case EOPNOTSUPP:
      return MakeStatus(absl::StatusCode::kUnimplemented,
                        FromAbsl(status.message()));
    case EFBIG:
      return MakeStatus(absl::StatusCode::kResourceExhausted,
                        FromAbsl(status.message()));
    default:
      return status;
  }
}

namespace {

// The kernel takes paths of up to 4095 bytes; one step stays well below.
constexpr std::size_t kStepBytes = 3800;

int OpenStep(int directory, std::string_view path, int flags, unsigned mode,
             UniqueFd& out) {
  const std::string name = path.empty() ? "." : std::string(path);
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                RESOLVE_NO_XDEV;
  while (true) {
    const long fd =
        ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
    if (fd >= 0) {
      out = UniqueFd(static_cast<int>(fd));
      return 0;
    }
    if (errno != EINTR && errno != EAGAIN) return errno;
  }
}

DiskKind KindOf(const struct statx& info, bool other_device) {
  const bool mounted =
      (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
      (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (mounted || other_device) return DiskKind::kMountPoint;
  if (S_ISREG(info.stx_mode)) return DiskKind::kFile;
  if (S_ISDIR(info.stx_mode)) return DiskKind::kDirectory;
  if (S_ISLNK(info.stx_mode)) return DiskKind::kSymlink;
  return DiskKind::kSpecial;
}

std::int64_t Nanoseconds(const statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

int OpenBeneath(int directory, std::string_view path, int flags, UniqueFd& out,
                unsigned mode) {
  UniqueFd step;
  int from = directory;
  while (path.size() > kStepBytes) {
    const std::size_t slash = path.rfind('/', kStepBytes);
    if (slash == std::string_view::npos) return ENAMETOOLONG;
    UniqueFd next;
    if (const int error = OpenStep(from, path.substr(0, slash),
                                   O_PATH | O_DIRECTORY, 0, next))
      return error;
    step = std::move(next);
    from = step.get();
    path.remove_prefix(slash + 1);
  }
  return OpenStep(from, path, flags, mode, out);
}

int StatAt(int directory, const std::string& name, std::uint64_t root_device,
           EntryStat& out) {
  struct statx info;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
                    (name.empty() ? AT_EMPTY_PATH : 0);
  if (::statx(directory, name.c_str(), flags, STATX_BASIC_STATS, &info) != 0)
    return errno;
  out.raw_device = makedev(info.stx_dev_major, info.stx_dev_minor);
  const bool other = root_device != 0 && out.raw_device != root_device;
  out.uid = info.stx_uid;
  out.gid = info.stx_gid;
  Fingerprint& print = out.fingerprint;
  print.kind = KindOf(info, other);
  // The descriptor itself was reached without crossing a mount.
  if (name.empty() && !other && print.kind == DiskKind::kMountPoint)
    print.kind = DiskKind::kDirectory;
  print.mode = info.stx_mode & 07777u;
  print.device = other ? out.raw_device : 0;
  print.inode = info.stx_ino;
  print.size = print.kind == DiskKind::kDirectory ? 0 : info.stx_size;
  print.mtime_ns = Nanoseconds(info.stx_mtime);
  print.ctime_ns = Nanoseconds(info.stx_ctime);
  return 0;
}

namespace {

bool FlagsUnknown(int error_number) {
  return error_number == EINVAL || error_number == ENOSYS ||
         error_number == EOPNOTSUPP;
}

int Error(int result) { return result == 0 ? 0 : errno; }

}  // namespace

int RenameFree(int from_dir, const std::string& from, int to_dir,
               const std::string& to, bool directory, bool plain) {
  if (!plain) {
    const int error = Error(::renameat2(from_dir, from.c_str(), to_dir,
                                        to.c_str(), RENAME_NOREPLACE));
    if (!FlagsUnknown(error)) return error;
  }
  // rename() puts a directory only over an empty directory.
  if (directory) {
    struct stat there;
    if (::fstatat(to_dir, to.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0)
      return EEXIST;
    return Error(::renameat(from_dir, from.c_str(), to_dir, to.c_str()));
  }
  if (const int error =
          Error(::linkat(from_dir, from.c_str(), to_dir, to.c_str(), 0)))
    return error == EPERM ? ENOSYS : error;
  return Error(::unlinkat(from_dir, from.c_str(), 0));
}

int RenameSwap(int a_dir, const std::string& a, int b_dir, const std::string& b,
               bool plain) {
  if (plain) return ENOSYS;
  const int error =
      Error(::renameat2(a_dir, a.c_str(), b_dir, b.c_str(), RENAME_EXCHANGE));
  return FlagsUnknown(error) ? ENOSYS : error;
}

Lease TakeLease(int fd) {
  // Who breaks the lease causes a signal: one that is ignored by default, in
  // the place of SIGIO, which would end the process.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return Lease::kUnsupported;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) return Lease::kGranted;
  return errno == EAGAIN || errno == EBUSY ? Lease::kBusy : Lease::kUnsupported;
}

void DropLease(int fd) { ::fcntl(fd, F_SETLEASE, F_UNLCK); }

bool LeaseUnbroken(int fd) { return ::fcntl(fd, F_GETLEASE) == F_RDLCK; }

int WriteAll(int fd, std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
  return 0;
}

}  // namespace internal
}  // namespace syncline
