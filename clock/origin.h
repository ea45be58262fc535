#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace syncline {

// One incarnation of a device's store: 16 random bytes, minted when a store is
// created, restored, or found to be a copy. Ordered bytewise. A value.
struct Origin {
  static constexpr std::size_t kBytes = 16;

  std::array<unsigned char, kBytes> bytes{};

  static Origin Random(RandomSource& random);
  // 16 raw bytes, or 32 lower-case hex digits; nothing if malformed.
  static std::optional<Origin> FromBytes(std::string_view bytes);
  static std::optional<Origin> FromHex(std::string_view text);

  // A view into this object.
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), kBytes};
  }
  [[nodiscard]] std::string ToHex() const;

  // By words: every entry compares some, and memcmp() is a call.
  friend bool operator==(const Origin& a, const Origin& b) {
    return a.Word(0) == b.Word(0) && a.Word(1) == b.Word(1);
  }
  friend std::strong_ordering operator<=>(const Origin& a, const Origin& b) {
    if (a.Word(0) != b.Word(0)) return a.Word(0) <=> b.Word(0);
    return a.Word(1) <=> b.Word(1);
  }

 private:
  // Eight of the bytes, the first of them worth most.
  [[nodiscard]] std::uint64_t Word(std::size_t at) const {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + sizeof word * at, sizeof word);
    return std::endian::native == std::endian::big ? word
                                                   : __builtin_bswap64(word);
  }
};

}  // namespace syncline

template <>
struct std::hash<syncline::Origin> {
  std::size_t operator()(const syncline::Origin& origin) const noexcept {
    std::size_t halves[2];
    __builtin_memcpy(halves, origin.bytes.data(), sizeof halves);
    return halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15u);
  }
};
