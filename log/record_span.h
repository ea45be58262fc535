#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "log/append_log.h"
#include "log/frame.h"

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
  // Every checksum was compared, or made, in this process.
  bool checked = false;

  [[nodiscard]] bool empty() const { return bytes.empty(); }
};

// Walks the records of a span. Views live as long as the bytes.
class RecordWalk {
 public:
  // The bytes may be anything (they may come off a wire): every checksum is
  // checked.
  RecordWalk(Seq first, std::string_view bytes)
      : RecordWalk(first, bytes, Checksums::kCheck) {}
  // Does not check again what is checked. Borrows the span's bytes.
  explicit RecordWalk(const RecordSpan& span)
      : RecordWalk(span.first, span.bytes,
                   span.checked ? Checksums::kTrusted : Checksums::kCheck) {}

  [[nodiscard]] bool Valid() const { return valid_; }
  [[nodiscard]] const RecordView& record() const { return record_; }
  void Next() { Load(); }
  //   kDataLoss  malformed; the message names the seq
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  RecordWalk(Seq first, std::string_view bytes, Checksums checksums)
      : checksums_(checksums), next_(first), rest_(bytes) {
    Load();
  }
  void Load();

  Checksums checksums_;
  Seq next_;
  std::string_view rest_;
  bool valid_ = false;
  RecordView record_;
  absl::Status status_;
};

}  // namespace syncline
