#include "clock/dot.h"

#include <charconv>

namespace syncline {

std::optional<Dot> Dot::FromText(std::string_view text) {
  constexpr std::size_t kHex = 2 * Origin::kBytes;
  if (text.size() < kHex + 2 || text[kHex] != '.') return std::nullopt;
  std::optional<Origin> origin = Origin::FromHex(text.substr(0, kHex));
  std::string_view digits = text.substr(kHex + 1);
  if (!origin || (digits[0] == '0' && digits.size() > 1)) return std::nullopt;
  Dot dot{*origin, 0};
  const char* end = digits.data() + digits.size();
  auto parsed = std::from_chars(digits.data(), end, dot.counter);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return dot;
}

std::string Dot::ToText() const {
  return origin.ToHex() + "." + std::to_string(counter);
}

}  // namespace syncline
