#include "log/frame.h"

#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/hash.h"
#include "base/status.h"

namespace syncline {
namespace {

void AppendLittleU32(std::string& out, std::uint32_t value) {
  std::array<char, 4> bytes;
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out.append(bytes.data(), bytes.size());
}

std::uint32_t LittleU32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

void AppendFrame(std::string& out, std::string_view entry) {
  SYNCLINE_CHECK(!entry.empty() && entry.size() <= kEntryBytesMax,
                 "an entry that no reader would take");
  AppendLittleU32(out, static_cast<std::uint32_t>(entry.size()));
  AppendLittleU32(out, Crc32c(entry));
  out += entry;
  out.append(FrameBytes(entry.size()) - kFrameHeaderBytes - entry.size(), '\0');
}

absl::StatusOr<Frame> ParseFrame(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return InvalidArgument("frame: cut off");
  }
  const std::size_t length = LittleU32(bytes);
  if (length == 0 || length > kEntryBytesMax) {
    return InvalidArgument("frame: length out of bounds");
  }
  const std::size_t whole = FrameBytes(length);
  if (bytes.size() < whole) return InvalidArgument("frame: cut off");
  const std::string_view entry = bytes.substr(kFrameHeaderBytes, length);
  const std::string_view padding = bytes.substr(
      kFrameHeaderBytes + length, whole - kFrameHeaderBytes - length);
  if (padding.find_first_not_of('\0') != std::string_view::npos) {
    return InvalidArgument("frame: padding is not zero");
  }
  if (Crc32c(entry) != LittleU32(bytes.substr(4))) {
    return DataLoss("frame: checksum does not match");
  }
  return Frame{entry, whole};
}

}  // namespace syncline
