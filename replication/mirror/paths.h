#pragma once

#include <string>
#include <string_view>

namespace syncline {

// `path`, which is at or below `from`, as seen after `from` moved to `to`.
std::string Rebase(std::string_view path, std::string_view from,
                   std::string_view to);

// One of two canonical absolute directories is, or lies in, the other: they
// must not both be mirrored.
bool PathsOverlap(std::string_view first, std::string_view second);

}  // namespace syncline
