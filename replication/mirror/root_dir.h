#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "replication/mirror/disk_entry.h"
#include "replication/mirror/unique_fd.h"

namespace syncline {

using ByteSink = std::function<absl::Status(std::string_view)>;

// All file system access of a mirror: everything goes through the root's
// descriptor, follows no symlink, enters no other mount and so never leaves
// the root.
//
// No stable bytes of a user are overwritten or unlinked: every call that takes
// a file away names the fingerprint whose content the caller has in the store,
// and checks it once the file has left its public name. No reader sees a
// partial file. The whole story: replication/mirror/ROOT.md.
//
// Codes, the same for every call; messages name the path:
//   kUnavailable         the root is gone, unreadable, replaced, or its marker
//                        is: pause the whole mirror, nothing was deleted
//   kNotFound            no such path (and the root is still there)
//   kAborted             somebody is changing the path, or has: rescan it, try
//                        later, backing off. Nothing was lost or changed
//   kAlreadyExists       something stands under that name: rescan it
//   kFailedPrecondition  a parent is no directory or is a symlink, a directory
//                        is not empty, or a mount is in the way, or the file
//                        system is read-only: rescan the parent
//   kPermissionDenied    freeze the path: it must not count as deleted
//   kResourceExhausted   no space or quota, too many files: pause writing
//   kInvalidArgument     the path is not legal (IsLegalPath)
//   kInternal            the rest, I/O errors above all: freeze the path
//
// Blocks on the disk. Thread-safe; two calls that change the same path at once
// behave like two programs that do.
class RootDir {
 public:
  struct Options {
    // A file younger than this (by ctime) is not read yet.
    std::int64_t settle_ms = 500;
    // Do without RENAME_EXCHANGE and RENAME_NOREPLACE. Found out by itself
    // where the file system lacks them.
    bool plain_renames = false;
    // Called before each step of a change, with its name: tests of races and
    // crashes hook in here.
    std::function<void(std::string_view step)> at_step;
  };
  struct Environment {  // Borrowed; must outlive the object.
    const TimeSource& time;
    RandomSource& random;  // Used in Open() only.
  };

  // Makes the directory at `path` the root of the mirror `mirror_id` (1 to 200
  // bytes, no newline) by writing the marker ".syncline-root" into it.
  // Repeating it is harmless.
  //   kAlreadyExists  it is the root of another mirror
  static absl::Status Attach(const std::string& path,
                             std::string_view mirror_id);
  // Takes the marker and the private directory away again. Call
  // CleanLeftovers() first.
  static absl::Status Detach(const std::string& path,
                             std::string_view mirror_id);

  //   kUnavailable  missing, no directory, unreadable, or the marker is not
  //                 that of `mirror_id`
  static absl::StatusOr<std::unique_ptr<RootDir>> Open(
      const std::string& path, std::string_view mirror_id,
      const Environment& environment, const Options& options);
  ~RootDir();
  RootDir(const RootDir&) = delete;
  RootDir& operator=(const RootDir&) = delete;

  // Whether the root is what Open() found. Every call does this by itself.
  [[nodiscard]] absl::Status Check() const;
  [[nodiscard]] std::uint64_t device() const;

  // --- Reading. "" is the root in Stat, ListDir and OpenDir.
  [[nodiscard]] absl::StatusOr<Fingerprint> Stat(std::string_view path) const;

  // Hands over the directory's entries in no order, all names that are there.
  // Stops at the first error of `sink` and returns it.
  using EntrySink =
      std::function<absl::Status(std::string_view name, const Fingerprint&)>;
  absl::Status ListDir(std::string_view path, const EntrySink& sink) const;

