#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "log/append_log.h"
#include "log/log_rows.h"

namespace syncline {

// What a log keeps in memory of its rows in kProjects.
struct LogTables {
  LogId id;
  Seq head;
  Seq horizon;
  VersionVector frontier;
  VersionVector truncated;
  std::unordered_map<Origin, Hash> chains;  // At the frontier.
  // The head row covers records up to this one; of those behind it:
  Seq recorded;
  std::map<Origin, OriginRow> unrecorded;
};

// Reads the rows of a log and the records that they do not cover yet, and
// checks that all agree with each other and with the first and last record;
// does not scan the log. Nothing if there is no log.
//   kDataLoss            they do not agree
//   kFailedPrecondition  written by a newer format
absl::StatusOr<std::optional<LogTables>> LoadLogTables(const Store& store,
                                                       ProjectNumber project);

}  // namespace syncline
