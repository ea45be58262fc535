#include "log/frame.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

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

std::uint32_t LittleU32(const char* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return std::endian::native == std::endian::little ? value
                                                    : __builtin_bswap32(value);
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
  Frame frame;
  SYNCLINE_RETURN_IF_ERROR(ParseFrame(bytes, Checksums::kCheck, frame));
  return frame;
}

absl::Status ParseFrame(std::string_view bytes, Checksums checksums,
                        Frame& frame) {
  if (bytes.size() < kFrameHeaderBytes) {
    return InvalidArgument("frame: cut off");
  }
  const std::size_t length = LittleU32(bytes.data());
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
  if (checksums == Checksums::kCheck &&
      Crc32c(entry) != LittleU32(bytes.data() + 4)) {
    return DataLoss("frame: checksum does not match");
  }
  frame = {entry, whole};
  return absl::OkStatus();
}

}  // namespace syncline
