#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "log/append_log.h"

namespace syncline {

// An application's event, as it stands in a record.
struct EventView {
  std::string_view channel;
  std::string_view payload;
};

// Reads the events of records without decoding anything else of them. Keeps
// its memory from record to record: no allocation for each.
//
// Thread-compatible.
class EventReader {
 public:
  EventReader();
  ~EventReader();
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;

  // The events of `record`, in order; empty if it is a change of files or
  // documents. Views are valid until the next call.
  //   kInvalidArgument  the entry is malformed
  absl::StatusOr<std::span<const EventView>> Read(const RecordView& record);

  // When its author made it, by the author's clock: milliseconds since 1970.
  // Of the record that was read last.
  [[nodiscard]] std::int64_t time_ms() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
