#pragma once

#include <cstdint>
#include <string>

#include "node/cli/invocation.h"

namespace syncline::cli {

// What `log` has below it: truncate, retention, cursor.
void AddLogKeepCommands(CLI::App& log, Invocation& in);

// The answer to a position that cannot be read from, which `end` must be.
absl::StatusOr<ExitCode> RefusePosition(const Invocation& in,
                                        control::LogEnd::Reader end);

// "the log has 4 to 10".
std::string ExtentText(std::uint64_t horizon, std::uint64_t head);

}  // namespace syncline::cli
