#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/mirror/root_impl.h"

namespace syncline {
namespace internal {
namespace {

// Symlinks up to here are kept in their inode; a longer one takes a block,
// and to unlink what has blocks is what a change costs most for.
constexpr std::size_t kFastSymlinkBytes = 59;

std::string SuffixOf(std::string_view object) {
  object.remove_prefix(kObjectPrefix.size());
  return std::string(object);
}

std::string IntentNameOf(std::string_view object) {
  return std::string(kIntentPrefix) + SuffixOf(object);
}

std::string PathNameOf(std::string_view object) {
  return std::string(kPathPrefix) + SuffixOf(object);
}

int WriteFile(int directory, const std::string& name, std::string_view text,
              bool sync) {
  UniqueFd file;
  if (const int error =
          OpenBeneath(directory, name, O_WRONLY | O_CREAT | O_EXCL, file, 0600))
    return error;
  if (const int error = WriteAll(file.get(), text, 0)) return error;
  return !sync || ::fsync(file.get()) == 0 ? 0 : errno;
}

// A text kept as the target of a symlink, or as a file where it is too long.
int ReadText(int directory, const std::string& name, std::string& out) {
  char buffer[PATH_MAX];
  const ssize_t length =
      ::readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (length >= 0) {
    out.assign(buffer, static_cast<std::size_t>(length));
    return 0;
  }
  if (errno != EINVAL) return errno;
  UniqueFd file;
  if (const int error = OpenBeneath(directory, name, O_RDONLY, file))
    return error;
  out.clear();
  while (true) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0) return errno;
    if (count == 0) return 0;
    out.append(buffer, static_cast<std::size_t>(count));
  }
}

// At most 34 bytes, so 55 in base32: a fast symlink.
std::string EncodeNumbers(const Intent& intent) {
  std::string record = "1";
  AppendVarint(record, intent.staged_inode);
  record.push_back(static_cast<char>(intent.expected.kind));
  AppendVarint(record, intent.expected.mode);
  AppendVarint(record, intent.expected.inode);
  AppendVarint(record, intent.expected.size);
  AppendU64(record, static_cast<std::uint64_t>(intent.expected.mtime_ns));
  return ToBase32(record);
}

bool DecodeNumbers(std::string_view text, Intent& out) {
  const auto record = FromBase32(text);
  if (!record) return false;
  ByteReader reader(*record);
  if (reader.U8() != '1') return false;
  out.staged_inode = reader.Varint();
  out.expected.kind = static_cast<DiskKind>(reader.U8());
  out.expected.mode = static_cast<std::uint32_t>(reader.Varint());
  out.expected.inode = reader.Varint();
  out.expected.size = reader.Varint();
  out.expected.mtime_ns = static_cast<std::int64_t>(reader.U64());
  return reader.AtEnd();
}

}  // namespace

absl::Status Changed(std::string_view path, std::string_view why) {
  std::string message(path);
  message += ": ";
  message += why;
  return MakeStatus(absl::StatusCode::kAborted, message);
}

int WriteIntent(int private_dir, const std::string& object,
                const Intent& intent) {
  const std::string path_name = PathNameOf(object);
  if (intent.path.size() > kFastSymlinkBytes ||
      ::symlinkat(intent.path.c_str(), private_dir, path_name.c_str()) != 0) {
    // Not synced: without it a file is given back at the top, that is all.
    if (const int error = WriteFile(private_dir, path_name, intent.path, false))
      return error;
  }
  const std::string name = IntentNameOf(object);
  const std::string numbers = EncodeNumbers(intent);
  if (::symlinkat(numbers.c_str(), private_dir, name.c_str()) == 0) return 0;
  if (errno != EPERM) return errno;
  return WriteFile(private_dir, name, numbers, true);
}

Intent ReadIntent(int private_dir, const std::string& object) {
  Intent intent;
  std::string text;
  if (ReadText(private_dir, IntentNameOf(object), text) != 0 ||
      !DecodeNumbers(text, intent))
    intent = Intent();  // Matches nothing: the object is given back.
  if (ReadText(private_dir, PathNameOf(object), text) == 0 && IsLegalPath(text))
    intent.path = std::move(text);
  return intent;
}

