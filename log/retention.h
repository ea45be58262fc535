#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "clock/version_vector.h"
#include "log/append_log.h"

namespace syncline {

// How much of a log there may be, counted from its newest record. Records
// beyond any of the bounds are outside; 0 is no bound.
struct LogBounds {
  std::uint64_t entries = 0;
  std::int64_t age_ms = 0;  // Of the author's clock, see LogMeasure.
  std::uint64_t bytes = 0;  // Stored, before compression.

  [[nodiscard]] bool none() const {
    return entries == 0 && age_ms == 0 && bytes == 0;
  }
  friend bool operator==(const LogBounds&, const LogBounds&) = default;
};

// What is dropped of a log. Without bounds in `keep`: nothing.
struct RetentionPolicy {
  LogBounds keep = {};   // What is outside goes, unless somebody needs it ...
  LogBounds limit = {};  // ... and what is outside of this as well goes anyway.
  friend bool operator==(const RetentionPolicy&,
                         const RetentionPolicy&) = default;
};

// What must be read of a log to apply bounds to it.
class LogMeasure {
 public:
  virtual ~LogMeasure() = default;
  // The last seq up to which, from behind `since`, all records are older than
  // `before_ms`: at least `since`, at most `until`. Reads what it passes and
  // one more.
  virtual absl::StatusOr<Seq> OlderThrough(Seq since, Seq until,
                                           std::int64_t before_ms) = 0;
  // The last seq that lies outside of the newest `bytes`, about; 0 if all is
  // within.
  virtual absl::StatusOr<Seq> BeyondBytes(std::uint64_t bytes) = 0;
};

struct RetentionInput {
  Seq horizon;
  Seq durable;
  // The least position that a known peer or a named cursor has passed, of
  // those that are not behind the horizon already; nothing: nobody needs the
  // log.
  std::optional<Seq> passed;
  std::int64_t now_ms = 0;  // Since 1970.
};

struct RetentionPlan {
  Seq through;             // Truncate up to there; at most the horizon: not.
  bool overtakes = false;  // Somebody is left behind the horizon by it.
};

// Where to truncate. Pure but for `measure`, which is asked only for bounds
// that are set and only about records that are then dropped, so that a look at
// a log of which nothing is dropped costs next to nothing.
absl::StatusOr<RetentionPlan> PlanRetention(const RetentionPolicy& policy,
                                            const RetentionInput& input,
                                            LogMeasure& measure);

// The seq up to which a peer with `frontier` has everything that the log
// holds; nothing if it lacks what was truncated already (it needs a snapshot).
absl::StatusOr<std::optional<Seq>> PassedBy(const AppendLog& log,
                                            const VersionVector& frontier);

}  // namespace syncline
