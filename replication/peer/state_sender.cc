#include "replication/peer/state_sender.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>
#include <variant>

#include "base/status.h"

namespace syncline {

StateSender::StateSender(std::shared_ptr<const PinnedState> pin,
                         boost::asio::any_io_executor loop,
                         boost::asio::any_io_executor worker,
                         std::unique_ptr<Timer> timer,
                         const PullRequest& request, std::string from,
                         Hooks hooks)
    : pin_(std::move(pin)),
      loop_(std::move(loop)),
      worker_(std::move(worker)),
      timer_(std::move(timer)),
      request_(request),
      at_(std::move(from)),
      hooks_(std::move(hooks)),
      window_(std::min(request.window_bytes, kWindowBytesMax)) {}

StateSender::~StateSender() = default;

void StateSender::Start() {
  boost::asio::post(loop_, alive_.Guard([this] { Pump(); }));
  Watch();
}

void StateSender::Pump() {
  if (ended_ || reading_) return;
  if (next_) return Send();
  if (all_read_) return;
  reading_ = true;
  auto read = std::make_shared<absl::StatusOr<StatePiece>>();
  auto done = alive_.Guard([this, read] { OnRead(*std::move(read)); });
  boost::asio::post(worker_, [pin = pin_, at = at_, read, loop = loop_,
                              done = std::move(done)]() mutable {
    *read = pin->reader().Next(at, kSegmentBytes);
    pin.reset();
    boost::asio::post(loop, std::move(done));
  });
}

void StateSender::OnRead(absl::StatusOr<StatePiece> piece) {
  reading_ = false;
  if (ended_) return;
  if (!piece.ok()) {
    return End({Stop::Reason::kFailed,
                std::string(FromAbsl(piece.status().message()))},
               false);
  }
  if (piece->rows > 0) at_ = piece->last_key;
  all_read_ = piece->end;
  next_ = *std::move(piece);
  Send();
}

// How large a piece is shows when it was read: one waits here for room.
void StateSender::Send() {
  const std::size_t bytes = next_->bytes.size();
  if (in_flight_ > 0 && in_flight_ + bytes > window_) return;
  in_flight_ += bytes;
  StatePiece piece = *std::move(next_);
  next_.reset();
  hooks_.push(
      {request_.project, request_.stream, pin_->header().id,
       std::move(piece.bytes), piece.end},
      alive_.Guard([this, bytes](const absl::StatusOr<PushAnswer>& answer) {
        OnAnswer(bytes, answer);
      }));
  Pump();
}

void StateSender::OnAnswer(std::size_t bytes,
                           const absl::StatusOr<PushAnswer>& answer) {
  in_flight_ -= bytes;
  if (!answer.ok()) {
    ended_ = true;  // The session knows: it ends with the connection.
    return;
  }
  if (const Stop* stop = std::get_if<Stop>(&*answer)) return End(*stop, true);
  window_ =
      std::min(std::get<PushDurable>(*answer).window_bytes, kWindowBytesMax);
  if (all_read_ && !next_ && in_flight_ == 0) {
    ended_ = true;
    timer_->Cancel();
    pin_.reset();
    return;
  }
  Watch();
  Pump();
}

void StateSender::Watch() {
  timer_->Start(kStalledMs, alive_.Guard([this] {
    End({Stop::Reason::kFailed, "the peer takes no piece of the state"}, false);
  }));
}

void StateSender::End(Stop stop, bool by_peer) {
  if (ended_) return;
  ended_ = true;
  timer_->Cancel();
  pin_.reset();
  boost::asio::post(loop_,
                    alive_.Guard([hook = hooks_.ended, stop = std::move(stop),
                                  by_peer] { hook(stop, by_peer); }));
}

}  // namespace syncline
