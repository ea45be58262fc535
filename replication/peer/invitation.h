#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "replication/device_identity.h"
#include "replication/project_id.h"

namespace syncline {

inline constexpr std::size_t kProjectIdBytes = 16;
inline constexpr std::size_t kInvitationIdBytes = 16;
inline constexpr std::size_t kInvitationSecretBytes = 32;

// What a project is called by the one who offers it.
struct ProjectInfo {
  ProjectId id;
  std::string name;
  friend bool operator==(const ProjectInfo&, const ProjectInfo&) = default;
};

// What one device hands to another, by a way that people trust, so that the
// two can find and believe each other once. Whoever has the code can redeem
// it: it must be kept as secret as a password until then.
struct Invitation {
  static constexpr std::size_t kAddressesMax = 16;
  static constexpr std::size_t kProjectsMax = 256;
  static constexpr std::size_t kNameBytesMax = 255;
  static constexpr std::size_t kCodeBytesMax = 32u << 10;

  std::string device_name;  // Of the one who invites.
  DeviceId device;
  std::vector<std::string> addresses;  // "HOST:PORT" where it listens.
  std::vector<ProjectInfo> projects;
  std::string secret;  // kInvitationSecretBytes; see NewInvitationSecret.

  // One line of text, "SYNC-" and base32 in groups, with a checksum.
  //   kInvalidArgument  over a limit above
  [[nodiscard]] absl::StatusOr<std::string> Encode() const;
  // Reads a code, which may be anything; case, '-' and blanks are ignored.
  //   kInvalidArgument  not a code, mistyped, or of a newer version
  static absl::StatusOr<Invitation> Decode(std::string_view code);

  friend bool operator==(const Invitation&, const Invitation&) = default;
};

std::string NewInvitationSecret(RandomSource& random);
// Names an invitation without giving its secret away: kInvitationIdBytes.
std::string InvitationIdOf(std::string_view secret);
// Proves knowledge of `secret` for this transcript only: 32 bytes.
std::string InvitationMac(std::string_view secret, std::string_view transcript);

}  // namespace syncline
