#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "log/append_log.h"
#include "log/record_span.h"
#include "log/subscription.h"

// Feeds: the records of one or many projects as they are stored, replayed and
// then live. The same values and rules inside the node's process (node/node.h)
// and over its socket (node/client/client.h).

namespace syncline {

// What a consumer stores to resume one source of a feed.
struct FeedPosition {
  LogId log;  // Empty: not known.
  Seq seq;    // The last record that was dealt with.
  friend bool operator==(const FeedPosition&, const FeedPosition&) = default;
};

// One project of a feed, and where to begin.
struct FeedSource {
  enum class From : std::uint8_t {
    kLive,      // What comes from now on.
    kOldest,    // The oldest record that is kept, and on.
    kPosition,  // Behind `position`; {"", 0} for everything there ever was.
  };

  static FeedSource Live(std::string project) {
    return {std::move(project), From::kLive, {}};
  }
  static FeedSource Oldest(std::string project) {
    return {std::move(project), From::kOldest, {}};
  }
  static FeedSource Behind(std::string project, FeedPosition position) {
    return {std::move(project), From::kPosition, std::move(position)};
  }

  std::string project;
  From from = From::kLive;
  FeedPosition position;  // kPosition only.
};

// Where a source began: its first record is `position.seq` + 1.
struct FeedStart {
  FeedPosition position;
  Seq head;  // The last record that could be seen then.
};

// Records of one source that follow those it gave before. RecordWalk
// (log/record_span.h) walks them, EventReader (proto/event_reader.h) reads the
// events in them.
struct FeedRecords {
  std::size_t source = 0;  // Index in the list of sources.
  // Valid until the callback returns; longer with a copy of `span.owner`, if
  // there is one (never over a socket).
  RecordSpan span;
};

// Why a feed ended. All that was delivered before is good.
struct FeedEnd {
  enum class Why : std::uint8_t {
    kCancelled,      // The node or the project was closed.
    kBehindHorizon,  // Truncated away: take a snapshot, then subscribe behind
                     // `horizon`.
    kCursorInvalid,  // A position of another log, or beyond the head.
    kFailed,         // See `status`.
  };

  Why why = Why::kCancelled;
  std::size_t source = 0;  // The one concerned, where one is.
  Seq horizon;             // kBehindHorizon, kCursorInvalid: what there is.
  Seq head;
  // Never OK. kFailed: kNotFound no such project; kDataLoss a damaged record;
  // kAborted the consumer threw; kUnavailable the connection was lost.
  absl::Status status;
};

// What a consumer is called with, one call after the other, on the executor of
// the node or client, never from within a call of theirs. Any of them may be
// empty, and may destroy the subscription. If one throws, this feed ends with
// kAborted and no other notices.
struct FeedHandlers {
  // Once, before records; one start for each source.
  std::function<void(const std::vector<FeedStart>&)> on_start;
  std::function<void(const FeedRecords&)> on_records;
  // Once, last; not after the subscription was destroyed.
  std::function<void(const FeedEnd&)> on_end;
};

// A running feed. Destroying it cancels: no call comes after that. Bound to
// the executor of the node or client that gave it.
class FeedSubscription {
 public:
  virtual ~FeedSubscription() = default;

  // Nothing is delivered between Pause() and Resume(), and nothing is kept for
  // the consumer meanwhile: it lags on the disk, not in memory.
  virtual void Pause() = 0;
  virtual void Resume() = 0;

  // Behind the last record delivered: where to resume. Empty log before
  // on_start.
  [[nodiscard]] virtual FeedPosition position(std::size_t source) const = 0;
};

}  // namespace syncline
