#pragma once

#include "absl/status/status.h"

namespace rocksdb {
class Status;
}

namespace syncline {

// The one place where RocksDB's results become ours.
//   NotFound kNotFound; Corruption and missing files kDataLoss; no space
//   kResourceExhausted; Busy and TryAgain kAborted; the rest, other I/O
//   included, kInternal.
absl::Status FromRocks(const rocksdb::Status& status);

}  // namespace syncline
