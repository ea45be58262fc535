#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  // Behind it, for each origin with fresh entries; with the signature that
  // came, whatever it is worth.
  std::vector<ChainHead> reached;
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
