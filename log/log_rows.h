#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "clock/dot.h"
#include "kv/keys.h"
#include "log/append_log.h"
#include "log/frame.h"

// Keys and values of the log's rows: log/FORMAT.md. All readers take bytes
// that may be anything and answer kDataLoss when they are malformed.

namespace syncline {

struct Cursor;

// In kProjects a log owns every key that starts with this.
std::string LogRowsPrefix(ProjectNumber project);

// ---- kLog: one record for each seq
std::string RecordKey(ProjectNumber project, Seq seq);
void AppendRecord(std::string& out, const Draft& draft);
// `key` is the one of that record.
bool IsRecordKey(std::string_view key, ProjectNumber project, Seq seq);
// The record at `seq`; its views are into `bytes`.
absl::StatusOr<RecordView> DecodeRecord(Seq seq, std::string_view bytes);
// The same for many records: `record` is set when it succeeds.
absl::Status DecodeRecord(Seq seq, std::string_view bytes, RecordView& record);
// The record that `bytes` starts with: `record.stored` is its part of them.
absl::Status DecodeRecordPrefix(Seq seq, std::string_view bytes,
                                Checksums checksums, RecordView& record);

// ---- kDots: one row for each run, that is, consecutive counters of one
// origin at consecutive seqs
struct Run {
  Dot first;
  Seq seq;      // Of `first`.
  Hash before;  // Chain hash of the origin before `first`.

  [[nodiscard]] Seq SeqOf(std::uint64_t counter) const {
    return {seq.value + (counter - first.counter)};
  }
};
std::string RunKey(ProjectNumber project, const Dot& first);
std::string OriginRunsPrefix(ProjectNumber project, const Origin& origin);
std::string EncodeRun(const Run& run);
absl::StatusOr<Run> DecodeRun(std::string_view key, std::string_view value);

// ---- kProjects: the log itself
inline constexpr std::size_t kLogIdBytes = 16;
struct HeadRow {
  LogId id;
  Seq head;
};
std::string HeadKey(ProjectNumber project);
std::string EncodeHead(const HeadRow& row);
//   kFailedPrecondition  written by a newer format
absl::StatusOr<HeadRow> DecodeHead(std::string_view value);

std::string HorizonKey(ProjectNumber project);
std::string EncodeHorizon(Seq horizon);
absl::StatusOr<Seq> DecodeHorizon(std::string_view value);

// ---- kProjects: one row for each origin appended
struct OriginRow {
  std::uint64_t counter = 0;
  Hash chain;
};
std::string OriginRowsPrefix(ProjectNumber project);
std::string OriginKey(ProjectNumber project, const Origin& origin);
std::string EncodeOrigin(const OriginRow& row);
absl::StatusOr<OriginRow> DecodeOrigin(std::string_view value);

// ---- kProjects: one row for each origin truncated
std::string TruncatedRowsPrefix(ProjectNumber project);
std::string TruncatedKey(ProjectNumber project, const Origin& origin);
std::string EncodeTruncated(std::uint64_t counter);
absl::StatusOr<std::uint64_t> DecodeTruncated(std::string_view value);

// ---- kProjects: one row for each named cursor (log/cursors.h)
std::string CursorRowsPrefix(ProjectNumber project);
std::string CursorKey(ProjectNumber project, std::string_view name);
std::string EncodeCursor(const Cursor& cursor);
absl::StatusOr<Cursor> DecodeCursor(std::string_view value);

// ---- kProjects: how far the space of truncated records was given back
std::string ReclaimedKey(ProjectNumber project);
std::string EncodeReclaimed(Seq through);
absl::StatusOr<Seq> DecodeReclaimed(std::string_view value);

// The origin at the end of a key of an origin's row.
absl::StatusOr<Origin> OriginOfKey(std::string_view prefix,
                                   std::string_view key);

}  // namespace syncline
