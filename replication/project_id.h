#pragma once

#include <compare>
#include <string>

namespace syncline {

// The replicated name of a project: 16 random bytes. Shown in lower-case hex.
struct ProjectId {
  std::string bytes;
  friend bool operator==(const ProjectId&, const ProjectId&) = default;
  friend auto operator<=>(const ProjectId&, const ProjectId&) = default;
};

}  // namespace syncline
