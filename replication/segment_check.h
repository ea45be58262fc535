#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "log/chain_head.h"
#include "log/entry.h"
#include "replication/chain_signature.h"
#include "replication/project_id.h"

namespace syncline {

class AppendLog;

// An entry of a segment.
struct SegmentEntry {
  std::string_view bytes;  // Its message, within the segment.
  Entry entry;
  std::string device_key;
  Hash chain;  // Of its origin, with it; CheckSegment() finds it.
};

// In the segment's order.
using SegmentEntries = std::vector<SegmentEntry>;

struct CheckedSegment {
  std::span<const SegmentEntry> fresh;  // Of the entries that were checked.
  std::uint64_t duplicates = 0;
  // Behind it, for each origin with fresh entries; with the signature that
  // came, whatever it is worth.
  std::vector<ChainHead> reached;
};

inline constexpr std::size_t kSegmentEntriesMax = 4096;

// Reads a segment (frames one after the other) that a peer sent: checksums and
// form. The views point into `frames`. On any thread.
//   kInvalidArgument    malformed
//   kDataLoss           a checksum does not match
//   kUnimplemented      made by a newer version of the format
absl::StatusOr<SegmentEntries> ReadSegment(std::string_view frames);

// Proves that the entries of a segment can follow what `log` holds: counters
// without gaps, covered contexts, and chains of hashes that arrive at `heads`,
// one for each origin of the segment. Those that `log` has leave `entries`.
//   kInvalidArgument    a gap or an uncovered context
//   kAborted            a chain arrives elsewhere: a fork
absl::StatusOr<CheckedSegment> CheckSegment(SegmentEntries& entries,
                                            const std::vector<ChainHead>& heads,
                                            const AppendLog& log);

// Whether each of `heads` is signed by the device that `keys` names for its
// origin.
//   kInvalidArgument  one is not, or there is no such key
absl::Status CheckHeadsSigned(const ProjectId& project,
                              const std::vector<ChainHead>& heads,
                              const std::map<Origin, std::string>& keys);

// Whether each origin of `segment` is that of one device, which has signed
// where its entries arrive. `known`: the device's key of an origin that was
// seen before, or nothing.
//   kInvalidArgument  no signature, or one that is not the device's; a first
//                     entry that does not say whose it is; a later one that
//                     says otherwise
absl::Status CheckSignatures(
    const ProjectId& project, const CheckedSegment& segment,
    const std::function<std::string(const Origin&)>& known);

}  // namespace syncline
