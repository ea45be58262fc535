#pragma once

#include <string>
#include <string_view>

#include "replication/device_identity.h"

namespace syncline {

// A device id as people type it, or the start of it: without the dashes and
// spaces that group it, in upper case.
inline std::string CompactDeviceId(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    result += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return result;
}

// Whether `start` is the id of `device` or its start; nothing is neither.
inline bool IsStartOf(std::string_view start, const DeviceId& device) {
  const std::string wanted = CompactDeviceId(start);
  return !wanted.empty() &&
         CompactDeviceId(device.ToText()).starts_with(wanted);
}

}  // namespace syncline
