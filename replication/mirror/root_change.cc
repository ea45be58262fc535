#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/mirror/root_impl.h"

namespace syncline {

using internal::Changed;
using internal::EntryStat;
using internal::Hold;
using internal::Intent;
using internal::OpenBeneath;
using internal::PathError;
using internal::Place;
using internal::RenameFree;
using internal::RenameSwap;
using internal::StatAt;

// --- Staging

namespace {

constexpr std::size_t kHoleBytes = 4096;

bool AllZero(std::string_view bytes) {
  return bytes[0] == 0 &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

timespec ToTimespec(std::int64_t nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = nanoseconds / kSecond;
  std::int64_t rest = nanoseconds % kSecond;
  if (rest < 0) {  // Before 1970.
    rest += kSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

// With the permission bits of `mode`, who may read may also execute, or not.
std::uint32_t WithExecutable(std::uint32_t mode, bool executable) {
  mode &= 0666;
  return executable ? mode | ((mode & 0444) >> 2) : mode;
}

// The times that futimens takes to set mtime only.
struct Times {
  timespec both[2];
  explicit Times(std::int64_t mtime_ns)
      : both{{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, ToTimespec(mtime_ns)} {}
};

// Writes what `fill` gives; whole pieces of zeros are left out as holes.
absl::Status Fill(int fd,
                  const std::function<absl::Status(const ByteSink&)>& fill) {
  std::int64_t offset = 0;
  bool ends_in_hole = false;
  SYNCLINE_RETURN_IF_ERROR(fill([&](std::string_view piece) -> absl::Status {
    if (piece.empty()) return absl::OkStatus();
    ends_in_hole = piece.size() >= kHoleBytes && AllZero(piece);
    if (!ends_in_hole) {
      if (const int error = internal::WriteAll(fd, piece, offset))
        return PathError(error, "write", "a staged file");
    }
    offset += static_cast<std::int64_t>(piece.size());
    return absl::OkStatus();
  }));
  if (ends_in_hole && ::ftruncate(fd, offset) != 0)
    return PathError(errno, "ftruncate", "a staged file");
  return absl::OkStatus();
}

absl::Status SetAll(int fd, const RootDir::FileAttributes& attributes) {
  struct stat info;
  if (::fstat(fd, &info) != 0)
    return PathError(errno, "fstat", "a staged file");
  if (attributes.executable &&
      ::fchmod(fd, WithExecutable(info.st_mode, true)) != 0)
    return PathError(errno, "fchmod", "a staged file");
  if (attributes.mtime_ns &&
      ::futimens(fd, Times(*attributes.mtime_ns).both) != 0)
    return PathError(errno, "futimens", "a staged file");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> RootDir::Impl::PrivateDir() const {
  const std::string name(internal::kPrivateName);
  UniqueFd directory;
  int error = OpenBeneath(fd.get(), name, O_RDONLY | O_DIRECTORY, directory);
  if (error == ENOENT) {
    if (::mkdirat(fd.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
      return PathError(errno, "mkdir", name);
    error = OpenBeneath(fd.get(), name, O_RDONLY | O_DIRECTORY, directory);
  }
  if (error) return PathError(error, "open", name);
  return directory;
}

std::string RootDir::Impl::NewName(std::string_view prefix) {
  return std::string(prefix) + run + "-" + std::to_string(++next_name);
}

RootDir::Staged::Staged(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RootDir::Staged::Staged(Staged&&) noexcept = default;
RootDir::Staged& RootDir::Staged::operator=(Staged&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

RootDir::Staged::~Staged() {
  if (!impl_ || impl_->consumed) return;
  const auto directory = impl_->root->PrivateDir();
  if (directory.ok()) ::unlinkat(directory->get(), impl_->name.c_str(), 0);
}

const Fingerprint& RootDir::Staged::fingerprint() const {
  return impl_->fingerprint;
}

absl::Status RootDir::Staged::Sync() {
  SYNCLINE_ASSIGN_OR_RETURN(UniqueFd target, impl_->root->PrivateDir());
  if (impl_->fingerprint.kind == DiskKind::kFile) {
    UniqueFd file;
    if (const int error =
            OpenBeneath(target.get(), impl_->name, O_RDONLY, file))
      return PathError(error, "open", impl_->name);
    target = std::move(file);
  }
  if (::fsync(target.get()) != 0) return PathError(errno, "fsync", impl_->name);
  return absl::OkStatus();
}

absl::StatusOr<RootDir::Staged> RootDir::StageFile(
    const FileAttributes& attributes,
    const std::function<absl::Status(const ByteSink&)>& fill) {
  SYNCLINE_RETURN_IF_ERROR(Check());
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd directory, impl_->PrivateDir());
  auto staged = std::make_unique<Staged::Impl>();
  staged->root = impl_.get();
  staged->name = impl_->NewName(internal::kObjectPrefix);
  UniqueFd file;
  if (const int error = OpenBeneath(directory.get(), staged->name,
                                    O_RDWR | O_CREAT | O_EXCL, file, 0666))
    return PathError(error, "create", staged->name);
  Staged result(std::move(staged));  // From here on it is unlinked on failure.
  SYNCLINE_RETURN_IF_ERROR(Fill(file.get(), fill));
  SYNCLINE_RETURN_IF_ERROR(SetAll(file.get(), attributes));
  EntryStat stat;
  if (const int error = StatAt(file.get(), "", impl_->device, stat))
    return PathError(error, "stat", result.impl_->name);
  result.impl_->fingerprint = stat.fingerprint;
  return result;
}

absl::StatusOr<RootDir::Staged> RootDir::StageSymlink(
    std::string_view target, std::optional<std::int64_t> mtime_ns) {
  if (target.empty() || target.find('\0') != std::string_view::npos)
    return InvalidArgument("not a legal symlink target");
  SYNCLINE_RETURN_IF_ERROR(Check());
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd directory, impl_->PrivateDir());
  auto staged = std::make_unique<Staged::Impl>();
  staged->root = impl_.get();
  staged->name = impl_->NewName(internal::kObjectPrefix);
  const std::string name = staged->name;
  if (::symlinkat(std::string(target).c_str(), directory.get(), name.c_str()) !=
      0)
    return PathError(errno, "symlink", name);
  Staged result(std::move(staged));
  if (mtime_ns && ::utimensat(directory.get(), name.c_str(),
                              Times(*mtime_ns).both, AT_SYMLINK_NOFOLLOW) != 0)
    return PathError(errno, "utimens", name);
  EntryStat stat;
  if (const int error = StatAt(directory.get(), name, impl_->device, stat))
    return PathError(error, "stat", name);
  result.impl_->fingerprint = stat.fingerprint;
  return result;
}

// --- Installing

absl::StatusOr<Fingerprint> RootDir::Install(
    Staged staged, std::string_view path,
    const std::optional<Fingerprint>& expected) {
  if (expected) return impl_->Replace(*staged.impl_, path, *expected);
  return impl_->InstallNew(*staged.impl_, path);
}

absl::StatusOr<Fingerprint> RootDir::Impl::Installed(const Staged::Impl& staged,
                                                     const Place& place) const {
  EntryStat now;
  if (Stat(place, now) == 0 && now.fingerprint.SameButCtime(staged.fingerprint))
    return now.fingerprint;
  Fingerprint stale = staged.fingerprint;
  stale.ctime_ns = 0;
  return stale;
}

absl::StatusOr<Fingerprint> RootDir::Impl::InstallNew(Staged::Impl& staged,
                                                      std::string_view at) {
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, LocateToChange(at));
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd priv, PrivateDir());
  EntryStat parent;
  // A directory that hands its group down does so for files that are born in
  // it; this one was born elsewhere. Failing that is no reason to refuse.
  if (StatAt(place.parent.get(), "", device, parent) == 0 &&
      (parent.fingerprint.mode & S_ISGID) != 0)
    (void)!::fchownat(priv.get(), staged.name.c_str(), static_cast<uid_t>(-1),
                      parent.gid, AT_SYMLINK_NOFOLLOW);
  Step("install");
  if (const int error = RenameFree(priv.get(), staged.name, place.parent.get(),
                                   place.name, false, plain))
    return PathError(error, "install", at);
  staged.consumed = true;
  Step("installed");
  return Installed(staged, place);
}

void RootDir::Impl::TakeOverAttributes(Staged::Impl& staged, int private_dir,
                                       const EntryStat& from) const {
  if (staged.fingerprint.kind != DiskKind::kFile ||
      from.fingerprint.kind != DiskKind::kFile)
    return;
  EntryStat now;
  if (StatAt(private_dir, staged.name, device, now) != 0) return;
  if (now.uid != from.uid || now.gid != from.gid)
    (void)!::fchownat(private_dir, staged.name.c_str(), from.uid, from.gid,
                      AT_SYMLINK_NOFOLLOW);
  const std::uint32_t mode =
      WithExecutable(from.fingerprint.mode, staged.fingerprint.executable());
  if (mode != now.fingerprint.mode &&
      ::fchmodat(private_dir, staged.name.c_str(), mode, 0) == 0)
    staged.fingerprint.mode = mode;
}

absl::StatusOr<Fingerprint> RootDir::Impl::Replace(
    Staged::Impl& staged, std::string_view at, const Fingerprint& expected) {
  if (expected.kind != DiskKind::kFile && expected.kind != DiskKind::kSymlink)
    return InvalidArgument("not to be replaced: " + std::string(at));
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, LocateToChange(at));
  if (plain) return ReplacePlainly(staged, place, at, expected);
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd priv, PrivateDir());
  Hold hold;
  SYNCLINE_RETURN_IF_ERROR(hold.Take(*this, place, at, expected));
  TakeOverAttributes(staged, priv.get(), hold.stat());
  const Intent intent{.staged_inode = staged.fingerprint.inode,
                      .expected = expected,
                      .path = std::string(at)};
  if (const int error = internal::WriteIntent(priv.get(), staged.name, intent))
    return PathError(error, "write the intent about", at);
  Step("exchange");
  const int error = RenameSwap(priv.get(), staged.name, place.parent.get(),
                               place.name, false);
  if (error) {
    internal::DropIntent(priv.get(), staged.name);
    if (error == ENOENT) return Changed(at, "went away");
    if (error != ENOSYS) return PathError(error, "exchange", at);
    plain = true;
    hold.Release();
    return ReplacePlainly(staged, place, at, expected);
  }
  // The private name now holds a file that may be a user's only copy.
  staged.consumed = true;
  Step("verify");
  EntryStat displaced;
  if (StatAt(priv.get(), staged.name, device, displaced) == 0 &&
      hold.Displaced(displaced.fingerprint)) {
    Step("unlink");
    internal::Forget(priv.get(), staged.name);
    Step("installed");
    return Installed(staged, place);
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      const std::string back,
      internal::GiveBack(*this, priv.get(), staged.name, intent));
  return Changed(at, back == at ? "was changed just now"
                                : "was changed just now; it is at " + back);
}

// Without an exchange there is a moment in which the path is absent; a crash
// in it is undone by CleanLeftovers().
absl::StatusOr<Fingerprint> RootDir::Impl::ReplacePlainly(
    Staged::Impl& staged, const Place& place, std::string_view at,
    const Fingerprint& expected) {
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd priv, PrivateDir());
  Hold hold;
  SYNCLINE_RETURN_IF_ERROR(hold.Take(*this, place, at, expected));
  TakeOverAttributes(staged, priv.get(), hold.stat());
  hold.Release();
  const std::string old = NewName(internal::kObjectPrefix);
  SYNCLINE_RETURN_IF_ERROR(
      internal::TakeAway(*this, priv.get(), place, at, expected, old));
  Step("install");
  if (const int error = RenameFree(priv.get(), staged.name, place.parent.get(),
                                   place.name, false, true)) {
    const Intent intent{
        .staged_inode = 0, .expected = expected, .path = std::string(at)};
    const auto back = internal::GiveBack(*this, priv.get(), old, intent);
    if (!back.ok()) return back.status();
    if (error == EEXIST) return Changed(at, "another file came to its place");
    return PathError(error, "install", at);
  }
  staged.consumed = true;
  Step("unlink");
  internal::Forget(priv.get(), old);
  Step("installed");
  return Installed(staged, place);
}

// --- Other changes

absl::StatusOr<Fingerprint> RootDir::MakeDir(std::string_view path) {
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->LocateToChange(path));
  impl_->Step("mkdir");
  if (::mkdirat(place.parent.get(), place.name.c_str(), 0777) != 0)
    return PathError(errno, "mkdir", path);
  EntryStat stat;
  if (const int error = impl_->Stat(place, stat))
    return PathError(error, "stat", path);
  return stat.fingerprint;
}

absl::Status RootDir::Remove(std::string_view path,
                             const Fingerprint& expected) {
  if (expected.kind != DiskKind::kFile && expected.kind != DiskKind::kSymlink)
    return InvalidArgument("not to be removed: " + std::string(path));
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->LocateToChange(path));
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd priv, impl_->PrivateDir());
  const std::string object = impl_->NewName(internal::kObjectPrefix);
  SYNCLINE_RETURN_IF_ERROR(
      internal::TakeAway(*impl_, priv.get(), place, path, expected, object));
  impl_->Step("unlink");
  internal::Forget(priv.get(), object);
  return absl::OkStatus();
}

absl::Status RootDir::RemoveDir(std::string_view path) {
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->LocateToChange(path));
  impl_->Step("rmdir");
  if (::unlinkat(place.parent.get(), place.name.c_str(), AT_REMOVEDIR) != 0)
    return PathError(errno, "rmdir", path);
  return absl::OkStatus();
}

