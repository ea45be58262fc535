#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace syncline {

// Makes directory `path`, and those above it that are missing, for this user
// alone, so that their names survive loss of power: what is synced inside of a
// directory that is itself forgotten is lost. Syncs the parent also if `path`
// is there: whoever made it may have died before it came to that.
//   kInvalidArgument  nothing of that name can be a directory: it, or one above
//                     it, is something else, or the name is too long
absl::Status MakeDurableDirectory(const std::filesystem::path& path);

// Makes `file` hold `bytes`, for this user alone and so that it survives loss
// of power: whoever opens it finds it whole, as it was or as it is to be. Its
// directory must be there; a name with ".new" behind it is used on the way.
// On failure `file` is what it was, or already what it was to be.
absl::Status WriteDurableFile(const std::filesystem::path& file,
                              std::string_view bytes);

}  // namespace syncline
