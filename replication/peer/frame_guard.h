#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace syncline {

// Follows the bytes of a Cap'n Proto stream (segment table, then segments) and
// refuses a message as soon as its announced size is over a limit, before
// memory is taken for it. Until Unlock() a stranger may send little.
class FrameGuard {
 public:
  static constexpr std::uint64_t kLockedMessageBytesMax = 4u << 10;
  static constexpr std::uint64_t kLockedBytesMax = 64u << 10;
  static constexpr std::uint64_t kMessageBytesMax = 8u << 20;
  static constexpr std::uint32_t kSegmentsMax = 512;

  // The next bytes that came.
  //   kInvalidArgument  not a message, or over a limit; for good
  absl::Status Feed(std::string_view bytes);
  // The other side has proven who it is.
  void Unlock() { locked_ = false; }

 private:
  absl::Status OnTable();

  bool locked_ = true;
  std::uint64_t total_ = 0;
  std::string table_;             // Of the message that is being read.
  std::size_t table_bytes_ = 4;   // How many it will have, as far as known.
  std::uint64_t body_bytes_ = 0;  // Still to come.
  absl::Status failed_;
};

}  // namespace syncline
