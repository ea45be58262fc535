#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "log/entry.h"
#include "proto/entry_codec.h"

// What the two halves of the entry codec must agree on; see entry.capnp.

namespace syncline::entry_tables {

// `where` of a node.
inline constexpr std::uint64_t kNowhere = 0;
inline constexpr std::uint64_t kOdd = 1;
inline constexpr std::uint64_t kInRoot = 2;
constexpr std::uint64_t InNode(std::uint64_t node) { return node + 3; }

inline constexpr std::string_view kUserCause = "user";

// The author's own counter in the context of a valid entry.
constexpr std::uint64_t ImpliedOwn(std::uint64_t counter) {
  return counter == 0 ? 0 : counter - 1;
}

// What a chain element counts for in EntryLimits::kChainBytesMax.
inline constexpr std::size_t kChainElementBytes = 64;
inline std::size_t ChainCost(std::string_view name) {
  return kChainElementBytes + name.size();
}

// More nodes than this have no use within the other limits.
inline constexpr std::size_t kNodesMax =
    EntryLimits::kChainBytesMax / kChainElementBytes +
    2 * EntryLimits::kEffectsMax;

inline std::string Packed(std::uint64_t value) {
  std::string packed;
  AppendVarint(packed, value);
  return packed;
}

inline constexpr ItemKind kKinds[] = {ItemKind::kDirectory, ItemKind::kFile,
                                      ItemKind::kSymlink};

inline std::optional<std::uint64_t> KindNumber(ItemKind kind) {
  for (std::uint64_t number = 0; number < std::size(kKinds); ++number) {
    if (kKinds[number] == kind) return number;
  }
  return std::nullopt;
}

}  // namespace syncline::entry_tables
