#include "log/record_span.h"

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {

void RecordWalk::Load() {
  valid_ = false;
  if (rest_.empty() || !status_.ok()) return;
  const absl::Status decoded =
      DecodeRecordPrefix(next_, rest_, checksums_, record_);
  if (!decoded.ok()) {
    status_ = Annotate(decoded, "seq " + std::to_string(next_.value));
    return;
  }
  rest_.remove_prefix(record_.stored.size());
  next_ = next_.next();
  valid_ = true;
}

}  // namespace syncline
