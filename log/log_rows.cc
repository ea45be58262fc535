#include "log/log_rows.h"

#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/status.h"
#include "log/cursors.h"
#include "log/frame.h"

namespace syncline {
namespace {

// 2: with records without entries.
constexpr std::uint64_t kFormat = 2;
constexpr std::uint64_t kOldestFormat = 1;
constexpr std::size_t kLocalHeaderBytes = 8;

// Parts of kProjects; the first keeps clear of other users of the column.
constexpr char kLogRows = 'l';
constexpr char kHead = 'a';
constexpr char kCursor = 'c';
constexpr char kHorizon = 'h';
constexpr char kOrigin = 'o';
constexpr char kReclaimed = 's';
constexpr char kTruncated = 't';

template <typename Number>
Number BigEndian(const char* bytes) {
  Number value = 0;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::endian::native == std::endian::big) return value;
  return sizeof value == sizeof(std::uint32_t) ? __builtin_bswap32(value)
                                               : __builtin_bswap64(value);
}

std::string LogRowKey(ProjectNumber project, char part) {
  return LogRowsPrefix(project) + part;
}

}  // namespace

std::string LogRowsPrefix(ProjectNumber project) {
  return ProjectPrefix(project) + kLogRows;
}

std::string RecordKey(ProjectNumber project, Seq seq) {
  std::string key = ProjectPrefix(project);
  AppendU64(key, seq.value);
  return key;
}

void AppendRecord(std::string& out, const Draft& draft) {
  if (draft.entry.empty()) {
    out.append(kFrameHeaderBytes, '\0');
  } else {
    AppendFrame(out, draft.entry);
  }
  // The local part: {length, checksum} of dot and changes.
  const std::size_t header = out.size();
  out.append(kLocalHeaderBytes, '\0');
  out += draft.dot.origin.view();
  AppendVarint(out, draft.dot.counter);
  if (draft.entry.empty()) {
    AppendU64(out, static_cast<std::uint64_t>(draft.joined_ms));
  }
  out += draft.changes;
  const std::string_view local =
      std::string_view(out).substr(header + kLocalHeaderBytes);
  StoreU32(out, header, static_cast<std::uint32_t>(local.size()));
  StoreU32(out, header + 4, Crc32c(local));
}

bool IsRecordKey(std::string_view key, ProjectNumber project, Seq seq) {
  constexpr std::size_t kNumberBytes = sizeof(std::uint32_t);
  return key.size() == kNumberBytes + sizeof seq.value &&
         BigEndian<std::uint32_t>(key.data()) == project.value &&
         BigEndian<std::uint64_t>(key.data() + kNumberBytes) == seq.value;
}

absl::Status DecodeRecordPrefix(Seq seq, std::string_view bytes,
                                Checksums checksums, RecordView& record) {
  constexpr std::string_view kNoFrame("\0\0\0\0\0\0\0\0", kFrameHeaderBytes);
  Frame frame{{}, kFrameHeaderBytes};
  if (!bytes.starts_with(kNoFrame)) {
    const absl::Status framed = ParseFrame(bytes, checksums, frame);
    if (!framed.ok()) return DataLoss(FromAbsl(framed.message()));
  }
  const std::string_view behind = bytes.substr(frame.bytes);
  if (behind.size() < kLocalHeaderBytes) return DataLoss("record: cut off");
  const std::size_t length = BigEndian<std::uint32_t>(behind.data());
  if (behind.size() - kLocalHeaderBytes < length) {
    return DataLoss("record: cut off");
  }
  const std::string_view local = behind.substr(kLocalHeaderBytes, length);
  if (checksums == Checksums::kCheck &&
      Crc32c(local) != BigEndian<std::uint32_t>(behind.data() + 4)) {
    return DataLoss("record: checksum of the local part does not match");
  }
  ByteReader reader(local);
  const std::string_view origin = reader.Bytes(Origin::kBytes);
  const std::uint64_t counter = reader.Varint();
  record.joined_ms = counter == 0 ? static_cast<std::int64_t>(reader.U64()) : 0;
  if (!reader.ok() || (counter == 0) != frame.entry.empty()) {
    return DataLoss("record: malformed dot");
  }
  record.seq = seq;
  std::memcpy(record.dot.origin.bytes.data(), origin.data(), Origin::kBytes);
  record.dot.counter = counter;
  record.stored = bytes.substr(0, frame.bytes + kLocalHeaderBytes + length);
  record.frame = bytes.substr(0, frame.bytes);
  record.entry = frame.entry;
  record.changes = reader.rest();
  return absl::OkStatus();
}

absl::Status DecodeRecord(Seq seq, std::string_view bytes, RecordView& record) {
  SYNCLINE_RETURN_IF_ERROR(
      DecodeRecordPrefix(seq, bytes, Checksums::kCheck, record));
  return record.stored.size() == bytes.size()
             ? absl::OkStatus()
             : DataLoss("record: bytes left over");
}

absl::StatusOr<RecordView> DecodeRecord(Seq seq, std::string_view bytes) {
  RecordView record;
  SYNCLINE_RETURN_IF_ERROR(DecodeRecord(seq, bytes, record));
  return record;
}

std::string RunKey(ProjectNumber project, const Dot& first) {
  std::string key = OriginRunsPrefix(project, first.origin);
  AppendU64(key, first.counter);
  return key;
}

