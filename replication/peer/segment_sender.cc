#include "replication/peer/segment_sender.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>
#include <variant>

#include "base/status.h"

namespace syncline {

SegmentSender::SegmentSender(Replica& replica,
                             boost::asio::any_io_executor loop,
                             boost::asio::any_io_executor worker,
                             const PullRequest& request, VersionVector& theirs,
                             Hooks hooks)
    : replica_(replica),
      loop_(std::move(loop)),
      worker_(std::move(worker)),
      request_(request),
      theirs_(theirs),
      hooks_(std::move(hooks)),
      reader_(replica, request.inline_chunk_bytes_max),
      window_(std::min(request.window_bytes, kWindowBytesMax)) {}

SegmentSender::~SegmentSender() = default;

void SegmentSender::Start() {
  boost::asio::post(loop_, alive_.Guard([this] {
    if (const absl::Status status = reader_.Start(theirs_); !status.ok())
      return End({absl::IsOutOfRange(status) ? Stop::Reason::kTruncated
                                             : Stop::Reason::kFailed,
                  std::string(FromAbsl(status.message()))},
                 false);
    waiter_ = replica_.log().Wait([this] { PumpLater(); });
    Pump();
  }));
}

void SegmentSender::PumpLater() {
  if (pump_posted_ || ended_) return;
  pump_posted_ = true;
  boost::asio::post(loop_, alive_.Guard([this] {
    pump_posted_ = false;
    Pump();
  }));
}

void SegmentSender::Pump() {
  if (ended_ || loading_ || reader_.AtHead()) return;
  const std::size_t space = window_ > in_flight_ ? window_ - in_flight_ : 0;
  // Waits for room for a segment of decent size instead of filling the last
  // bytes of the window with tiny ones.
  const std::size_t wanted = std::min(kSegmentBytes, window_ / 4 + 1);
  if (in_flight_ > 0 && space < wanted) return;
  absl::StatusOr<SegmentReader::Cut> cut = reader_.Next(
      theirs_, std::min(kSegmentBytes, space), /*oversize=*/in_flight_ == 0);
  if (!cut.ok())
    return End({absl::IsOutOfRange(cut.status()) ? Stop::Reason::kTruncated
                                                 : Stop::Reason::kFailed,
                std::string(FromAbsl(cut.status().message()))},
               false);
  if (cut->blocked) return;  // The answers on the way make room.
  if (cut->segment.frames.empty()) return PumpLater();
  cut->segment.project = request_.project;
  cut->segment.stream = request_.stream;
  if (!cut->small.empty()) return LoadContent(*std::move(cut));
  Send(std::move(cut->segment));
  PumpLater();
}

void SegmentSender::LoadContent(SegmentReader::Cut cut) {
  loading_ = true;
  auto load = std::make_shared<SegmentReader::Cut>(std::move(cut));
  auto loaded = alive_.Guard([this, load] {
    loading_ = false;
    Send(std::move(load->segment));
    PumpLater();
  });
  boost::asio::post(worker_, [load, loop = loop_, loaded = std::move(loaded),
                              chunks = &replica_.chunks()]() mutable {
    for (const FileContent::Ref& ref : load->small) {
      // What is not here (yet), or damaged, the peer asks for by itself.
      absl::StatusOr<std::string> bytes = chunks->Get(ref.hash);
      if (bytes.ok() && bytes->size() == ref.bytes)
        load->segment.chunks.push_back(*std::move(bytes));
    }
    boost::asio::post(loop, std::move(loaded));
  });
}

void SegmentSender::Send(Segment segment) {
  if (ended_) return;
  const std::size_t bytes = segment.bytes();
  in_flight_ += bytes;
  std::vector<ChainHead> chains = segment.chains;
  hooks_.push(std::move(segment),
              alive_.Guard([this, bytes, chains = std::move(chains)](
                               const absl::StatusOr<PushAnswer>& answer) {
                OnAnswer(bytes, chains, answer);
              }));
}

void SegmentSender::OnAnswer(std::size_t bytes,
                             const std::vector<ChainHead>& chains,
                             const absl::StatusOr<PushAnswer>& answer) {
  in_flight_ -= bytes;
  if (!answer.ok()) {
    ended_ = true;  // The session knows: it ends with the connection.
    return;
  }
  if (const Stop* stop = std::get_if<Stop>(&*answer)) return End(*stop, true);
  const auto& durable = std::get<PushDurable>(*answer);
  for (const ChainHead& head : chains)
    theirs_.Raise(head.dot.origin, head.dot.counter);
  if (durable.frontier) theirs_.Join(*durable.frontier);
  window_ = std::min(durable.window_bytes, kWindowBytesMax);
  Pump();
}

void SegmentSender::End(Stop stop, bool by_peer) {
  if (ended_) return;
  ended_ = true;
  waiter_.reset();
  boost::asio::post(loop_,
                    alive_.Guard([hook = hooks_.ended, stop = std::move(stop),
                                  by_peer] { hook(stop, by_peer); }));
}

}  // namespace syncline
