#include "replication/fork.h"

#include "absl/strings/cord.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::string_view kOriginPayload = "syncline/origin";

}  // namespace

absl::Status ForkStatus(const Origin& origin, std::string_view what) {
  absl::Status status = MakeStatus(absl::StatusCode::kAborted, what);
  status.SetPayload(ToAbsl(kOriginPayload), absl::Cord(ToAbsl(origin.view())));
  return status;
}

std::optional<Origin> ForkedOrigin(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kOriginPayload));
  if (!payload) return std::nullopt;
  return Origin::FromBytes(std::string(*payload));
}

}  // namespace syncline
