#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace syncline {

// What an application event may be.
struct EventLimits {
  static constexpr std::size_t kChannelBytesMax = 255;
  // Leaves room in an entry (4 MiB) for all else that it says.
  static constexpr std::size_t kPayloadBytesMax = 1u << 20;
};

// A channel is 1 to kChannelBytesMax bytes of UTF-8 without control
// characters.
//   kInvalidArgument  it is not; the message says why
absl::Status CheckChannel(std::string_view channel);

//   kInvalidArgument  longer than kPayloadBytesMax
absl::Status CheckPayload(std::string_view payload);

}  // namespace syncline
