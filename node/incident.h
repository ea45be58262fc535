#pragma once

#include <cstdint>
#include <string>

namespace syncline {

// Why a node took another origin for its entries: its store was set back, or
// copied, or a copy of it was in use.
struct Incident {
  std::string what;        // For people.
  std::int64_t at_ms = 0;  // Since 1970.
  friend bool operator==(const Incident&, const Incident&) = default;
};

}  // namespace syncline