void DropIntent(int private_dir, const std::string& object) {
  ::unlinkat(private_dir, IntentNameOf(object).c_str(), 0);
  ::unlinkat(private_dir, PathNameOf(object).c_str(), 0);
}

void Forget(int private_dir, const std::string& object) {
  ::unlinkat(private_dir, object.c_str(), 0);
  DropIntent(private_dir, object);
}

namespace {

// Puts `object` beside `name` under a name that says what it is.
int Beside(RootDir::Impl& root, int private_dir, const std::string& object,
           int directory, const std::string& name, std::string& out) {
  const std::string suffix = ".recovered-" + SuffixOf(object);
  out = name.substr(0, 255 - suffix.size()) + suffix;
  return RenameFree(private_dir, object, directory, out, false, root.plain);
}

// Swaps the object with what is staged at its public place, if that still is
// as it was staged. True if the object is public again.
bool SwapBack(RootDir::Impl& root, int private_dir, const std::string& object,
              const Intent& intent, const Place& place) {
  EntryStat now;
  if (root.Stat(place, now) != 0 ||
      now.fingerprint.inode != intent.staged_inode)
    return false;
  const auto swap = [&] {
    return RenameSwap(private_dir, object, place.parent.get(), place.name,
                      false) == 0;
  };
  // Somebody may have edited the new version, or put another file there, by
  // now: what came out must be what was staged, else it goes back.
  if (!swap()) return false;
  EntryStat out;
  if (StatAt(private_dir, object, root.device, out) == 0 &&
      out.fingerprint.inode == intent.staged_inode &&
      out.fingerprint.SameButCtime(now.fingerprint))
    return true;
  swap();
  return false;
}

}  // namespace

absl::StatusOr<std::string> GiveBack(RootDir::Impl& root, int private_dir,
                                     const std::string& object,
                                     const Intent& intent) {
  std::string beside;
  auto place = root.Locate(intent.path);
  if (place.ok()) {
    if (intent.staged_inode != 0 &&
        SwapBack(root, private_dir, object, intent, *place)) {
      Forget(private_dir, object);
      return intent.path;
    }
    int error = RenameFree(private_dir, object, place->parent.get(),
                           place->name, false, root.plain);
    std::string path = intent.path;
    if (error == EEXIST) {
      error = Beside(root, private_dir, object, place->parent.get(),
                     place->name, beside);
      path = ChildPath(ParentPath(intent.path), beside);
    }
    if (error == 0) {
      DropIntent(private_dir, object);
      return path;
    }
  }
  SYNCLINE_RETURN_IF_ERROR(root.Check());
  if (const int error = Beside(root, private_dir, object, root.fd.get(),
                               std::string(LastName(intent.path)), beside))
    return PathError(error, "give back", intent.path);
  ::unlinkat(private_dir, IntentNameOf(object).c_str(), 0);
  return beside;
}

absl::Status Hold::Take(const RootDir::Impl& root, const Place& place,
                        std::string_view path, const Fingerprint& expected) {
  if (const int error = root.Stat(place, stat_))
    return PathError(error, "stat", path);
  if (stat_.fingerprint != expected)
    return Changed(path, "is not what was expected");
  if (expected.kind != DiskKind::kFile) return absl::OkStatus();
  const int error =
      RootDir::Impl::OpenToRead(place.parent.get(), place.name, fd_);
  if (error == EACCES || error == EPERM) return absl::OkStatus();
  if (error) return Changed(path, "cannot be opened any more");
  const Lease lease = TakeLease(fd_.get());
  if (lease == Lease::kBusy) return Changed(path, "is open for writing");
  leased_ = lease == Lease::kGranted;
  if (const int again = StatAt(fd_.get(), "", root.device, stat_))
    return PathError(again, "stat", path);
  if (stat_.fingerprint != expected)
    return Changed(path, "is not what was expected");
  return absl::OkStatus();
}

void Hold::Release() {
  if (leased_) DropLease(fd_.get());
  leased_ = false;
  fd_ = UniqueFd();
}