absl::StatusOr<Fingerprint> RootDir::Rename(std::string_view from,
                                            std::string_view to,
                                            const Fingerprint& expected) {
  SYNCLINE_ASSIGN_OR_RETURN(const Place old, impl_->LocateToChange(from));
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->Locate(to));
  const bool directory = expected.kind == DiskKind::kDirectory;
  EntryStat now;
  if (const int error = impl_->Stat(old, now))
    return PathError(error, "stat", from);
  if (directory ? !now.fingerprint.SameIdentity(expected)
                : now.fingerprint != expected)
    return Changed(from, "is not what was expected");
  impl_->Step("rename");
  if (const int error =
          RenameFree(old.parent.get(), old.name, place.parent.get(), place.name,
                     directory, impl_->plain))
    return PathError(error, "rename to", to);
  impl_->Step("verify");
  if (impl_->Stat(place, now) == 0 &&
      (directory ? now.fingerprint.SameIdentity(expected)
                 : now.fingerprint.SameButCtime(expected)))
    return now.fingerprint;
  // Whatever was moved, its place is the old one; if that is taken again it
  // stays, for nothing is lost and the next scan finds both.
  (void)RenameFree(place.parent.get(), place.name, old.parent.get(), old.name,
                   now.fingerprint.kind == DiskKind::kDirectory, impl_->plain);
  return Changed(from, "was changed just now");
}

