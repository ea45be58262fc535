#include "replication/peer/frame_guard.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace syncline {
namespace {

constexpr std::uint64_t kWordBytes = 8;

// Little endian, as the wire is.
std::uint32_t U32At(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

}  // namespace

absl::Status FrameGuard::Feed(std::string_view bytes) {
  if (!failed_.ok()) return failed_;
  total_ += bytes.size();
  if (locked_ && total_ > kLockedBytesMax)
    failed_ = InvalidArgument("too many bytes before the proof of identity");
  while (failed_.ok() && !bytes.empty()) {
    if (body_bytes_ > 0) {
      const std::uint64_t taken =
          std::min<std::uint64_t>(body_bytes_, bytes.size());
      body_bytes_ -= taken;
      bytes.remove_prefix(taken);
      continue;
    }
    const std::size_t taken =
        std::min(table_bytes_ - table_.size(), bytes.size());
    table_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (table_.size() == table_bytes_) failed_ = OnTable();
  }
  return failed_;
}

absl::Status FrameGuard::OnTable() {
  const std::uint32_t last = U32At(table_, 0);  // Segments less one.
  if (last >= kSegmentsMax) return InvalidArgument("not a message");
  const std::size_t unpadded = 4 * (std::size_t{last} + 2);
  const std::size_t padded =
      (unpadded + kWordBytes - 1) / kWordBytes * kWordBytes;
  if (table_bytes_ < padded) {
    table_bytes_ = padded;
    return absl::OkStatus();
  }
  for (std::uint32_t i = 0; i <= last; ++i)
    body_bytes_ += U32At(table_, 4 * (std::size_t{i} + 1)) * kWordBytes;
  if (body_bytes_ > (locked_ ? kLockedMessageBytesMax : kMessageBytesMax))
    return InvalidArgument("not a message, or too large a one");
  table_.clear();
  table_bytes_ = 4;
  return absl::OkStatus();
}

}  // namespace syncline
