#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clock/version_vector.h"
#include "kv/file_content.h"
#include "log/append_log.h"
#include "replication/peer/peer_messages.h"
#include "replication/replica.h"

namespace syncline {

// Cuts a project's log into segments for one peer, in the log's own order and
// only of what is durable, each ending where all that it holds is proven: own
// entries are signed here, others' come with the signatures that they came
// with, so that a segment cannot end just anywhere. What the peer has from
// others is left out, but for its chain hash: entries that build on it mean
// something else where it is not the same. Bound to the log's executor.
class SegmentReader {
 public:
  // What one turn may look at, so that the loop is never blocked for long.
  static constexpr std::size_t kScanRecordsMax = kSegmentEntriesMax;
  static constexpr std::size_t kScanBytesMax = 1u << 20;

  struct Cut {
    Segment segment;  // Without chunks; `frames` is empty if all was skipped.
    std::vector<FileContent::Ref> small;  // Content to send along.
    bool blocked = false;  // The next entry is larger than `bytes_max`.
  };

  // Borrows `replica`. Content of up to `inline_bytes_max` is sent along.
  SegmentReader(Replica& replica, std::size_t inline_bytes_max);

  // Goes to where the log has something that `frontier` lacks.
  //   kOutOfRange  truncated: the peer cannot be served from the log
  absl::Status Start(const VersionVector& frontier);

  // The next segment: entries that `covered` lacks, at most `bytes_max` bytes
  // with their content, but up to the next end, however far, if `oversize`.
  //   kOutOfRange  truncated meanwhile
  //   kFailedPrecondition  what comes next cannot be proven to others
  //   other        the log cannot be read
  absl::StatusOr<Cut> Next(const VersionVector& covered, std::size_t bytes_max,
                           bool oversize);

  // Everything durable was looked at.
  [[nodiscard]] bool AtHead() const;

 private:
  struct Reached {
    std::uint64_t counter = 0;
    Hash hash;
  };
  class Gathering;

  absl::Status Advance(const RecordView& record);
  void AdvanceIfKnown(const RecordView& record);
  absl::StatusOr<std::vector<FileContent::Ref>> SmallOf(
      const RecordView& record, const std::set<Hash>& known) const;
  absl::StatusOr<ChainHead> HeadOf(const Dot& dot) const;
  absl::Status Fill(Gathering& gathered, const VersionVector& covered,
                    Cut& cut);
  absl::Status AddLeftOut(const VersionVector& covered,
                          std::vector<ChainHead>& chains);

  Replica& replica_;
  const AppendLog& log_;
  std::size_t inline_bytes_max_;
  Seq position_;
  std::map<Origin, Reached> chains_;
  // Whose entries were left out since the last segment.
  std::set<Origin> left_out_;
};

}  // namespace syncline
