#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "log/cursors.h"
#include "log/retention.h"

// What is asked and told about cursors and truncation: plain values.

namespace syncline {

// A named cursor, and whether it can be resumed from.
struct CursorInfo {
  std::string name;
  Cursor cursor;
  CursorState state = CursorState::kValid;
};

struct CursorMove {
  std::string name;
  std::optional<Seq> seq = {};    // Nothing: to the newest durable record.
  std::optional<LogId> log = {};  // The log that `seq` is a position of.
  bool back = false;              // It may go back.
};

// Who may still want what a truncation drops.
struct LogHolder {
  enum class Kind : std::uint8_t { kCursor, kDevice } kind = Kind::kCursor;
  std::string name;  // Of the cursor; the id of the device.
  Seq passed;        // The last record that it has dealt with.
};

// Either through a seq, or what lies outside of bounds.
struct TruncateQuery {
  std::optional<Seq> through = {};
  LogBounds keep = {};
  bool force = false;  // Also what somebody has not passed.
};

struct Truncated {
  CursorState state = CursorState::kValid;  // kInvalid: beyond the head.
  std::uint64_t removed = 0;                // Records.
  Seq horizon;
  Seq head;
  bool refused = false;            // Nothing was done, because of `holders`.
  std::vector<LogHolder> holders;  // Who had not passed what went.
};

}  // namespace syncline
