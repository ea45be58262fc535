#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/record_span.h"

namespace syncline {

// Which records a subscriber is given.
enum class Visibility : unsigned char {
  kDurable,  // Those that survive loss of power.
  kWritten,  // Also those that only survive the death of this process: they
             // come sooner, but after a loss of power a record that was
             // delivered may be gone and its seq be another record's.
};

// A cursor over the log that is woken when there is more. Replay and live
// delivery are the same code, so there is no hand-over between them: every
// record comes once, in order.
//
// A subscriber that keeps up is given groups of the tail cache, which all
// subscribers share; one that fell behind reads the store and costs the others
// nothing. Nothing is queued for it.
//
// Bound to the log's executor. Destroying it cancels: no call comes after it.
// Must not outlive the log.
class Subscription {
 public:
  virtual ~Subscription() = default;

  // What follows the cursor, up to about `bytes_max` (at least one record),
  // and moves the cursor behind it; empty if there is nothing. Once nothing is
  // left (see more()), `on_ready` is called when there is something again,
  // once.
  //   kNotFound  it was truncated away (AppendLog::horizon() says how far)
  //   kDataLoss  a record is damaged or missing; the message names the seq
  // After a failure the cursor stays where it is.
  absl::StatusOr<RecordSpan> Next(std::size_t bytes_max) {
    RecordSpan span;
    const absl::Status status = Take(bytes_max, Hold::kOwned, span);
    if (!status.ok()) return status;
    return span;
  }

  // The same for who is done with the records before it calls anything of this
  // log again, and is spared the counting of owners: `span.bytes` are valid
  // until then. A failure leaves `span` as it was.
  absl::Status Borrow(std::size_t bytes_max, RecordSpan& span) {
    return Take(bytes_max, Hold::kBorrowed, span);
  }

  // Next() would give something now.
  [[nodiscard]] virtual bool more() const = 0;
  // The last record given out.
  [[nodiscard]] virtual Seq cursor() const = 0;

 protected:
  enum class Hold : bool { kBorrowed, kOwned };
  virtual absl::Status Take(std::size_t bytes_max, Hold hold,
                            RecordSpan& span) = 0;
};

}  // namespace syncline
