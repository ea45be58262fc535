#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace syncline {

// Bytes are carried as std::string (owned) and std::string_view (borrowed).

// Fixed width, most significant byte first: keys sort as numbers.
void AppendU32(std::string& out, std::uint32_t value);
void AppendU64(std::string& out, std::uint64_t value);
// Over the four bytes at `at`, which must be there.
void StoreU32(std::string& out, std::size_t at, std::uint32_t value);
// LEB128, at most 10 bytes.
void AppendVarint(std::string& out, std::uint64_t value);
// Varint length, then the bytes.
void AppendSized(std::string& out, std::string_view bytes);

// Lower-case hex. FromHex takes exactly that, or gives nothing.
std::string ToHex(std::string_view bytes);
std::optional<std::string> FromHex(std::string_view text);

// RFC 4648 base32 without padding (A-Z, 2-7). FromBase32 also takes lower
// case and skips '-' and spaces.
std::string ToBase32(std::string_view bytes);
std::optional<std::string> FromBase32(std::string_view text);

// Reads what the Append functions wrote, from bytes that may be anything. A
// read past the end or a malformed number gives zero or an empty view and
// makes ok() false for good, so a parser may check once at its end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t U8();
  std::uint32_t U32();
  std::uint64_t U64();
  std::uint64_t Varint();
  std::string_view Bytes(std::size_t count);  // A view into the input.
  std::string_view Sized();

  [[nodiscard]] bool ok() const { return ok_; }
  // Everything was read and nothing was malformed.
  [[nodiscard]] bool AtEnd() const { return ok_ && rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace syncline
