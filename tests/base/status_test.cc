#include "base/status.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <utility>

namespace syncline {
namespace {

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  SYNCLINE_ASSIGN_OR_RETURN(const int half, Half(number));
  SYNCLINE_ASSIGN_OR_RETURN(int quarter, Half(half));
  SYNCLINE_RETURN_IF_ERROR(absl::OkStatus());
  return quarter;
}

TEST_CASE("status: the macros pass values on and errors out", "[base]") {
  CHECK(Quarter(12).value() == 3);
  CHECK(Quarter(6).status() == InvalidArgument("odd"));
}

TEST_CASE("status: context goes before the message", "[base]") {
  CHECK(Annotate(NotFound("no such key"), "read the log") ==
        NotFound("read the log: no such key"));
  CHECK(Annotate(absl::OkStatus(), "read the log").ok());
}

TEST_CASE("status: errno becomes the code that callers branch on",
          "[base][table]") {
  using absl::StatusCode;
  const std::pair<int, StatusCode> table[] = {
      {ENOENT, StatusCode::kNotFound},
      {EACCES, StatusCode::kPermissionDenied},
      {ENOSPC, StatusCode::kResourceExhausted},
      {EDQUOT, StatusCode::kResourceExhausted},
      {EEXIST, StatusCode::kAlreadyExists},
      {ENOTEMPTY, StatusCode::kFailedPrecondition},
      {EIO, StatusCode::kInternal},
  };
  for (const auto& [number, code] : table) {
    const absl::Status status = ErrnoStatus(number, "open x");
    CHECK(status.code() == code);
    CHECK(FromAbsl(status.message()).starts_with("open x: "));
  }
}

}  // namespace
}  // namespace syncline
