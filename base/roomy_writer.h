#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace syncline {

// Writes what the Append functions of bytes.h append, where there surely is
// room for it: for short keys and values of which very many are written.
class RoomyWriter {
 public:
  explicit RoomyWriter(char* at) : at_(at) {}

  void U8(std::uint8_t value) { *at_++ = static_cast<char>(value); }
  void U32(std::uint32_t value) { Fixed(__builtin_bswap32(value)); }
  void U64(std::uint64_t value) { Fixed(__builtin_bswap64(value)); }
  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      U8(static_cast<std::uint8_t>(value | 0x80));
    U8(static_cast<std::uint8_t>(value));
  }
  void Bytes(std::string_view bytes) {
    at_ = std::copy(bytes.begin(), bytes.end(), at_);  // Maybe of nothing.
  }
  void Sized(std::string_view bytes) {
    Varint(bytes.size());
    Bytes(bytes);
  }
  // Behind what was written.
  [[nodiscard]] char* at() const { return at_; }

 private:
  template <typename Number>
  void Fixed(Number big_endian) {
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(at_, &big_endian, sizeof big_endian);
    at_ += sizeof big_endian;
  }

  char* at_;
};

}  // namespace syncline
