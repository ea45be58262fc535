#include "node/file_info.h"

#include <charconv>

#include "kv/file_content.h"

namespace syncline {
namespace {

std::string_view AttrOf(const Attrs& attrs, std::string_view key) {
  for (const auto& [name, value] : attrs) {
    if (name == key) return value;
  }
  return {};
}

std::int64_t MtimeMs(std::string_view text) {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  std::int64_t ns = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), ns);
  if (error != std::errc() || end != text.data() + text.size()) return 0;
  return ns / kNsPerMs;
}

}  // namespace

std::string_view KindName(ItemKind kind) {
  switch (kind) {
    case ItemKind::kDirectory:
      return "dir";
    case ItemKind::kFile:
      return "file";
    case ItemKind::kSymlink:
      return "symlink";
  }
  return "";
}

bool DescribePayload(std::string_view payload, ItemKind kind,
                     std::uint64_t& size, Hash& hash) {
  if (kind == ItemKind::kFile) {
    const absl::StatusOr<FileContent> content = FileContent::Decode(payload);
    if (!content.ok()) return false;
    size = content->size;
    hash = content->hash;
    return true;
  }
  if (kind == ItemKind::kSymlink) {
    const absl::StatusOr<std::string> target = DecodeSymlinkPayload(payload);
    if (!target.ok()) return false;
    size = target->size();
    return true;
  }
  return false;
}

FileInfo InfoOfRow(const std::string& path, const Row& row) {
  FileInfo info;
  info.path = path;
  info.kind = row.kind.value_or(ItemKind::kFile);
  info.item = path.empty() ? kRoot : row.item();
  info.conflict = row.conflict();
  info.exec = AttrOf(row.attrs, kExecAttr) == "1";
  info.mtime_ms = MtimeMs(AttrOf(row.attrs, kMtimeAttr));
  if (row.IsDirectory()) return info;
  const Sibling& shown = row.shown_sibling();
  info.version = shown.head.order.dot();
  DescribePayload(shown.payload(), info.kind, info.size, info.hash);
  if (info.kind == ItemKind::kSymlink) {
    info.target = DecodeSymlinkPayload(shown.payload()).value_or("");
  }
  return info;
}

}  // namespace syncline
