#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace syncline::cli {

// All of the file `name`, or of stdin if it is "-".
//   kInvalidArgument  more than `bytes_max`
absl::StatusOr<std::string> ReadWhole(const std::string& name,
                                      std::size_t bytes_max = 4u << 20);

}  // namespace syncline::cli
