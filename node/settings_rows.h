#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clock/version_vector.h"
#include "kv/keys.h"
#include "log/retention.h"
#include "node/incident.h"
#include "replication/device_identity.h"
#include "replication/project_id.h"

// The rows of a node's settings and their bytes (node/FORMAT.md). Plain
// values. Decode functions take bytes that may be anything and give kDataLoss.

namespace syncline {

struct ProjectRow {
  ProjectNumber number;
  ProjectId id;
  std::string name;
  friend bool operator==(const ProjectRow&, const ProjectRow&) = default;
};

struct MirrorRow {
  std::uint32_t id = 0;
  ProjectNumber project;
  std::string dir;  // Absolute, without symbolic links when it was added.
  bool paused = false;
  friend bool operator==(const MirrorRow&, const MirrorRow&) = default;
};

// A device that this node shares projects with.
struct PeerRow {
  DeviceId id;
  std::string key;                     // Public key; empty until it was seen.
  std::string name;                    // As it named itself, or renamed here.
  bool renamed = false;                // The name was given here: keep it.
  std::vector<std::string> addresses;  // HOST:PORT, most useful first.
  std::vector<ProjectId> projects;     // Authorised.
  friend bool operator==(const PeerRow&, const PeerRow&) = default;
};

// An invitation that was given out.
struct InvitationRow {
  std::string id;      // InvitationIdOf(secret).
  std::string secret;  // Forgotten once it was used.
  std::vector<ProjectId> projects;
  std::int64_t expires_ms = 0;  // Since 1970.
  bool used = false;
  friend bool operator==(const InvitationRow&, const InvitationRow&) = default;
};

std::string EncodeIncident(const Incident& incident);
absl::StatusOr<Incident> DecodeIncident(std::string_view bytes);

// What a device is known to hold of a project, durably.
struct FrontierRow {
  DeviceId device;
  ProjectId project;
  VersionVector frontier;
};

std::string EncodeProjectRow(const ProjectRow& row);
absl::StatusOr<ProjectRow> DecodeProjectRow(std::string_view bytes);
std::string EncodeMirrorRow(const MirrorRow& row);
absl::StatusOr<MirrorRow> DecodeMirrorRow(std::string_view bytes);
std::string EncodePeerRow(const PeerRow& row);
absl::StatusOr<PeerRow> DecodePeerRow(std::string_view bytes);
std::string EncodeInvitationRow(const InvitationRow& row);
absl::StatusOr<InvitationRow> DecodeInvitationRow(std::string_view bytes);

std::string EncodeFrontierRow(const FrontierRow& row);
absl::StatusOr<FrontierRow> DecodeFrontierRow(std::string_view bytes);
std::string EncodeRetention(const RetentionPolicy& policy);
absl::StatusOr<RetentionPolicy> DecodeRetention(std::string_view bytes);

// Whether `name` may name a project: 1..255 bytes of UTF-8, no '/', no control
// characters, neither "." nor "..".
//   kInvalidArgument  it may not; the message says why
absl::Status CheckProjectName(std::string_view name);

}  // namespace syncline
