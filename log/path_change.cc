#include "log/path_change.h"

#include <array>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::array<std::string_view, 12> kTypeNames = {
    "create", "update",   "delete",  "rename", "mkdir", "rmdir",
    "attr",   "conflict", "resolve", "doc",    "event", "subtree"};

// Which of the optional fields follow the path, in this order.
enum Flag : std::uint8_t {
  kHasFrom = 1,
  kHasItem = 2,
  kHasPayload = 4,
  kHasVersion = 8,
  kAllFlags = 15,
};

std::uint8_t FlagsOf(const PathChange& change) {
  unsigned flags = 0;
  if (!change.from.empty()) flags |= kHasFrom;
  if (change.item) flags |= kHasItem;
  if (!change.payload.empty()) flags |= kHasPayload;
  if (change.version) flags |= kHasVersion;
  return static_cast<std::uint8_t>(flags);
}

bool ReadItem(ByteReader& reader, PathChange& change) {
  change.item = ItemId::FromKey(reader.Bytes(ItemId::kKeyBytes));
  return change.item.has_value();
}

bool ReadVersion(ByteReader& reader, PathChange& change) {
  const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
  if (!origin) return false;
  change.version = Dot{*origin, reader.Varint()};
  return true;
}

// False: malformed. Also false where one change would have two forms.
bool ReadChange(ByteReader& reader, PathChange& change) {
  const std::uint8_t type = reader.U8();
  const std::uint8_t flags = reader.U8();
  if (type >= kTypeNames.size() || flags > kAllFlags) return false;
  change.type = static_cast<PathChange::Type>(type);
  if (change.type == PathChange::Type::kEvent) return false;
  change.path = reader.Sized();
  if (flags & kHasFrom) change.from = reader.Sized();
  if ((flags & kHasItem) && !ReadItem(reader, change)) return false;
  if (flags & kHasPayload) change.payload = reader.Sized();
  if ((flags & kHasVersion) && !ReadVersion(reader, change)) return false;
  return reader.ok() && FlagsOf(change) == flags;
}

}  // namespace

std::string_view PathChangeTypeName(PathChange::Type type) {
  return kTypeNames.at(static_cast<std::size_t>(type));
}

void AppendPathChanges(const std::vector<PathChange>& changes,
                       std::string& out) {
  for (const PathChange& change : changes) {
    out.push_back(static_cast<char>(change.type));
    out.push_back(static_cast<char>(FlagsOf(change)));
    AppendSized(out, change.path);
    if (!change.from.empty()) AppendSized(out, change.from);
    if (change.item) change.item->AppendKey(out);
    if (!change.payload.empty()) AppendSized(out, change.payload);
    if (change.version) {
      out += change.version->origin.view();
      AppendVarint(out, change.version->counter);
    }
  }
}

std::string EncodePathChanges(const std::vector<PathChange>& changes) {
  std::string out;
  AppendPathChanges(changes, out);
  return out;
}

absl::StatusOr<std::vector<PathChange>> DecodePathChanges(
    std::string_view bytes) {
  std::vector<PathChange> changes;
  ByteReader reader(bytes);
  while (!reader.AtEnd()) {
    if (!ReadChange(reader, changes.emplace_back())) {
      return InvalidArgument("path changes: malformed");
    }
  }
  return changes;
}

}  // namespace syncline
