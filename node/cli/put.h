#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "node/cli/session.h"

namespace syncline::cli {

// Where a file goes and how.
struct PutTarget {
  std::string project;
  std::string path;
  std::string if_match;
  bool parents = false;
  bool resolve = false;  // Settles an open conflict.
  control::Bit exec = control::Bit::KEEP;
  std::int64_t mtime_ms = 0;
};

struct PutResult {
  std::uint64_t seq = 0;
  std::string version;
};

// Sends what `fd` gives up to its end.
absl::StatusOr<PutResult> PutFrom(Session& session, const PutTarget& target,
                                  int fd, const std::string& name);
// Sends the file `file`; its executable bit and time too if `attributes`.
absl::StatusOr<PutResult> PutFile(Session& session, PutTarget target,
                                  const std::string& file, bool attributes);

}  // namespace syncline::cli
