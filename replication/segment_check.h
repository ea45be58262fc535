#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "log/chain_head.h"
#include "log/entry.h"

namespace syncline {

class AppendLog;

// An entry that passed CheckSegment.
struct CheckedEntry {
  std::string_view bytes;  // Its message, within the segment.
  Entry entry;
  std::string device_key;
  Hash chain;  // Of its origin, with it.
};

struct CheckedSegment {
  std::vector<CheckedEntry> fresh;  // In the segment's order.
  std::uint64_t duplicates = 0;
};

inline constexpr std::size_t kSegmentEntriesMax = 4096;

// Reads a segment (frames one after the other) that a peer sent, and proves
// that its entries can follow what `log` holds: checksums, form, counters
// without gaps, covered contexts, and chains of hashes that arrive at `heads`,
// one for each origin of the segment. Reads only; the views point into
// `frames`.
//   kInvalidArgument    malformed, a gap or an uncovered context
//   kDataLoss           a checksum does not match
//   kAborted            a chain arrives elsewhere: a fork
//   kUnimplemented      made by a newer version of the format
absl::StatusOr<CheckedSegment> CheckSegment(std::string_view frames,
                                            const std::vector<ChainHead>& heads,
                                            const AppendLog& log);

}  // namespace syncline
