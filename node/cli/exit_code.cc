#include "node/cli/exit_code.h"

#include "absl/strings/cord.h"
#include "base/text.h"
#include "node/home.h"

namespace syncline::cli {
namespace {

constexpr char kAreaUrl[] = "syncline/area";

absl::Status Mark(absl::Status status, const char* area) {
  if (!status.ok()) status.SetPayload(kAreaUrl, absl::Cord(area));
  return status;
}

bool IsMarked(const absl::Status& status, const char* area) {
  const auto payload = status.GetPayload(kAreaUrl);
  return payload.has_value() && *payload == area;
}

std::string_view Advice(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return "run 'syncline verify'";
    case absl::StatusCode::kResourceExhausted:
      return "free some space; if that does not help, start the node again";
    case absl::StatusCode::kUnavailable:
      return "check the address and that the other side serves";
    case absl::StatusCode::kPermissionDenied:
      return "check who may access it";
    default:
      return {};
  }
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  if (IsMarked(status, "store")) return ExitCode::kStore;
  if (IsMarked(status, "network")) return ExitCode::kNetwork;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kTimeLimit;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kRefused;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kNetwork;
    default:  // kDataLoss, kResourceExhausted, kInternal, ...
      return ExitCode::kStore;
  }
}

absl::Status StoreError(const absl::Status& status) {
  return IsNoHome(status) ? status : Mark(status, "store");
}

absl::Status NetworkError(const absl::Status& status) {
  return Mark(status, "network");
}

std::string Explain(const absl::Status& status) {
  std::string text(FromAbsl(status.message()));
  const std::string_view advice = Advice(status);
  if (!advice.empty() && text.find('(') == std::string::npos) {
    text += " (";
    text += advice;
    text += ')';
  }
  return text;
}

}  // namespace syncline::cli
