#include "replication/mirror/disk_entry.h"

#include <algorithm>

namespace syncline {

void AppendFingerprint(std::string& out, const Fingerprint& fingerprint) {
  out.push_back(static_cast<char>(fingerprint.kind));
  AppendVarint(out, fingerprint.mode);
  AppendVarint(out, fingerprint.device);
  AppendVarint(out, fingerprint.inode);
  AppendVarint(out, fingerprint.size);
  AppendU64(out, static_cast<std::uint64_t>(fingerprint.mtime_ns));
  AppendU64(out, static_cast<std::uint64_t>(fingerprint.ctime_ns));
}

Fingerprint ReadFingerprint(ByteReader& reader) {
  Fingerprint result;
  const std::uint8_t kind = reader.U8();
  const std::uint64_t mode = reader.Varint();
  result.device = reader.Varint();
  result.inode = reader.Varint();
  result.size = reader.Varint();
  result.mtime_ns = static_cast<std::int64_t>(reader.U64());
  result.ctime_ns = static_cast<std::int64_t>(reader.U64());
  if (kind > static_cast<std::uint8_t>(DiskKind::kMountPoint) || mode > 07777) {
    reader.Bytes(reader.rest().size() + 1);  // Makes it not ok().
    return {};
  }
  result.kind = static_cast<DiskKind>(kind);
  result.mode = static_cast<std::uint32_t>(mode);
  return result;
}

namespace {

// The rank of a path's byte: '/' comes before all that a name may hold.
int Rank(char byte) {
  return byte == '/' ? 0 : static_cast<unsigned char>(byte);
}

}  // namespace

std::strong_ordering ComparePaths(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (a[i] != b[i]) return Rank(a[i]) <=> Rank(b[i]);
  }
  return a.size() <=> b.size();
}

std::string PathKey(std::string_view path) {
  std::string key(path);
  std::replace(key.begin(), key.end(), '/', '\0');
  return key;
}

std::string PathOfKey(std::string_view key) {
  std::string path(key);
  std::replace(path.begin(), path.end(), '\0', '/');
  return path;
}

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string ChildPath(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path = directory;
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

std::string_view ParentPath(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view()
                                         : path.substr(0, slash);
}

std::string_view LastName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsLegalName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos &&
         !name.starts_with(".syncline");
}

bool IsLegalPath(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (!IsLegalName(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace syncline
