#include "replication/peer/segment_receiver.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/status.h"
#include "replication/inflow.h"
#include "replication/state_intake.h"

namespace syncline {
namespace {

// So much is read by the worker: the loop has other work meanwhile.
constexpr std::size_t kLongBytes = 32u << 10;

// Stores `chunks`, which the entries' own write will make durable; their
// hashes.
absl::StatusOr<std::vector<Hash>> StoreAll(
    ChunkStore& store, const std::vector<std::string>& chunks) {
  std::vector<Hash> hashes;
  std::vector<std::pair<Hash, std::string_view>> hashed;
  hashes.reserve(chunks.size());
  hashed.reserve(chunks.size());
  for (const std::string& chunk : chunks) {
    hashes.push_back(Sha256(chunk));
    hashed.emplace_back(hashes.back(), chunk);
  }
  SYNCLINE_RETURN_IF_ERROR(store.PutMany(hashed));
  return hashes;
}

std::string Text(const absl::Status& status) {
  return std::string(FromAbsl(status.message()));
}

}  // namespace

SegmentReceiver::SegmentReceiver(Replica& replica,
                                 boost::asio::any_io_executor loop,
                                 boost::asio::any_io_executor worker,
                                 std::uint32_t stream, VersionVector& theirs,
                                 const TimeSource& time, Hooks hooks)
    : replica_(replica),
      loop_(std::move(loop)),
      worker_(std::move(worker)),
      stream_(stream),
      theirs_(theirs),
      time_(time),
      hooks_(std::move(hooks)),
      states_(replica.intake().states()) {}

SegmentReceiver::~SegmentReceiver() { replica_.inflow().Leave(this); }

void SegmentReceiver::OnPush(Segment segment,
                             PeerCalls::Done<PushAnswer> done) {
  if (refusing_) return done(PushAnswer(*refusing_));
  auto item = std::make_shared<Item>();
  item->bytes = segment.bytes();
  item->segment = std::move(segment);
  item->done = std::move(done);
  item->ready = item->segment.chunks.empty() && !IsLong(item->segment);
  const bool fits = pending_bytes_ + item->bytes <= window_;
  pending_bytes_ += item->bytes;
  queue_.push_back(item);
  if (!fits && pending_bytes_ > item->bytes)
    return Break("it pushed more than the window allows");
  if (!item->ready) Prepare(std::move(item));
  Drain();
}

bool SegmentReceiver::IsLong(const Segment& segment) {
  return segment.frames.size() >= kLongBytes;
}

void SegmentReceiver::Prepare(std::shared_ptr<Item> item) {
  for (const std::string& chunk : item->segment.chunks)
    if (chunk.empty() || chunk.size() > kInlineChunkBytesMax)
      return Break("content in a segment has a wrong size");
  auto prepared = alive_.Guard([this, item](const absl::Status& stored) {
    if (refusing_) return;
    if (!stored.ok()) return Fail(stored);
    item->ready = true;
    Drain();
  });
  boost::asio::post(
      worker_, [item, loop = loop_, prepared = std::move(prepared),
                chunks = &replica_.chunks()]() mutable {
        absl::StatusOr<std::vector<Hash>> hashes =
            StoreAll(*chunks, item->segment.chunks);
        if (hashes.ok()) item->hashes = *std::move(hashes);
        if (IsLong(item->segment))
          item->entries = ReadSegment(item->segment.frames);
        boost::asio::post(
            loop, [prepared = std::move(prepared),
                   stored = hashes.status()]() mutable { prepared(stored); });
      });
}

void SegmentReceiver::Drain() {
  while (!refusing_ && !queue_.empty() && queue_.front()->ready) {
    // What the two had compared is not what is here any more.
    if (replica_.intake().states() != states_)
      return StopWith({Stop::Reason::kFailed, "a state has come in meanwhile"});
    const std::shared_ptr<Item> item = std::move(queue_.front());
    queue_.pop_front();
    ingesting_.push_back(item);
    Take(item);
  }
}

void SegmentReceiver::Take(const std::shared_ptr<Item>& item) {
  if (!item->entries) item->entries = ReadSegment(item->segment.frames);
  if (!item->entries->ok()) return Fail(item->entries->status());
  replica_.Ingest(
      **item->entries, item->segment.chains,
      alive_.Guard(
          [this, item](const absl::StatusOr<Replica::Ingested>& ingested) {
            OnIngested(item, ingested.status());
          }));
  if (!IsLong(item->segment)) return item->entries.reset();
  // Whoever made so much memory frees it best.
  boost::asio::post(worker_, [entries = std::move(item->entries)] {
    static_cast<void>(entries);
  });
}

void SegmentReceiver::OnIngested(const std::shared_ptr<Item>& item,
                                 const absl::Status& status) {
  if (refusing_) return;
  if (!status.ok()) return Fail(status);
  std::erase(ingesting_, item);
  pending_bytes_ -= item->bytes;
  for (const ChainHead& head : item->segment.chains)
    theirs_.Raise(head.dot.origin, head.dot.counter);
  if (item->segment.durable) theirs_.Join(*item->segment.durable);
  NoteArrived(item->hashes);
  item->done(PushAnswer(Answer(*item)));
}

void SegmentReceiver::NoteArrived(const std::vector<Hash>& hashes) {
  WriteBatch rows;
  for (const Hash& hash : hashes) {
    if (const absl::Status status = replica_.wants().Arrived(hash, rows);
        absl::IsDataLoss(status))
      continue;  // A malformed list: its payload stays incomplete.
  }
  if (rows.empty()) return;
  // If this write fails, so does the log, which says so at the next segment.
  replica_.log().Append({}, std::move(rows), Durability::kBuffered,
                        [](const absl::StatusOr<AppendLog::Appended>&) {});
}

PushDurable SegmentReceiver::Answer(const Item& item) {
  taken_since_growth_ += item.bytes;
  const bool more = item.segment.head > item.segment.last;
  if (more && taken_since_growth_ >= window_) {
    taken_since_growth_ = 0;
    window_ = std::min<std::size_t>(window_ * 2, kWindowBytesMax);
  }
  PushDurable answer;
  const bool leads = replica_.inflow().Leads(this, more, time_.SteadyMs());
  answer.window_bytes =
      leads ? static_cast<std::uint32_t>(window_) : kWindowBytesLeast;
  const VersionVector& durable = replica_.log().durable_frontier();
  if (durable.size() <= kHintSlotsMax) answer.frontier = durable;
  return answer;
}

void SegmentReceiver::Fail(const absl::Status& status) {
  const absl::Status health = replica_.health();
  if (health.ok()) {
    // Our store is well: the codes of CheckSegment are about the peer.
    if (absl::IsAborted(status)) {
      return StopWith(
          {Stop::Reason::kFence, Text(status), ForkedOrigin(status)});
    }
    if (absl::IsInvalidArgument(status) || absl::IsDataLoss(status))
      return Break(Text(status));
  }
  const bool full =
      absl::IsResourceExhausted(status) || absl::IsResourceExhausted(health);
  StopWith({full ? Stop::Reason::kFull : Stop::Reason::kFailed, Text(status)});
}

void SegmentReceiver::StopWith(const Stop& stop) {
  Refuse(stop);
  boost::asio::post(
      loop_, alive_.Guard([hook = hooks_.stopped, stop] { hook(stop); }));
}

void SegmentReceiver::Break(const std::string& why) {
  Refuse({Stop::Reason::kFailed, "the segment was refused: " + why});
  boost::asio::post(loop_, alive_.Guard([hook = hooks_.broken, why] {
    hook(InvalidArgument("the peer is broken: " + why));
  }));
}

void SegmentReceiver::Refuse(Stop stop) {
  refusing_ = std::move(stop);
  replica_.inflow().Leave(this);
  std::deque<std::shared_ptr<Item>> waiting = std::exchange(ingesting_, {});
  waiting.insert(waiting.end(), queue_.begin(), queue_.end());
  queue_.clear();
  for (const std::shared_ptr<Item>& item : waiting)
    item->done(PushAnswer(*refusing_));
}

}  // namespace syncline
