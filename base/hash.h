#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace syncline {

// A SHA-256 value. Ordered bytewise.
struct Hash {
  static constexpr std::size_t kBytes = 32;

  std::array<unsigned char, kBytes> bytes{};

  // The 32 bytes, or nothing if `bytes` has another length.
  static std::optional<Hash> FromBytes(std::string_view bytes);
  // A view into this object.
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), kBytes};
  }
  [[nodiscard]] std::string ToHex() const;

  friend bool operator==(const Hash&, const Hash&) = default;
  friend auto operator<=>(const Hash&, const Hash&) = default;
};

// SHA-256 of one piece, and of two pieces one after the other.
Hash Sha256(std::string_view bytes);
Hash Sha256(std::string_view first, std::string_view second);

// SHA-256 of a stream. Thread-compatible.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Add(std::string_view bytes);
  // The hash of all that was added; the stream starts anew.
  Hash Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// CRC-32C (Castagnoli), hardware-assisted.
std::uint32_t Crc32c(std::string_view bytes);

}  // namespace syncline

template <>
struct std::hash<syncline::Hash> {
  std::size_t operator()(const syncline::Hash& value) const noexcept {
    std::size_t result;  // SHA-256 output is uniform: any 8 bytes do.
    __builtin_memcpy(&result, value.bytes.data(), sizeof result);
    return result;
  }
};