absl::Status RootDir::Exchange(std::string_view a,
                               const Fingerprint& expected_a,
                               std::string_view b,
                               const Fingerprint& expected_b) {
  SYNCLINE_ASSIGN_OR_RETURN(const Place at_a, impl_->LocateToChange(a));
  SYNCLINE_ASSIGN_OR_RETURN(const Place at_b, impl_->Locate(b));
  const auto holds = [&](const Place& place, const Fingerprint& expected) {
    EntryStat now;
    return impl_->Stat(place, now) == 0 &&
           now.fingerprint.SameIdentity(expected);
  };
  const auto swap = [&] {
    return RenameSwap(at_a.parent.get(), at_a.name, at_b.parent.get(),
                      at_b.name, impl_->plain);
  };
  if (!holds(at_a, expected_a)) return Changed(a, "is not what was expected");
  if (!holds(at_b, expected_b)) return Changed(b, "is not what was expected");
  impl_->Step("exchange");
  if (const int error = swap()) return PathError(error, "exchange with", a);
  impl_->Step("verify");
  if (holds(at_a, expected_b) && holds(at_b, expected_a))
    return absl::OkStatus();
  swap();
  return Changed(a, "was changed just now");
}

absl::StatusOr<Fingerprint> RootDir::SetAttributes(
    std::string_view path, const Fingerprint& expected,
    const FileAttributes& attributes) {
  if (expected.kind != DiskKind::kFile)
    return InvalidArgument("not a file: " + std::string(path));
  SYNCLINE_ASSIGN_OR_RETURN(const Place place, impl_->LocateToChange(path));
  Hold hold;  // Nobody can write while it lasts: mtime hides no change.
  SYNCLINE_RETURN_IF_ERROR(hold.Take(*impl_, place, path, expected));
  if (hold.fd() < 0) return PathError(EACCES, "open", path);
  impl_->Step("set attributes");
  if (attributes.executable != expected.executable() &&
      ::fchmod(hold.fd(),
               (expected.mode & 0666) |
                   WithExecutable(expected.mode, attributes.executable)) != 0)
    return PathError(errno, "chmod", path);
  if (attributes.mtime_ns && *attributes.mtime_ns != expected.mtime_ns &&
      ::futimens(hold.fd(), Times(*attributes.mtime_ns).both) != 0)
    return PathError(errno, "utimens", path);
  EntryStat now;
  if (const int error = StatAt(hold.fd(), "", impl_->device, now))
    return PathError(error, "stat", path);
  if (now.fingerprint.size != expected.size)
    return Changed(path, "was changed just now");
  return now.fingerprint;
}

}  // namespace syncline
