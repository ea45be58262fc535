#include "log/log_space.h"

#include <algorithm>
#include <string>

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {
namespace {

// Records whose space is given back between two looks at `stop`.
constexpr std::uint64_t kPartRecords = 1u << 18;
constexpr std::uint64_t kWorthRecords = 1u << 14;
constexpr std::uint64_t kWorthBytes = 4u << 20;

}  // namespace

absl::StatusOr<Seq> ReclaimedThrough(const Store& store,
                                     ProjectNumber project) {
  const auto value = store.Get(Column::kProjects, ReclaimedKey(project));
  if (absl::IsNotFound(value.status())) return Seq{};
  SYNCLINE_RETURN_IF_ERROR(value.status());
  return DecodeReclaimed(*value);
}

void PutReclaimed(ProjectNumber project, Seq through, WriteBatch& rows) {
  rows.Put(Column::kProjects, ReclaimedKey(project), EncodeReclaimed(through));
}

absl::Status ReclaimSpace(Store& store, ProjectNumber project, Seq from,
                          Seq through, const std::function<bool()>& stop) {
  // The files that are made now survive a loss of power; so must the row that
  // says that the records are gone.
  SYNCLINE_RETURN_IF_ERROR(store.Sync());
  for (Seq first = from.next(); first <= through;) {
    if (stop()) return absl::CancelledError("the node is closing");
    const Seq end{std::min(through.value + 1, first.value + kPartRecords)};
    SYNCLINE_RETURN_IF_ERROR(store.Compact(
        Column::kLog, RecordKey(project, first), RecordKey(project, end)));
    first = end;
  }
  if (stop()) return absl::CancelledError("the node is closing");
  const std::string runs = ProjectPrefix(project);
  return store.Compact(Column::kDots, runs, PrefixEnd(runs));
}

bool WorthReclaiming(std::uint64_t records, std::uint64_t bytes) {
  return records >= kWorthRecords || bytes >= kWorthBytes;
}

}  // namespace syncline
