#include "node/settings_rows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/peer/invitation.h"

namespace syncline {
namespace {

// The strategy was a setting of the device once. What stands there now is a
// setting of the project; this keeps earlier programs reading.
constexpr std::string_view kNoStrategy = "merge";

void AppendIds(std::string& out, const std::vector<ProjectId>& ids) {
  AppendVarint(out, ids.size());
  for (const ProjectId& id : ids) AppendSized(out, id.bytes);
}

std::vector<ProjectId> ReadIds(ByteReader& reader) {
  std::vector<ProjectId> ids;
  const std::uint64_t count = reader.Varint();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    ids.push_back({std::string(reader.Sized())});
  }
  return ids;
}

void AppendBounds(std::string& out, const LogBounds& bounds) {
  AppendVarint(out, bounds.entries);
  AppendVarint(out, static_cast<std::uint64_t>(bounds.age_ms));
  AppendVarint(out, bounds.bytes);
}

LogBounds ReadBounds(ByteReader& reader) {
  LogBounds bounds;
  bounds.entries = reader.Varint();
  bounds.age_ms = static_cast<std::int64_t>(reader.Varint());
  bounds.bytes = reader.Varint();
  return bounds;
}

bool AllIdsWhole(const std::vector<ProjectId>& ids) {
  return std::all_of(ids.begin(), ids.end(), [](const ProjectId& id) {
    return id.bytes.size() == kProjectIdBytes;
  });
}

}  // namespace

std::string EncodeProjectRow(const ProjectRow& row) {
  std::string out;
  AppendU32(out, row.number.value);
  AppendSized(out, row.id.bytes);
  AppendSized(out, row.name);
  AppendSized(out, kNoStrategy);
  return out;
}

absl::StatusOr<ProjectRow> DecodeProjectRow(std::string_view bytes) {
  ByteReader reader(bytes);
  ProjectRow row;
  row.number.value = reader.U32();
  row.id.bytes = reader.Sized();
  row.name = reader.Sized();
  reader.Sized();
  if (!reader.AtEnd() || row.id.bytes.size() != kProjectIdBytes) {
    return DataLoss("a project row cannot be read");
  }
  return row;
}

std::string EncodeMirrorRow(const MirrorRow& row) {
  std::string out;
  AppendU32(out, row.id);
  AppendU32(out, row.project.value);
  AppendSized(out, row.dir);
  AppendVarint(out, row.paused ? 1 : 0);
  return out;
}

absl::StatusOr<MirrorRow> DecodeMirrorRow(std::string_view bytes) {
  ByteReader reader(bytes);
  MirrorRow row;
  row.id = reader.U32();
  row.project.value = reader.U32();
  row.dir = reader.Sized();
  row.paused = reader.Varint() != 0;
  if (!reader.AtEnd()) return DataLoss("a mirror row cannot be read");
  return row;
}

std::string EncodePeerRow(const PeerRow& row) {
  std::string out;
  AppendSized(out, row.id.hash.view());
  AppendSized(out, row.key);
  AppendSized(out, row.name);
  AppendVarint(out, row.renamed ? 1 : 0);
  AppendVarint(out, row.addresses.size());
  for (const std::string& address : row.addresses) AppendSized(out, address);
  AppendIds(out, row.projects);
  return out;
}

absl::StatusOr<PeerRow> DecodePeerRow(std::string_view bytes) {
  ByteReader reader(bytes);
  PeerRow row;
  const std::optional<Hash> id = Hash::FromBytes(reader.Sized());
  row.key = reader.Sized();
  row.name = reader.Sized();
  row.renamed = reader.Varint() != 0;
  const std::uint64_t addresses = reader.Varint();
  for (std::uint64_t i = 0; i < addresses && reader.ok(); ++i) {
    row.addresses.emplace_back(reader.Sized());
  }
  row.projects = ReadIds(reader);
  if (!reader.AtEnd() || !id || !AllIdsWhole(row.projects) ||
      (!row.key.empty() && row.key.size() != kDeviceKeyBytes)) {
    return DataLoss("a device row cannot be read");
  }
  row.id.hash = *id;
  return row;
}

std::string EncodeInvitationRow(const InvitationRow& row) {
  std::string out;
  AppendSized(out, row.id);
  AppendSized(out, row.secret);
  AppendIds(out, row.projects);
  AppendU64(out, static_cast<std::uint64_t>(row.expires_ms));
  AppendVarint(out, row.used ? 1 : 0);
  return out;
}

absl::StatusOr<InvitationRow> DecodeInvitationRow(std::string_view bytes) {
  ByteReader reader(bytes);
  InvitationRow row;
  row.id = reader.Sized();
  row.secret = reader.Sized();
  row.projects = ReadIds(reader);
  row.expires_ms = static_cast<std::int64_t>(reader.U64());
  row.used = reader.Varint() != 0;
  if (!reader.AtEnd() || row.id.size() != kInvitationIdBytes ||
      !AllIdsWhole(row.projects)) {
    return DataLoss("an invitation row cannot be read");
  }
  return row;
}

std::string EncodeFrontierRow(const FrontierRow& row) {
  std::string out;
  AppendSized(out, row.device.hash.view());
  AppendSized(out, row.project.bytes);
  AppendSized(out, row.frontier.Encode());
  return out;
}

absl::StatusOr<FrontierRow> DecodeFrontierRow(std::string_view bytes) {
  ByteReader reader(bytes);
  FrontierRow row;
  const std::optional<Hash> device = Hash::FromBytes(reader.Sized());
  row.project.bytes = reader.Sized();
  absl::StatusOr<VersionVector> frontier =
      VersionVector::Decode(reader.Sized());
  if (!reader.AtEnd() || !device || !frontier.ok() ||
      row.project.bytes.size() != kProjectIdBytes) {
    return DataLoss("a device's frontier cannot be read");
  }
  row.device.hash = *device;
  row.frontier = *std::move(frontier);
  return row;
}

std::string EncodeRetention(const RetentionPolicy& policy) {
  std::string out;
  AppendBounds(out, policy.keep);
  AppendBounds(out, policy.limit);
  return out;
}

absl::StatusOr<RetentionPolicy> DecodeRetention(std::string_view bytes) {
  ByteReader reader(bytes);
  RetentionPolicy policy;
  policy.keep = ReadBounds(reader);
  policy.limit = ReadBounds(reader);
  if (!reader.AtEnd() || policy.keep.age_ms < 0 || policy.limit.age_ms < 0) {
    return DataLoss("a retention row cannot be read");
  }
  return policy;
}

absl::Status CheckProjectName(std::string_view name) {
  constexpr std::size_t kBytesMax = 255;
  if (name.empty()) return InvalidArgument("a project needs a name");
  if (name.size() > kBytesMax) {
    return InvalidArgument("a project's name has at most 255 bytes");
  }
  if (name == "." || name == "..") {
    return InvalidArgument("a project cannot be named '.' or '..'");
  }
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '/') {
      return InvalidArgument(
          "a project's name has no '/' and no control characters");
    }
  }
  return absl::OkStatus();
}

std::string EncodeIncident(const Incident& incident) {
  std::string out;
  AppendU64(out, static_cast<std::uint64_t>(incident.at_ms));
  AppendSized(out, incident.what);
  return out;
}

absl::StatusOr<Incident> DecodeIncident(std::string_view bytes) {
  ByteReader reader(bytes);
  Incident incident;
  incident.at_ms = static_cast<std::int64_t>(reader.U64());
  incident.what = reader.Sized();
  if (!reader.AtEnd()) return DataLoss("the incident's row cannot be read");
  return incident;
}

}  // namespace syncline
