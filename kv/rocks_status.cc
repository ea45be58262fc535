#include "kv/rocks_status.h"

#include <rocksdb/status.h>

#include "base/status.h"

namespace syncline {
namespace {

absl::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsNotFound()) return absl::StatusCode::kNotFound;
  if (status.IsCorruption()) return absl::StatusCode::kDataLoss;
  if (status.IsNoSpace() || status.IsMemoryLimit()) {
    return absl::StatusCode::kResourceExhausted;
  }
  // A file that the store's own records name is gone.
  if (status.IsPathNotFound()) return absl::StatusCode::kDataLoss;
  if (status.IsBusy() || status.IsTryAgain()) {
    return absl::StatusCode::kAborted;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return MakeStatus(CodeOf(status), status.ToString());
}

}  // namespace syncline
