#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace syncline {

// A frame is a stored entry as it is hashed, stored, cached, sent and backed
// up: {length u32, crc32c u32} little endian, the entry's message, zeros up to
// a multiple of 8. Format: log/FORMAT.md.
inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kEntryBytesMax = 4u << 20;

// Appends the frame of `entry`.
void AppendFrame(std::string& out, std::string_view entry);

struct Frame {
  std::string_view entry;  // Within the input.
  std::size_t bytes = 0;   // Of the whole frame, padding included.
};

// Reads the frame that `bytes` starts with; it may be anything.
//   kInvalidArgument  cut off, too long, or padding that is not zero
//   kDataLoss         the checksum does not match
absl::StatusOr<Frame> ParseFrame(std::string_view bytes);

}  // namespace syncline
