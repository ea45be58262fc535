#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kv/file_content.h"

namespace syncline {

// The chunks that list other chunks, for content with more of them than its
// payload holds. Internal to kv; format: kv/CONTENT_FORMAT.md.

// References in a list, all lists but the last of a level being full.
inline constexpr std::size_t kListRefsMax = 1024;

// `level` is that of the references: 0 if they name data.
std::string EncodeList(int level, const std::vector<FileContent::Ref>& refs);

// Reads a list of references of `level`. `last` says that it ends its content.
//   kDataLoss  malformed, or not as a writer would have made it
absl::StatusOr<std::vector<FileContent::Ref>> DecodeList(std::string_view bytes,
                                                         int level, bool last);

// Number, then length and hash of each.
void AppendRefs(std::string& out, const std::vector<FileContent::Ref>& refs);

// The sizes that a reference of `level` can have. `last`: it ends its content.
[[nodiscard]] bool RefHasValidSize(const FileContent::Ref& ref, int level,
                                   bool last);

}  // namespace syncline
