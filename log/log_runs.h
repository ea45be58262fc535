#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "log/append_log.h"
#include "log/log_rows.h"

namespace syncline {

// A run goes on over groups, but not for longer than this: a chain hash within
// a run is found by hashing from its start.
inline constexpr std::uint64_t kRunEntriesMax = 1024;

// The run that holds `dot`, which must be durable and not truncated.
//   kDataLoss  there is none
absl::StatusOr<Run> FindRun(const Store& store, ProjectNumber project,
                            const Dot& dot);

// The chain hash of the run's origin at `counter`, by hashing the records from
// the run's start. `counter` must be in the run.
absl::StatusOr<Hash> HashForward(const Store& store, ProjectNumber project,
                                 const Run& run, std::uint64_t counter);

// What dropping the records up to `through` changes.
struct Truncation {
  WriteBatch batch;
  VersionVector truncated;  // Of the origins that lose records.
};
// `frontier` is the durable one, `truncated` what was before, `through` at most
// the durable head and above the horizon. The run that goes on behind `through`
// in durable records is cut in two.
absl::StatusOr<Truncation> PlanTruncation(const Store& store,
                                          ProjectNumber project, Seq through,
                                          Seq durable,
                                          const VersionVector& frontier,
                                          const VersionVector& truncated);

}  // namespace syncline
