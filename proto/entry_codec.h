#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "log/entry.h"

namespace syncline {

// Bounds on what is encoded and decoded. They are wide enough for every entry
// that CausalState::Violation lets pass in practice, and for those that it
// must see in order to void them.
struct EntryLimits {
  static constexpr std::size_t kEffectsMax = 4096;
  static constexpr std::size_t kDotsMax = 65'535;  // In all effects together.
  static constexpr std::size_t kNameBytesMax = 4096;
  static constexpr std::size_t kAttrsMax = 16'384;  // In all hints together.
  static constexpr std::size_t kOriginsMax = 131'072;
  // Of the chains of all locations, each counted as often as it is used: 64
  // and its name for each element. A message can name one long chain from
  // many effects; this is what that may grow to in memory.
  static constexpr std::size_t kChainBytesMax = 8u << 20;
};

// An entry as it came off the wire or the log.
struct DecodedEntry {
  Entry entry;
  // Ed25519 public key of the origin's device (32 bytes); only in an origin's
  // first entry of a project, else empty.
  std::string device_key;
};

// The flat Cap'n Proto message of an entry (proto/entry.capnp): one segment
// without a segment table, a multiple of 8 bytes. Deterministic, and
// DecodeEntry gives back an equal entry. `device_key`: see DecodedEntry.
//   kInvalidArgument    a list that entry.h wants sorted is not, or an item
//                       kind is none
//   kResourceExhausted  beyond EntryLimits or kEntryBytesMax
absl::StatusOr<std::string> EncodeEntry(const Entry& entry,
                                        std::string_view device_key);

// Reads bytes that may be anything, at any alignment. What it returns has
// sorted, distinct lists where entry.h says so and encodes again, but may
// break the rules of CausalState::Violation.
//   kInvalidArgument  malformed or beyond EntryLimits: the sender's fault
//   kUnimplemented    an effect that only a newer version knows
absl::StatusOr<DecodedEntry> DecodeEntry(std::string_view bytes);

}  // namespace syncline
