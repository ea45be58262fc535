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

// A longer symlink is refused by some file systems (XFS: 1024 bytes).
constexpr std::size_t kSymlinkBytes = 1000;

std::string RandomSuffix(std::string_view object) {
  object.remove_prefix(kObjectPrefix.size());
  return std::string(object);
}

}  // namespace

absl::Status Changed(std::string_view path, std::string_view why) {
  std::string message(path);
  message += ": ";
  message += why;
  return MakeStatus(absl::StatusCode::kAborted, message);
}

std::string Intent::Encode() const {
  std::string record = "1";
  AppendVarint(record, staged_inode);
  AppendFingerprint(record, expected);
  // The path goes in clear, for a person who looks; the rest cannot, for a
  // symlink holds no NUL.
  return ToHex(record) + "/" + path;
}

bool Intent::Decode(std::string_view text, Intent& out) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto record = FromHex(text.substr(0, slash));
  if (!record) return false;
  ByteReader reader(*record);
  if (reader.U8() != '1') return false;
  out.staged_inode = reader.Varint();
  out.expected = ReadFingerprint(reader);
  out.path = std::string(text.substr(slash + 1));
  return reader.AtEnd() && IsLegalPath(out.path);
}

std::string IntentNameOf(const std::string& object) {
  return std::string(kIntentPrefix) + RandomSuffix(object);
}

int WriteIntent(int private_dir, const std::string& object,
                const Intent& intent) {
  const std::string name = IntentNameOf(object);
  const std::string text = intent.Encode();
  if (text.size() <= kSymlinkBytes) {
    if (::symlinkat(text.c_str(), private_dir, name.c_str()) == 0) return 0;
    if (errno != EPERM && errno != ENAMETOOLONG) return errno;
  }
  UniqueFd file;
  if (const int error = OpenBeneath(private_dir, name,
                                    O_WRONLY | O_CREAT | O_EXCL, file, 0600))
    return error;
  if (const int error = WriteAll(file.get(), text, 0)) return error;
  return ::fsync(file.get()) == 0 ? 0 : errno;
}

int ReadIntent(int private_dir, const std::string& name, std::string& out) {
  char buffer[PATH_MAX];
  const ssize_t length =
      ::readlinkat(private_dir, name.c_str(), buffer, sizeof buffer);
  if (length >= 0) {
    out.assign(buffer, static_cast<std::size_t>(length));
    return 0;
  }
  if (errno != EINVAL) return errno;
  UniqueFd file;
  if (const int error = OpenBeneath(private_dir, name, O_RDONLY, file))
    return error;
  out.clear();
  while (true) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0) return errno;
    if (count == 0) return 0;
    out.append(buffer, static_cast<std::size_t>(count));
  }
}

void Forget(int private_dir, const std::string& object) {
  ::unlinkat(private_dir, object.c_str(), 0);
  ::unlinkat(private_dir, IntentNameOf(object).c_str(), 0);
}

namespace {

// Puts `object` beside `name` under a name that says what it is.
int Beside(RootDir::Impl& root, int private_dir, const std::string& object,
           int directory, const std::string& name, std::string& out) {
  const std::string suffix = ".recovered-" + RandomSuffix(object);
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
      ::unlinkat(private_dir, IntentNameOf(object).c_str(), 0);
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
    ::unlinkat(private_dir, intent_name.c_str(), 0);
    return absl::OkStatus();
  }
  if (error) return PathError(error, "stat", object);
  std::string text;
  if (const int failed = internal::ReadIntent(private_dir, intent_name, text))
    return PathError(failed, "read", intent_name);
  Intent intent;
  if (!Intent::Decode(text, intent)) {
    // Cut short by a crash, so before anything was displaced; but do not bet
    // a file on it.
    intent = Intent{.path = "lost"};
  }
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
  // What no intent speaks of was staged and never swapped.
  for (const std::string& name : names) {
    if (name.starts_with(internal::kObjectPrefix) &&
        ::unlinkat(directory.get(), name.c_str(), 0) == 0)
      ++leftovers.removed;
  }
  return leftovers;
}

}  // namespace syncline
