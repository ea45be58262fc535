#pragma once

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace syncline {

// Debian's Abseil has a string_view of its own; these two convert.
inline absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view FromAbsl(absl::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace syncline
