#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace syncline {

// What MergeJson() computes; see kTextMergeVersion.
inline constexpr int kJsonMergeVersion = 1;

// Members of the JSON object `text`, in its order: name (unescaped) and value
// as it is written. Views into `text`. Nothing if it is no JSON object or
// names a member twice.
using JsonMembers = std::vector<std::pair<std::string, std::string_view>>;
std::optional<JsonMembers> SplitJsonObject(std::string_view text);

// Whether `text` is one JSON value.
[[nodiscard]] bool IsJson(std::string_view text);

// The changes of two JSON objects since `base`, member by member, objects
// within them likewise. Where both changed a member: equal changes are one, a
// change wins over a removal, and of two different changes that of `newer`
// wins. Values that nobody changed keep their bytes; members of the result
// are sorted by name. Nothing if one of the three is no JSON object.
std::optional<std::string> MergeJson(std::string_view base,
                                     std::string_view older,
                                     std::string_view newer);

}  // namespace syncline
