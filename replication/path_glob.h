#pragma once

#include <string_view>

namespace syncline {

// Whether `path` matches `glob`: '?' is one byte and '*' any number within a
// name, "**" any number across names; "**/" also stands for no directory. A
// glob without '/' is tried on the last name alone. Takes time
// O(|glob| * |path|) whatever they are.
bool GlobMatches(std::string_view glob, std::string_view path);

}  // namespace syncline
