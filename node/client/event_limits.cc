#include "node/client/event_limits.h"

#include "base/status.h"
#include "base/utf8.h"

namespace syncline {
namespace {

// U+0000 to U+001F, U+007F, and U+0080 to U+009F.
bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

absl::Status CheckChannel(std::string_view channel) {
  if (channel.empty()) return InvalidArgument("a channel needs a name");
  if (channel.size() > EventLimits::kChannelBytesMax) {
    return InvalidArgument("a channel's name has at most 255 bytes");
  }
  while (!channel.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(channel);
    if (bytes == 0) return InvalidArgument("a channel's name must be UTF-8");
    if (IsControl(channel.substr(0, bytes))) {
      return InvalidArgument("a channel's name has no control characters");
    }
    channel.remove_prefix(bytes);
  }
  return absl::OkStatus();
}

absl::Status CheckPayload(std::string_view payload) {
  if (payload.size() <= EventLimits::kPayloadBytesMax) return absl::OkStatus();
  return InvalidArgument("an event has at most 1 MiB");
}

}  // namespace syncline
