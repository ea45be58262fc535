#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "log/chain_head.h"
#include "replication/device_identity.h"
#include "replication/project_id.h"

namespace syncline {

// The signature of `head` in `project`, by the device of its origin.
absl::StatusOr<std::string> SignChain(const DeviceIdentity& device,
                                      const ProjectId& project,
                                      const ChainHead& head);

// Whether the signature that comes with `head` is that of the holder of
// `public_key`. All may be anything.
[[nodiscard]] bool IsSigned(std::string_view public_key,
                            const ProjectId& project, const ChainHead& head);

}  // namespace syncline
