#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace syncline {

// What stands under a name on disk. kSpecial (fifo, socket, device) and
// kMountPoint (anything another file system is mounted on) are never synced.
enum class DiskKind : std::uint8_t {
  kFile = 0,
  kDirectory = 1,
  kSymlink = 2,
  kSpecial = 3,
  kMountPoint = 4,
};

// What stat tells of a file. As long as it stays equal, a file whose
// fingerprint was `trusted` when it was read (RootDir::ReadFile) holds the
// same bytes: mtime can be set back, ctime cannot.
//
// A rename moves ctime, so the fingerprint to keep is one taken after it.
// ctime_ns 0 never occurs on disk: such a fingerprint equals none there.
struct Fingerprint {
  DiskKind kind = DiskKind::kFile;
  std::uint32_t mode = 0;    // Permission bits, 07777.
  std::uint64_t device = 0;  // 0: that of the root, whatever its number.
  std::uint64_t inode = 0;
  std::uint64_t size = 0;  // Of a symlink: of its target. Directories: 0.
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;

  [[nodiscard]] bool executable() const { return (mode & 0100) != 0; }
  // The same inode, whatever it holds now.
  [[nodiscard]] bool SameIdentity(const Fingerprint& other) const {
    return kind == other.kind && device == other.device && inode == other.inode;
  }
  // Equal but for ctime, which our own rename moves.
  [[nodiscard]] bool SameButCtime(const Fingerprint& other) const {
    return SameIdentity(other) && mode == other.mode && size == other.size &&
           mtime_ns == other.mtime_ns;
  }
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// The form kept in Base rows. A malformed one makes `reader` not ok().
void AppendFingerprint(std::string& out, const Fingerprint& fingerprint);
Fingerprint ReadFingerprint(ByteReader& reader);

// Paths are relative to the root, components joined by '/', no slash at either
// end; "" is the root itself. Names are byte strings.
//
// The order of all sorted streams of paths (scans, Base rows): a directory
// comes right before all that is below it, siblings go by unsigned bytes. It
// is the byte order of PathKey(), which is the path with each '/' as a zero
// byte; no name contains one.
std::strong_ordering ComparePaths(std::string_view a, std::string_view b);
std::string PathKey(std::string_view path);
// The path of a key. Requires: `key` came from PathKey().
std::string PathOfKey(std::string_view key);

// `path` is `directory` or below it; everything is below "".
bool IsAtOrBelow(std::string_view path, std::string_view directory);
std::string ChildPath(std::string_view directory, std::string_view name);
// "" for a name at the top.
std::string_view ParentPath(std::string_view path);
std::string_view LastName(std::string_view path);

// May be the name of an item: 1 to 255 bytes, not "." or "..", without '/' and
// NUL, not starting with ".syncline".
bool IsLegalName(std::string_view name);
// Not "", and every component is legal.
bool IsLegalPath(std::string_view path);

}  // namespace syncline
