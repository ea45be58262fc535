#include "base/bytes.h"

#include <array>
#include <bit>
#include <cstring>

namespace syncline {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int Base32Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= '2' && c <= '7') return c - '2' + 26;
  return -1;
}

std::uint32_t Swapped(std::uint32_t value) { return __builtin_bswap32(value); }
std::uint64_t Swapped(std::uint64_t value) { return __builtin_bswap64(value); }

// To big endian, and back.
template <typename Number>
Number BigEndian(Number value) {
  return std::endian::native == std::endian::little ? Swapped(value) : value;
}

template <typename Number>
std::array<char, sizeof(Number)> BigEndianBytes(Number value) {
  return std::bit_cast<std::array<char, sizeof(Number)>>(BigEndian(value));
}

template <typename Number>
void AppendBigEndian(std::string& out, Number value) {
  const auto bytes = BigEndianBytes(value);
  out.append(bytes.data(), bytes.size());
}

// Zero where there are not enough bytes.
template <typename Number>
Number FromBigEndian(std::string_view bytes) {
  Number value = 0;
  if (bytes.size() == sizeof value) {
    std::memcpy(&value, bytes.data(), sizeof value);
  }
  return BigEndian(value);
}

}  // namespace

void AppendU32(std::string& out, std::uint32_t value) {
  AppendBigEndian(out, value);
}

void AppendU64(std::string& out, std::uint64_t value) {
  AppendBigEndian(out, value);
}

void StoreU32(std::string& out, std::size_t at, std::uint32_t value) {
  const auto bytes = BigEndianBytes(value);
  out.replace(at, bytes.size(), bytes.data(), bytes.size());
}

void AppendVarint(std::string& out, std::uint64_t value) {
  std::array<char, 10> bytes;
  std::size_t size = 0;
  for (; value >= 0x80; value >>= 7) {
    bytes[size++] = static_cast<char>(value | 0x80);
  }
  bytes[size++] = static_cast<char>(value);
  out.append(bytes.data(), size);
}

void AppendSized(std::string& out, std::string_view bytes) {
  AppendVarint(out, bytes.size());
  out.append(bytes);
}

std::string ToHex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    out.push_back(kHexDigits[byte >> 4]);
    out.push_back(kHexDigits[byte & 15]);
  }
  return out;
}

std::optional<std::string> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = HexValue(text[i]);
    int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string ToBase32(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 5) {
      count -= 5;
      out.push_back(kBase32Digits[(bits >> count) & 31]);
    }
    bits &= (1u << count) - 1;
  }
  if (count > 0) out.push_back(kBase32Digits[(bits << (5 - count)) & 31]);
  return out;
}

std::optional<std::string> FromBase32(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '-' || c == ' ') continue;
    int value = Base32Value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 5) | static_cast<std::uint32_t>(value);
    count += 5;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
      bits &= (1u << count) - 1;
    }
  }
  if (count >= 5 || bits != 0) return std::nullopt;
  return out;
}

std::uint8_t ByteReader::U8() {
  std::string_view bytes = Bytes(1);
  return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
}

std::uint32_t ByteReader::U32() {
  return FromBigEndian<std::uint32_t>(Bytes(4));
}

std::uint64_t ByteReader::U64() {
  return FromBigEndian<std::uint64_t>(Bytes(8));
}

std::uint64_t ByteReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    std::uint64_t byte = U8();
    if (!ok_ || (shift == 63 && byte > 1)) break;
    if (byte == 0 && shift > 0) break;  // A shorter form exists.
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  ok_ = false;
  return 0;
}

std::string_view ByteReader::Bytes(std::size_t count) {
  if (!ok_ || count > rest_.size()) {
    ok_ = false;
    return {};
  }
  std::string_view bytes = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return bytes;
}

std::string_view ByteReader::Sized() {
  return Bytes(static_cast<std::size_t>(Varint()));
}

}  // namespace syncline
