#include "clock/origin.h"

#include <algorithm>

#include "base/bytes.h"

namespace syncline {

Origin Origin::Random(RandomSource& random) {
  Origin origin;
  random.Fill(origin.bytes);
  return origin;
}

std::optional<Origin> Origin::FromBytes(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  Origin origin;
  std::copy(bytes.begin(), bytes.end(), origin.bytes.begin());
  return origin;
}

std::optional<Origin> Origin::FromHex(std::string_view text) {
  std::optional<std::string> bytes = syncline::FromHex(text);
  return bytes ? FromBytes(*bytes) : std::nullopt;
}

std::string Origin::ToHex() const { return syncline::ToHex(view()); }

}  // namespace syncline