bool Hold::Displaced(const Fingerprint& now) const {
  return now.SameButCtime(stat_.fingerprint) &&
         (!leased_ || LeaseUnbroken(fd_.get()));
}

absl::Status TakeAway(RootDir::Impl& root, int private_dir, const Place& place,
                      std::string_view path, const Fingerprint& expected,
                      const std::string& object) {
  Hold hold;
  SYNCLINE_RETURN_IF_ERROR(hold.Take(root, place, path, expected));
  const Intent intent{
      .staged_inode = 0, .expected = expected, .path = std::string(path)};
  if (const int error = WriteIntent(private_dir, object, intent))
    return PathError(error, "write the intent about", path);
  root.Step("take away");
  if (::renameat(place.parent.get(), place.name.c_str(), private_dir,
                 object.c_str()) != 0) {
    const int error = errno;
    Forget(private_dir, object);
    if (error == ENOENT) return Changed(path, "went away");
    return PathError(error, "take away", path);
  }
  root.Step("verify");
  EntryStat now;
  if (StatAt(private_dir, object, root.device, now) == 0 &&
      hold.Displaced(now.fingerprint))
    return absl::OkStatus();
  SYNCLINE_ASSIGN_OR_RETURN(const std::string back,
                            GiveBack(root, private_dir, object, intent));
  return Changed(path, back == path ? "was changed just now"
                                    : "was changed just now; it is at " + back);
}

}  // namespace internal

namespace {

using internal::EntryStat;
using internal::Intent;
using internal::PathError;

// Finishes or undoes one interrupted change.
absl::Status Settle(RootDir::Impl& root, int private_dir,
                    const std::string& intent_name,
                    RootDir::Leftovers& leftovers) {
  const std::string object = std::string(internal::kObjectPrefix) +
                             intent_name.substr(internal::kIntentPrefix.size());
  EntryStat now;
  const int error = internal::StatAt(private_dir, object, root.device, now);
  if (error == ENOENT) {  // Not begun, or all but done.
    internal::DropIntent(private_dir, object);
    return absl::OkStatus();
  }
  if (error) return PathError(error, "stat", object);
  const Intent intent = internal::ReadIntent(private_dir, object);
  const bool ours =
      intent.staged_inode != 0 && now.fingerprint.inode == intent.staged_inode;
  bool stored = now.fingerprint.SameButCtime(intent.expected);
  if (stored && intent.staged_inode == 0) {
    // Taken away and nothing put in its place yet: it goes back.
    const auto place = root.Locate(intent.path);
    EntryStat there;
    stored = place.ok() && root.Stat(*place, there) == 0;
  }
  if (ours || stored) {
    internal::Forget(private_dir, object);
    ++leftovers.removed;
    return absl::OkStatus();
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      std::string path, internal::GiveBack(root, private_dir, object, intent));
  leftovers.restored.push_back(std::move(path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RootDir::Leftovers> RootDir::CleanLeftovers() {
  SYNCLINE_RETURN_IF_ERROR(Check());
  std::vector<std::string> names;
  const absl::Status listed = impl_->ListPrivate(
      [&names](const std::string& name) { names.push_back(name); });
  if (absl::IsNotFound(listed)) return Leftovers{};
  SYNCLINE_RETURN_IF_ERROR(listed);
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd directory, impl_->PrivateDir());
  Leftovers leftovers;
  for (const std::string& name : names) {
    if (name.starts_with(internal::kIntentPrefix))
      SYNCLINE_RETURN_IF_ERROR(
          Settle(*impl_, directory.get(), name, leftovers));
  }
  // What no intent speaks of was staged and never swapped; a path alone is
  // that of a change that had not begun.
  for (const std::string& name : names) {
    const bool object = name.starts_with(internal::kObjectPrefix);
    if ((object || name.starts_with(internal::kPathPrefix)) &&
        ::unlinkat(directory.get(), name.c_str(), 0) == 0)
      leftovers.removed += object ? 1 : 0;
  }
  return leftovers;
}

}  // namespace syncline
