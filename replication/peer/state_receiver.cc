#include "replication/peer/state_receiver.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/status.h"
#include "replication/state_intake.h"

namespace syncline {

StateReceiver::StateReceiver(Replica& replica,
                             boost::asio::any_io_executor loop,
                             std::uint32_t stream, std::string id, Hooks hooks)
    : replica_(replica),
      loop_(std::move(loop)),
      stream_(stream),
      id_(std::move(id)),
      hooks_(std::move(hooks)) {}

StateReceiver::~StateReceiver() = default;

void StateReceiver::OnPush(const StatePush& piece,
                           PeerCalls::Done<PushAnswer> done) {
  if (refusing_) return done(PushAnswer(*refusing_));
  const std::size_t bytes = piece.rows.size();
  const bool fits = pending_bytes_ == 0 || pending_bytes_ + bytes <= window_;
  if (piece.id != id_ || !fits) {
    Break(fits ? "a piece of another state"
               : "it pushed more than the window allows");
    return done(PushAnswer(*refusing_));
  }
  pending_bytes_ += bytes;
  replica_.intake().Stage(
      id_, piece.rows, piece.end,
      alive_.Guard([this, bytes, end = piece.end,
                    done = std::move(done)](const absl::Status& status) {
        OnStaged(bytes, end, status, done);
      }));
}

void StateReceiver::OnStaged(std::size_t bytes, bool end,
                             const absl::Status& status,
                             const PeerCalls::Done<PushAnswer>& done) {
  pending_bytes_ -= bytes;
  if (refusing_) return done(PushAnswer(*refusing_));
  if (!status.ok()) {
    Fail(status);
    return done(PushAnswer(*refusing_));
  }
  window_ = std::min<std::size_t>(window_ * 2, kWindowBytesMax);
  done(PushAnswer(PushDurable{{}, static_cast<std::uint32_t>(window_)}));
  if (!end) return;
  Refuse({Stop::Reason::kStale, ""});
  Later(hooks_.whole);
}

void StateReceiver::Fail(const absl::Status& status) {
  const absl::Status health = replica_.health();
  const std::string text(FromAbsl(status.message()));
  if (health.ok() && absl::IsInvalidArgument(status)) return Break(text);
  const bool full =
      absl::IsResourceExhausted(status) || absl::IsResourceExhausted(health);
  const Stop stop{full ? Stop::Reason::kFull : Stop::Reason::kFailed, text};
  Refuse(stop);
  Later([hook = hooks_.stopped, stop] { hook(stop); });
}

void StateReceiver::Break(const std::string& why) {
  Refuse({Stop::Reason::kFailed, "the state was refused: " + why});
  Later([hook = hooks_.broken, why] {
    hook(InvalidArgument("the peer is broken: " + why));
  });
}

void StateReceiver::Later(std::function<void()> hook) {
  boost::asio::post(loop_, alive_.Guard(std::move(hook)));
}

}  // namespace syncline
