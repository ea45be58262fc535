#pragma once

#include <cstddef>

namespace syncline {

// What a document may be that is written here. One that comes from elsewhere
// is taken as it is.
struct DocumentLimits {
  static constexpr std::size_t kNamespaceBytesMax = 255;
  static constexpr std::size_t kKeyBytesMax = 1024;
  static constexpr std::size_t kValueBytesMax = 1u << 20;
};

}  // namespace syncline
