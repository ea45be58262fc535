#pragma once

#include <string>
#include <string_view>

#include "node/types.h"
#include "replication/replica.h"
#include "replication/state/causal_state.h"

namespace syncline {

// "file", "dir", "symlink".
std::string_view KindName(ItemKind kind);

// Size and hash of what `payload` describes; a symlink's size is that of its
// target. False if it cannot be read.
bool DescribePayload(std::string_view payload, ItemKind kind,
                     std::uint64_t& size, Hash& hash);

// What a row of the view says. `path` is its path.
FileInfo InfoOfRow(const std::string& path, const Row& row);

// The attribute values that mirrors and the API share.
inline constexpr char kExecAttr[] = "exec";    // "1", or absent.
inline constexpr char kMtimeAttr[] = "mtime";  // Nanoseconds since 1970.

}  // namespace syncline
