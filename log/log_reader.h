#pragma once

#include <memory>

#include "kv/store.h"
#include "log/append_log.h"

namespace syncline {

// Walks the records `from` to `to`, both inclusive, as of now; downwards if
// `from` is the larger one. Both must be in the log.
struct RecordRange {
  Seq from;
  Seq to;
};
std::unique_ptr<AppendLog::Reader> NewLogReader(const Store& store,
                                                ProjectNumber project,
                                                const RecordRange& range);

// A reader without records, with `status`.
std::unique_ptr<AppendLog::Reader> NewEndedReader(absl::Status status);

}  // namespace syncline
