#pragma once

#include <array>
#include <compare>
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

  friend bool operator==(const Origin&, const Origin&) = default;
  friend auto operator<=>(const Origin&, const Origin&) = default;
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
