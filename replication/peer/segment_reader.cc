#include "replication/peer/segment_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/status.h"
#include "proto/entry_codec.h"

namespace syncline {
namespace {

absl::Status Truncated() {
  return MakeStatus(absl::StatusCode::kOutOfRange,
                    "the log was truncated past what the peer has");
}

std::size_t BytesOf(const std::vector<FileContent::Ref>& refs) {
  std::size_t bytes = 0;
  for (const FileContent::Ref& ref : refs) bytes += ref.bytes;
  return bytes;
}

}  // namespace

SegmentReader::SegmentReader(const AppendLog& log, std::size_t inline_bytes_max)
    : log_(log),
      inline_bytes_max_(std::min(inline_bytes_max, kInlineChunkBytesMax)) {}

absl::Status SegmentReader::Start(const VersionVector& frontier) {
  chains_.clear();
  position_ = log_.durable();
  for (const VersionVector::Slot& slot : log_.durable_frontier().slots()) {
    const std::uint64_t known = frontier.CounterOf(slot.origin);
    if (known >= slot.counter) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Seq> first,
                              log_.Find({slot.origin, known + 1}));
    if (!first) return Truncated();
    position_ = std::min(position_, Seq{first->value - 1});
  }
  return absl::OkStatus();
}

bool SegmentReader::AtHead() const { return position_ >= log_.durable(); }

absl::Status SegmentReader::Advance(const RecordView& record) {
  const auto [at, fresh] = chains_.try_emplace(record.dot.origin);
  Reached& reached = at->second;
  if (fresh || reached.counter + 1 != record.dot.counter) {
    reached.hash = {};
    if (record.dot.counter > 1) {
      const Dot before{record.dot.origin, record.dot.counter - 1};
      const absl::StatusOr<Hash> hash = log_.ChainAt(before);
      if (absl::IsNotFound(hash.status())) return Truncated();
      SYNCLINE_RETURN_IF_ERROR(hash.status());
      reached.hash = *hash;
    }
  }
  reached.counter = record.dot.counter;
  reached.hash = Sha256(reached.hash.view(), record.entry);
  return absl::OkStatus();
}

void SegmentReader::AdvanceIfKnown(const RecordView& record) {
  const auto at = chains_.find(record.dot.origin);
  if (at == chains_.end() || at->second.counter + 1 != record.dot.counter)
    return;
  at->second = {record.dot.counter,
                Sha256(at->second.hash.view(), record.entry)};
}

absl::StatusOr<std::vector<FileContent::Ref>> SegmentReader::SmallOf(
    const RecordView& record, const std::set<Hash>& known) const {
  std::vector<FileContent::Ref> small;
  std::size_t bytes = 0;
  if (inline_bytes_max_ == 0) return small;
  SYNCLINE_ASSIGN_OR_RETURN(const DecodedEntry decoded,
                            DecodeEntry(record.entry));
  for (const Effect& effect : decoded.entry.effects) {
    const auto* content = std::get_if<ContentEffect>(&effect);
    if (!content || content->item.kind != ItemKind::kFile) continue;
    const absl::StatusOr<FileContent> file =
        FileContent::Decode(content->payload);
    if (!file.ok() || file->level != 0 || file->refs.size() != 1) continue;
    const FileContent::Ref& ref = file->refs.front();
    if (ref.bytes > inline_bytes_max_ || known.contains(ref.hash)) continue;
    // An entry may name a thousand files: the rest is fetched.
    bytes += ref.bytes;
    if (bytes > kSegmentBytes) break;
    small.push_back(ref);
  }
  return small;
}

absl::StatusOr<SegmentReader::Cut> SegmentReader::Next(
    const VersionVector& covered, std::size_t bytes_max, bool oversize) {
  if (log_.Check(log_.id(), position_) != CursorState::kValid)
    return Truncated();
  Cut cut;
  std::set<Hash> small;
  std::set<Origin> touched;
  std::size_t bytes = 0;
  std::size_t scanned_bytes = 0;
  std::size_t scanned = 0;
  AppendLog::ReadOptions range;
  range.since = position_;
  const auto reader = log_.Read(range);
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (scanned == kScanRecordsMax || scanned_bytes > kScanBytesMax) break;
    if (record.joined()) {
      // The entries behind it may build on what was never in this log.
      if (!covered.Covers(log_.truncated())) return Truncated();
    } else if (!covered.Covers(record.dot)) {
      SYNCLINE_ASSIGN_OR_RETURN(const std::vector<FileContent::Ref> refs,
                                SmallOf(record, small));
      const std::size_t more = record.frame.size() + BytesOf(refs);
      cut.blocked = bytes + more > bytes_max;
      if (cut.blocked && (bytes > 0 || !oversize)) break;
      SYNCLINE_RETURN_IF_ERROR(Advance(record));
      cut.segment.frames += record.frame;
      touched.insert(record.dot.origin);
      for (const FileContent::Ref& ref : refs)
        if (small.insert(ref.hash).second) cut.small.push_back(ref);
      bytes += more;
    } else {
      AdvanceIfKnown(record);
    }
    position_ = record.seq;
    ++scanned;
    scanned_bytes += record.frame.size();
    if (cut.blocked) break;
  }
  // What was read before a damaged record is whole; the next call tells.
  if (bytes == 0) SYNCLINE_RETURN_IF_ERROR(reader->status());
  if (bytes > 0) cut.blocked = false;
  for (const Origin& origin : touched)
    cut.segment.chains.push_back(
        {{origin, chains_[origin].counter}, chains_[origin].hash});
  cut.segment.last = position_.value;
  cut.segment.head = log_.durable().value;
  if (log_.durable_frontier().size() <= kHintSlotsMax)
    cut.segment.durable = log_.durable_frontier();
  return cut;
}

}  // namespace syncline
