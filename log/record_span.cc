#include "log/record_span.h"

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {

void RecordWalk::Load() {
  valid_ = false;
  if (rest_.empty() || !status_.ok()) return;
  const absl::StatusOr<RecordPrefix> prefix = DecodeRecordPrefix(next_, rest_);
  if (!prefix.ok()) {
    status_ = Annotate(prefix.status(), "seq " + std::to_string(next_.value));
    return;
  }
  record_ = prefix->record;
  rest_.remove_prefix(prefix->bytes);
  next_ = next_.next();
  valid_ = true;
}

}  // namespace syncline
