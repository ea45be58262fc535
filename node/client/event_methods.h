#pragma once

#include <cstdint>

namespace syncline {

// A connection to the control socket whose first message asks for the
// bootstrap object of this name is one for events (proto/control.capnp).
inline constexpr char kEventObject[] = "events";

// Methods of EventControl and RecordSink there.
struct EventMethods {
  static constexpr std::uint16_t kAppendEvents = 0;
  static constexpr std::uint16_t kFeed = 1;
};
struct SinkMethods {
  static constexpr std::uint16_t kStart = 0;
  static constexpr std::uint16_t kPush = 1;
};

}  // namespace syncline
