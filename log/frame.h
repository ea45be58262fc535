#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace syncline {

// A frame is a stored entry as it is hashed, stored, cached, sent and backed
// up: {length u32, crc32c u32} little endian, the entry's message, zeros up to
// a multiple of 8. The message is never empty, so zeroed disk blocks are not
// frames. Format: log/FORMAT.md.
inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kEntryBytesMax = 4u << 20;

// Of the frame of an entry of `entry_bytes`, padding included.
constexpr std::size_t FrameBytes(std::size_t entry_bytes) {
  return kFrameHeaderBytes + (entry_bytes + 7) / 8 * 8;
}

// Appends the frame of `entry`. Requires (checked): 1 to kEntryBytesMax bytes.
void AppendFrame(std::string& out, std::string_view entry);

struct Frame {
  std::string_view entry;  // Within the input.
  std::size_t bytes = 0;   // Of the whole frame, padding included.
};

// kTrusted: somebody in this process has compared these very bytes with their
// checksums. Where they lie is checked all the same.
enum class Checksums : bool { kTrusted, kCheck };

// Reads the frame that `bytes` starts with; it may be anything.
//   kInvalidArgument  cut off, empty, too long, or padding that is not zero
//   kDataLoss         the checksum does not match
absl::StatusOr<Frame> ParseFrame(std::string_view bytes);
// The same where every record is read; `frame` is set when it succeeds.
absl::Status ParseFrame(std::string_view bytes, Checksums checksums,
                        Frame& frame);

}  // namespace syncline
