#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace syncline {

// A project's number inside one store: keys start with it. Never leaves the
// node; the replicated name of a project is ProjectId.
struct ProjectNumber {
  std::uint32_t value = 0;
  friend bool operator==(ProjectNumber, ProjectNumber) = default;
  friend auto operator<=>(ProjectNumber, ProjectNumber) = default;
};

// Big-endian project number: the prefix of a project's rows in kProjects,
// kLog, kDots, kHeads, kTree and kMirror.
std::string ProjectPrefix(ProjectNumber project);

// The least key above every key that starts with `prefix`; empty if there is
// none (all bytes 0xff).
std::string PrefixEnd(std::string_view prefix);

// In Column::kMeta: big-endian u32, the format of all rows. Kept by RocksStore;
// nobody else writes it.
inline constexpr std::string_view kMetaFormatKey = "format";

}  // namespace syncline
