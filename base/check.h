#pragma once

// SYNCLINE_CHECK(condition, "why"): aborts with file, line and text when
// `condition` is false, in every build. For programmer errors only: bytes from
// disk or peers must be turned into an absl::Status instead.
#define SYNCLINE_CHECK(condition, why)                                        \
  do {                                                                        \
    if (!(condition)) [[unlikely]]                                            \
      ::syncline::internal::CheckFailed(__FILE__, __LINE__, #condition, why); \
  } while (false)

namespace syncline::internal {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const char* why);

}  // namespace syncline::internal
