#pragma once

#include "node/cli/invocation.h"

namespace syncline::cli {

// What `log` has below it: truncate, retention, cursor.
void AddLogKeepCommands(CLI::App& log, Invocation& in);

// The answer to a position that cannot be read from, which `end` must be.
absl::StatusOr<ExitCode> RefusePosition(const Invocation& in,
                                        control::LogEnd::Reader end);

}  // namespace syncline::cli