  struct FileRead {
    Fingerprint fingerprint;
    // An equal fingerprint will mean equal bytes. False where a writer has the
    // file mapped on a file system that would not show its stores: read it
    // again at every sweep.
    bool trusted = false;
  };
  // Streams a file to `sink`, whose bytes count only if the result is OK.
  //   kAborted  younger than the settle time, or changed while being read
  //   kFailedPrecondition  not a regular file
  absl::StatusOr<FileRead> ReadFile(std::string_view path,
                                    const ByteSink& sink) const;
  // A rule file as it is at the moment, settled or not. `path` may end in a
  // reserved name.
  //   kResourceExhausted  longer than `bytes_max`
  absl::StatusOr<std::string> ReadSmallFile(std::string_view path,
                                            std::size_t bytes_max) const;
  absl::StatusOr<std::string> ReadLink(std::string_view path) const;
  // An O_PATH descriptor of a directory, to watch it.
  absl::StatusOr<UniqueFd> OpenDir(std::string_view path) const;

  // --- Writing. A file comes to its place in two steps, so that one SyncAll()
  // serves many: stage all; SyncAll(); install all; SyncAll(); commit the
  // fingerprints to Base. A file installed without the first SyncAll() may be
  // empty after a loss of power, and would then pass for a user's edit.

  // A complete file or symlink under a private name; unlinked when destroyed,
  // which must be before the RootDir is.
  class Staged {
   public:
    Staged(Staged&&) noexcept;
    Staged& operator=(Staged&&) noexcept;
    ~Staged();
    [[nodiscard]] const Fingerprint& fingerprint() const;
    // Makes this one durable; cheaper than SyncAll() for a few.
    absl::Status Sync();

   private:
    friend class RootDir;
    struct Impl;
    explicit Staged(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

  struct FileAttributes {
    bool executable = false;
    std::optional<std::int64_t> mtime_ns = std::nullopt;  // Absent: now.
  };
  // `fill` hands the bytes to the sink it is given; runs of zeros become
  // holes. Permissions come from the umask plus the executable bit; one that
  // replaces a file takes over that file's. Returns fill's error as it is.
  absl::StatusOr<Staged> StageFile(
      const FileAttributes& attributes,
      const std::function<absl::Status(const ByteSink&)>& fill);
  absl::StatusOr<Staged> StageSymlink(std::string_view target,
                                      std::optional<std::int64_t> mtime_ns);

  // Puts a staged one at `path`: where nothing stands if `expected` is absent,
  // else in exchange for exactly that file or symlink, which is unlinked.
  // Returns the fingerprint for Base; its ctime_ns is 0 if somebody was at the
  // new file already, so that the next scan looks at it.
  //   kAlreadyExists, kAborted  as above; the user's file stands
  absl::StatusOr<Fingerprint> Install(
      Staged staged, std::string_view path,
      const std::optional<Fingerprint>& expected);

  absl::StatusOr<Fingerprint> MakeDir(std::string_view path);
  // Unlinks a file or symlink if it is the expected one.
  absl::Status Remove(std::string_view path, const Fingerprint& expected);
  //   kFailedPrecondition  not empty
  absl::Status RemoveDir(std::string_view path);

  // Renames where `to` is free. A file must equal `expected`, a directory be
  // the same inode. Returns the fingerprint under the new name.
  absl::StatusOr<Fingerprint> Rename(std::string_view from, std::string_view to,
                                     const Fingerprint& expected);
  // Swaps two paths, for renames that form a ring; neither may be above the
  // other. Both must be the same inodes as expected.
  absl::Status Exchange(std::string_view a, const Fingerprint& expected_a,
                        std::string_view b, const Fingerprint& expected_b);

  // Only if the file equals `expected`; the new fingerprint.
  absl::StatusOr<Fingerprint> SetAttributes(std::string_view path,
                                            const Fingerprint& expected,
                                            const FileAttributes& attributes);

  // All that was done in the root is durable when this returns (syncfs).
  absl::Status SyncAll();

  struct Leftovers {
    std::uint64_t removed = 0;  // Staged, or displaced and in the store.
    // A user's files that an interrupted change had displaced: where they are
    // now, under their own name or one with ".recovered-" in it. Scan them.
    std::vector<std::string> restored;
  };
  // Finishes what a crash interrupted. Call once, before anything is staged.
  absl::StatusOr<Leftovers> CleanLeftovers();

  struct Impl;  // Of the folder's own.

 private:
  explicit RootDir(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
