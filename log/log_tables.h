#pragma once

#include <optional>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "log/append_log.h"

namespace syncline {

// What a log keeps in memory of its rows in kProjects.
struct LogTables {
  LogId id;
  Seq head;
  Seq horizon;
  VersionVector frontier;
  VersionVector truncated;
  std::unordered_map<Origin, Hash> chains;  // At the frontier.
};

// Reads the rows of a log, and checks that they agree with each other and with
// the first and last record; does not scan the log. Nothing if there is no
// log.
//   kDataLoss            they do not agree
//   kFailedPrecondition  written by a newer format
absl::StatusOr<std::optional<LogTables>> LoadLogTables(const Store& store,
                                                       ProjectNumber project);

}  // namespace syncline
