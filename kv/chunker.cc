#include "kv/chunker.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/hash.h"

namespace syncline {
namespace {

// A cut is where the top bits of the gear hash are zero: two more bits than
// the normal size asks for before it is reached, two fewer after.
constexpr int kShiftBefore = 64 - 18;
constexpr int kShiftAfter = 64 - 14;

using GearTable = std::array<std::uint64_t, 256>;

const GearTable& Gear() {
  static const GearTable kTable = [] {
    GearTable table;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const char byte = static_cast<char>(i);
      const Hash hash = Sha256(std::string_view(&byte, 1));
      table[i] = ByteReader(hash.view()).U64();
    }
    return table;
  }();
  return kTable;
}

// Scans `bytes` from `at` to before `end`. Returns the index after the byte at
// which the hash cuts, or 0.
template <int kShift>
std::size_t Find(std::string_view bytes, std::size_t at, std::size_t end,
                 std::uint64_t& gear) {
  const GearTable& table = Gear();
  std::uint64_t hash = gear;
  for (; at < end; ++at) {
    hash = (hash << 1) + table[static_cast<unsigned char>(bytes[at])];
    if ((hash >> kShift) == 0) return at + 1;
  }
  gear = hash;
  return 0;
}

}  // namespace

Chunker::Step Chunker::Scan(std::string_view bytes) {
  // Positions in `bytes` at which the chunk reaches its three sizes.
  const auto reaches = [&](std::size_t size) {
    return std::min(bytes.size(), size - std::min(length_, size));
  };
  const std::size_t skipped = reaches(kBytesMin);
  const std::size_t normal = reaches(kBytesNormal);
  const std::size_t longest = reaches(kBytesMax);
  std::size_t cut = Find<kShiftBefore>(bytes, skipped, normal, gear_);
  if (cut == 0) cut = Find<kShiftAfter>(bytes, normal, longest, gear_);
  if (cut == 0 && length_ + longest == kBytesMax) cut = longest;
  if (cut != 0) {
    Reset();
    return {cut, true};
  }
  length_ += bytes.size();
  return {bytes.size(), false};
}

}  // namespace syncline
