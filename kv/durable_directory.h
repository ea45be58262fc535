#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace syncline {

// Makes directory `path`, and those above it that are missing, for this user
// alone, so that their names survive loss of power: what is synced inside of a
// directory that is itself forgotten is lost. Syncs the parent also if `path`
// is there: whoever made it may have died before it came to that.
absl::Status MakeDurableDirectory(const std::filesystem::path& path);

}  // namespace syncline
