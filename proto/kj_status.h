#pragma once

#include <kj/exception.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The border between exceptions, which kj and Cap'n Proto use for faults, and
// absl::Status, which everything of ours uses. Nothing else in the project
// catches; expected outcomes never cross here, they are union members in the
// schemas.

namespace syncline {

// DISCONNECTED kUnavailable; OVERLOADED kResourceExhausted; UNIMPLEMENTED
// kUnimplemented; FAILED kInternal. The message is the exception's
// description, without file, line and stack.
absl::Status StatusFromKj(const kj::Exception& exception);

// The reverse, to reject a promise with; other codes become FAILED.
// Requires (checked): `status` is not OK.
kj::Exception KjFromStatus(const absl::Status& status);

// Runs `function` and returns what it threw, if anything.
absl::Status CatchKj(absl::FunctionRef<void()> function);

// The same for a function with a result (not a reference, not a Status).
template <typename Function>
auto CatchKjResult(Function&& function)
    -> absl::StatusOr<std::invoke_result_t<Function>> {
  std::optional<std::invoke_result_t<Function>> result;
  absl::Status status = CatchKj([&] { result.emplace(function()); });
  if (!status.ok()) return status;
  return *std::move(result);
}

}  // namespace syncline
