#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "log/append_log.h"

namespace syncline {

// Records that follow one another, as they are stored: their values in column
// `log` (log/FORMAT.md) end to end. The form in which subscribers, the tail
// cache and the control socket hand records on.
struct RecordSpan {
  Seq first;               // 0: the span is empty.
  Seq last;                // Of the last record.
  std::string_view bytes;  // Within `owner`.
  // Keeps `bytes`. Shared by all who were given the same records, and
  // immutable.
  std::shared_ptr<const void> owner;

  [[nodiscard]] bool empty() const { return bytes.empty(); }
};

// Walks the records of a span. The bytes may be anything (they may come off a
// wire); every checksum is checked. Views live as long as the bytes.
class RecordWalk {
 public:
  RecordWalk(Seq first, std::string_view bytes) : next_(first), rest_(bytes) {
    Load();
  }

  [[nodiscard]] bool Valid() const { return valid_; }
  [[nodiscard]] const RecordView& record() const { return record_; }
  void Next() { Load(); }
  //   kDataLoss  malformed; the message names the seq
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  void Load();

  Seq next_;
  std::string_view rest_;
  bool valid_ = false;
  RecordView record_;
  absl::Status status_;
};

}  // namespace syncline
