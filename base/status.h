#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/text.h"

// Returns from the calling function if `expression` (an absl::Status) is not
// OK.
#define SYNCLINE_RETURN_IF_ERROR(expression)                                  \
  do {                                                                        \
    if (absl::Status syncline_status_ = (expression); !syncline_status_.ok()) \
        [[unlikely]]                                                          \
      return syncline_status_;                                                \
  } while (false)

// Evaluates `expression` (an absl::StatusOr<T>); returns its status if it is
// not OK, else moves the value to `target` (a declaration or an lvalue).
#define SYNCLINE_ASSIGN_OR_RETURN(target, expression) \
  SYNCLINE_ASSIGN_OR_RETURN_IMPL_(                    \
      SYNCLINE_CONCAT_(syncline_result_, __LINE__), target, expression)
#define SYNCLINE_ASSIGN_OR_RETURN_IMPL_(result, target, expression) \
  auto result = (expression);                                       \
  if (!result.ok()) [[unlikely]]                                    \
    return std::move(result).status();                              \
  target = *std::move(result)
#define SYNCLINE_CONCAT_(a, b) SYNCLINE_CONCAT_IMPL_(a, b)
#define SYNCLINE_CONCAT_IMPL_(a, b) a##b

namespace syncline {

// The same code with "context: " before the message; OK stays OK. Add context
// once, where the operation is known.
inline absl::Status Annotate(const absl::Status& status,
                             std::string_view context) {
  if (status.ok()) return status;
  std::string message(context);
  message += ": ";
  message += FromAbsl(status.message());
  return absl::Status(status.code(), ToAbsl(message));
}

// Shorthands that take std strings.
inline absl::Status MakeStatus(absl::StatusCode code,
                               std::string_view message) {
  return absl::Status(code, ToAbsl(message));
}
inline absl::Status InvalidArgument(std::string_view message) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, message);
}
inline absl::Status NotFound(std::string_view message) {
  return MakeStatus(absl::StatusCode::kNotFound, message);
}
inline absl::Status DataLoss(std::string_view message) {
  return MakeStatus(absl::StatusCode::kDataLoss, message);
}
inline absl::Status FailedPrecondition(std::string_view message) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, message);
}
inline absl::Status Internal(std::string_view message) {
  return MakeStatus(absl::StatusCode::kInternal, message);
}

// The status of a failed system call: `what` is the call and its object,
// `error_number` its errno. ENOENT kNotFound; EACCES, EPERM
// kPermissionDenied; ENOSPC, EDQUOT, EMFILE, ENOMEM kResourceExhausted;
// EEXIST kAlreadyExists; ENOTEMPTY, ENOTDIR, EISDIR, EROFS
// kFailedPrecondition; the rest kInternal.
absl::Status ErrnoStatus(int error_number, std::string_view what);

}  // namespace syncline