std::string OriginRunsPrefix(ProjectNumber project, const Origin& origin) {
  std::string prefix = ProjectPrefix(project);
  prefix += origin.view();
  return prefix;
}

std::string EncodeRun(const Run& run) {
  std::string out;
  AppendU64(out, run.seq.value);
  out += run.before.view();
  return out;
}

absl::StatusOr<Run> DecodeRun(std::string_view key, std::string_view value) {
  ByteReader keys(key);
  keys.U32();
  const auto origin = Origin::FromBytes(keys.Bytes(Origin::kBytes));
  const std::uint64_t counter = keys.U64();
  ByteReader values(value);
  const Seq seq{values.U64()};
  const auto before = Hash::FromBytes(values.Bytes(Hash::kBytes));
  if (!origin || !before || !keys.AtEnd() || !values.AtEnd()) {
    return DataLoss("log: malformed run");
  }
  return Run{{*origin, counter}, seq, *before};
}

std::string HeadKey(ProjectNumber project) { return LogRowKey(project, kHead); }

std::string EncodeHead(const HeadRow& row) {
  std::string out;
  AppendVarint(out, kFormat);
  out += row.id.bytes;
  AppendU64(out, row.head.value);
  return out;
}

absl::StatusOr<HeadRow> DecodeHead(std::string_view value) {
  ByteReader reader(value);
  const std::uint64_t format = reader.Varint();
  if (reader.ok() && format > kFormat) {
    return FailedPrecondition("log: written by a newer version");
  }
  HeadRow row;
  row.id.bytes = reader.Bytes(kLogIdBytes);
  row.head.value = reader.U64();
  if (!reader.AtEnd() || format < kOldestFormat) {
    return DataLoss("log: malformed head row");
  }
  return row;
}

std::string HorizonKey(ProjectNumber project) {
  return LogRowKey(project, kHorizon);
}

std::string EncodeHorizon(Seq horizon) {
  std::string out;
  AppendU64(out, horizon.value);
  return out;
}

absl::StatusOr<Seq> DecodeHorizon(std::string_view value) {
  ByteReader reader(value);
  const Seq horizon{reader.U64()};
  if (!reader.AtEnd()) return DataLoss("log: malformed horizon row");
  return horizon;
}

std::string OriginRowsPrefix(ProjectNumber project) {
  return LogRowKey(project, kOrigin);
}

std::string OriginKey(ProjectNumber project, const Origin& origin) {
  return OriginRowsPrefix(project).append(origin.view());
}

std::string EncodeOrigin(const OriginRow& row) {
  std::string out;
  AppendVarint(out, row.counter);
  out += row.chain.view();
  return out;
}

absl::StatusOr<OriginRow> DecodeOrigin(std::string_view value) {
  ByteReader reader(value);
  const std::uint64_t counter = reader.Varint();
  const auto chain = Hash::FromBytes(reader.Bytes(Hash::kBytes));
  if (!chain || !reader.AtEnd() || counter == 0) {
    return DataLoss("log: malformed origin row");
  }
  return OriginRow{counter, *chain};
}

std::string TruncatedRowsPrefix(ProjectNumber project) {
  return LogRowKey(project, kTruncated);
}

std::string TruncatedKey(ProjectNumber project, const Origin& origin) {
  return TruncatedRowsPrefix(project).append(origin.view());
}

std::string EncodeTruncated(std::uint64_t counter) {
  std::string out;
  AppendVarint(out, counter);
  return out;
}

absl::StatusOr<std::uint64_t> DecodeTruncated(std::string_view value) {
  ByteReader reader(value);
  const std::uint64_t counter = reader.Varint();
  if (!reader.AtEnd() || counter == 0) {
    return DataLoss("log: malformed truncation row");
  }
  return counter;
}

std::string CursorRowsPrefix(ProjectNumber project) {
  return LogRowKey(project, kCursor);
}

std::string CursorKey(ProjectNumber project, std::string_view name) {
  return CursorRowsPrefix(project).append(name);
}

std::string EncodeCursor(const Cursor& cursor) {
  std::string out = cursor.log.bytes;
  AppendU64(out, cursor.seq.value);
  AppendU64(out, static_cast<std::uint64_t>(cursor.moved_ms));
  return out;
}

absl::StatusOr<Cursor> DecodeCursor(std::string_view value) {
  ByteReader reader(value);
  Cursor cursor;
  cursor.log.bytes = reader.Bytes(kLogIdBytes);
  cursor.seq.value = reader.U64();
  cursor.moved_ms = static_cast<std::int64_t>(reader.U64());
  if (!reader.AtEnd()) return DataLoss("log: malformed cursor");
  return cursor;
}

std::string ReclaimedKey(ProjectNumber project) {
  return LogRowKey(project, kReclaimed);
}

std::string EncodeReclaimed(Seq through) { return EncodeHorizon(through); }

absl::StatusOr<Seq> DecodeReclaimed(std::string_view value) {
  ByteReader reader(value);
  const Seq through{reader.U64()};
  if (!reader.AtEnd()) return DataLoss("log: malformed space row");
  return through;
}

absl::StatusOr<Origin> OriginOfKey(std::string_view prefix,
                                   std::string_view key) {
  const auto origin = key.starts_with(prefix)
                          ? Origin::FromBytes(key.substr(prefix.size()))
                          : std::nullopt;
  if (!origin) return DataLoss("log: malformed key of an origin's row");
  return *origin;
}

}  // namespace syncline
