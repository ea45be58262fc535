#include "replication/peer/segment_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/status.h"
#include "proto/entry_codec.h"

namespace syncline {
namespace {

// Chain hashes that a segment has at most besides those of its own entries.
constexpr std::size_t kLeftOutMax = kSegmentEntriesMax;

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

SegmentReader::SegmentReader(Replica& replica, std::size_t inline_bytes_max)
    : replica_(replica),
      log_(replica.log()),
      inline_bytes_max_(std::min(inline_bytes_max, kInlineChunkBytesMax)) {}

absl::Status SegmentReader::Start(const VersionVector& frontier) {
  chains_.clear();
  left_out_.clear();
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

// What a segment takes up, and how much of it can be proven so far.
class SegmentReader::Gathering {
 public:
  Gathering(Replica& replica, Seq since)
      : replica_(replica), cuts_(replica.CutsBehind(since)), end_{since} {}

  void Add(const RecordView& record,
           const std::vector<FileContent::Ref>& content) {
    const auto [at, fresh] = origins_.try_emplace(record.dot.origin);
    if (fresh) at->second.own = replica_.IsOwn(record.dot.origin);
    undo_.emplace_back(record.dot.origin, at->second.counter);
    at->second.counter = record.dot.counter;
    if (!at->second.own) unproven_.insert(record.dot.origin);
    frames_ += record.frame;
    bytes_ += record.frame.size();
    for (const FileContent::Ref& ref : content) {
      if (!known_.insert(ref.hash).second) continue;
      small_.push_back(ref);
      bytes_ += ref.bytes;
    }
  }

  // Everything up to `seq` was looked at.
  void Reach(Seq seq) {
    for (; cuts_.Valid() && cuts_.seq() <= seq; cuts_.Next()) {
      for (const ChainHead& head : cuts_.heads()) {
        const auto at = origins_.find(head.dot.origin);
        if (at == origins_.end() || at->second.counter != head.dot.counter)
          continue;
        at->second.signature = head.signature;
        unproven_.erase(head.dot.origin);
      }
    }
    if (!unproven_.empty()) return;
    end_ = {seq, frames_.size(), small_.size()};
    undo_.clear();
  }

  // Back to the last place where the segment may end.
  void TakeBack() {
    for (auto at = undo_.rbegin(); at != undo_.rend(); ++at)
      origins_.at(at->first).counter = at->second;
    undo_.clear();
    unproven_.clear();
    frames_.resize(end_.frames);
    small_.resize(end_.small);
  }

  [[nodiscard]] bool proven() const { return unproven_.empty(); }
  [[nodiscard]] bool may_end() const { return end_.frames > 0; }
  [[nodiscard]] Seq end() const { return end_.seq; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] const std::set<Hash>& known() const { return known_; }
  [[nodiscard]] absl::Status status() const { return cuts_.status(); }
  std::string TakeFrames() { return std::move(frames_); }
  std::vector<FileContent::Ref> TakeSmall() { return std::move(small_); }

  // Where each origin of the segment stands behind it; hashes are left out,
  // and signatures of own ones.
  [[nodiscard]] std::vector<ChainHead> Heads() const {
    std::vector<ChainHead> heads;
    for (const auto& [origin, at] : origins_)
      if (at.counter > 0)
        heads.push_back({{origin, at.counter}, {}, at.signature});
    return heads;
  }

 private:
  struct OriginAt {
    bool own = false;
    std::uint64_t counter = 0;  // 0: nothing of it is in the segment.
    std::string signature;
  };
  struct End {
    Seq seq;
    std::size_t frames = 0;  // Bytes.
    std::size_t small = 0;   // Pieces.
  };

  Replica& replica_;
  CutReader cuts_;
  std::string frames_;
  std::vector<FileContent::Ref> small_;
  std::set<Hash> known_;
  std::size_t bytes_ = 0;
  std::map<Origin, OriginAt> origins_;
  std::set<Origin> unproven_;
  std::vector<std::pair<Origin, std::uint64_t>> undo_;  // Since `end_`.
  End end_;
};

absl::StatusOr<ChainHead> SegmentReader::HeadOf(const Dot& dot) const {
  ChainHead head{dot, {}, {}};
  const auto at = chains_.find(dot.origin);
  if (at != chains_.end() && at->second.counter == dot.counter) {
    head.hash = at->second.hash;
  } else {
    SYNCLINE_ASSIGN_OR_RETURN(head.hash, log_.ChainAt(dot));
  }
  return head;
}

absl::StatusOr<SegmentReader::Cut> SegmentReader::Next(
    const VersionVector& covered, std::size_t bytes_max, bool oversize) {
  if (log_.Check(log_.id(), position_) != CursorState::kValid)
    return Truncated();
  Cut cut;
  Gathering gathered(replica_, position_);
  std::size_t scanned_bytes = 0;
  std::size_t scanned = 0;
  AppendLog::ReadOptions range;
  range.since = position_;
  const auto reader = log_.Read(range);
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    const bool enough =
        scanned == kScanRecordsMax || scanned_bytes > kScanBytesMax;
    if (enough && (gathered.proven() || gathered.may_end())) break;
    if (record.joined()) {
      // The entries behind it may build on what was never in this log.
      if (!covered.Covers(log_.truncated())) return Truncated();
    } else if (!covered.Covers(record.dot)) {
      SYNCLINE_ASSIGN_OR_RETURN(const std::vector<FileContent::Ref> refs,
                                SmallOf(record, gathered.known()));
      const bool over =
          gathered.bytes() + record.frame.size() + BytesOf(refs) > bytes_max;
      // Beyond that only to the first place where it may end at all.
      cut.blocked = over && (gathered.may_end() || !oversize);
      if (cut.blocked) break;
      SYNCLINE_RETURN_IF_ERROR(Advance(record));
      gathered.Add(record, over ? std::vector<FileContent::Ref>() : refs);
    } else {
      AdvanceIfKnown(record);
      if (left_out_.size() < kLeftOutMax) left_out_.insert(record.dot.origin);
    }
    gathered.Reach(record.seq);
    ++scanned;
    scanned_bytes += record.frame.size();
    if (gathered.bytes() > bytes_max && gathered.proven()) break;
  }
  // What was read before a damaged record is whole; the next call tells.
  if (!gathered.may_end()) {
    SYNCLINE_RETURN_IF_ERROR(reader->status());
    SYNCLINE_RETURN_IF_ERROR(gathered.status());
    if (!cut.blocked && !gathered.proven())
      return FailedPrecondition("entries without a signature of their device");
  }
  gathered.TakeBack();
  position_ = gathered.end();
  SYNCLINE_RETURN_IF_ERROR(Fill(gathered, covered, cut));
  return cut;
}

// Of each the newest that both have: what is older the peer may have truncated.
// Here it is in the log, as what is behind it was neither sent nor left out.
absl::Status SegmentReader::AddLeftOut(const VersionVector& covered,
                                       std::vector<ChainHead>& chains) {
  for (const ChainHead& head : chains) left_out_.erase(head.dot.origin);
  for (const Origin& origin : std::exchange(left_out_, {})) {
    const Dot newest{origin,
                     std::min(covered.CounterOf(origin),
                              log_.durable_frontier().CounterOf(origin))};
    SYNCLINE_ASSIGN_OR_RETURN(ChainHead head, HeadOf(newest));
    chains.push_back(std::move(head));
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::Fill(Gathering& gathered,
                                 const VersionVector& covered, Cut& cut) {
  for (const ChainHead& proven : gathered.Heads()) {
    SYNCLINE_ASSIGN_OR_RETURN(ChainHead head, HeadOf(proven.dot));
    head.signature = proven.signature;
    const DeviceIdentity* device = replica_.identity().device.get();
    if (head.signature.empty() && device != nullptr) {
      SYNCLINE_ASSIGN_OR_RETURN(
          head.signature,
          SignChain(*device, replica_.identity().project, head));
    }
    cut.segment.chains.push_back(std::move(head));
  }
  cut.segment.frames = gathered.TakeFrames();
  if (!cut.segment.frames.empty()) {
    SYNCLINE_RETURN_IF_ERROR(AddLeftOut(covered, cut.segment.chains));
  }
  cut.small = gathered.TakeSmall();
  if (!cut.segment.frames.empty()) cut.blocked = false;
  cut.segment.last = position_.value;
  cut.segment.head = log_.durable().value;
  if (log_.durable_frontier().size() <= kHintSlotsMax)
    cut.segment.durable = log_.durable_frontier();
  return absl::OkStatus();
}

}  // namespace syncline
