#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace syncline::cli {

// The exit codes of the program: a promise to scripts.
enum class ExitCode : int {
  kDone = 0,
  kAttention = 1,  // Done, but conflicts, failed items or findings are left.
  kUsage = 2,
  kNotFound = 3,
  kTimeLimit = 4,
  kRefused = 5,  // Precondition, version mismatch, not authorised.
  kStore = 6,    // Corrupt, in use, of a newer format, or the disk is full.
  kNetwork = 7,  // Cannot listen, unreachable, handshake refused.
};

// What an error of an operation means to a script. The only place where codes
// of absl become exit codes.
ExitCode ExitCodeOf(const absl::Status& status);

// An error of opening the home: what is a refusal elsewhere (in use, a newer
// format) is about the store here. Becomes kStore, or kUsage where no home can
// be.
absl::Status StoreError(const absl::Status& status);
// Marks an error as one of the network; becomes kNetwork.
absl::Status NetworkError(const absl::Status& status);

// "why (what to do)" of an error, for the line that people see.
std::string Explain(const absl::Status& status);

}  // namespace syncline::cli
