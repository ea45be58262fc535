#include "node/node_feed.h"

#include <utility>

#include "base/status.h"
#include "node/log_feed.h"
#include "node/node_core.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

constexpr std::size_t kSpanBytes = 256u << 10;
// Delivered in one handler; then others get their turn.
constexpr std::size_t kTurnBytes = 1u << 20;

// Calls the consumer as long as there is something for it. Held by its handle
// and by what runs.
class FeedDelivery : public std::enable_shared_from_this<FeedDelivery> {
 public:
  FeedDelivery(boost::asio::io_context& io, const std::weak_ptr<NodeCore>& core,
               Visibility visibility, FeedHandlers handlers)
      : io_(io),
        handlers_(std::move(handlers)),
        feed_(std::make_shared<LogFeed>(core, visibility,
                                        [this] { OnReady(); })) {}

  void Open(const std::vector<FeedSource>& sources) {
    starting_ = feed_->Open(sources);
    PumpLater();
  }

  void Cancel() {
    cancelled_ = true;
    feed_->Stop();
  }
  void Pause() { paused_ = true; }
  void Resume() {
    if (std::exchange(paused_, false)) PumpLater();
  }
  [[nodiscard]] FeedPosition position(std::size_t source) const {
    return feed_->position(source);
  }

 private:
  void OnReady() {
    const auto self = shared_from_this();
    Pump();
  }

  void PumpLater() {
    if (std::exchange(posted_, true)) return;
    boost::asio::post(io_, [self = shared_from_this()] {
      self->posted_ = false;
      self->Pump();
    });
  }

  // The one place that calls the consumer. What it throws ends its feed, and
  // the log that woke us does not notice.
  void Pump() {
    if (pumping_ || posted_ || cancelled_) return;
    pumping_ = true;
    bool more = false;
    const absl::Status thrown = CatchKj([&] { more = DeliverSome(); });
    if (!thrown.ok() && !cancelled_) {
      Finish({FeedEnd::Why::kFailed,
              records_.source,
              {},
              {},
              MakeStatus(absl::StatusCode::kAborted,
                         "the consumer threw: " +
                             std::string(FromAbsl(thrown.message())))});
    } else if (!cancelled_ && feed_->ended() && !more) {
      Finish(*feed_->ended());
    }
    pumping_ = false;
    if (more) PumpLater();
  }

  // True if there may be more.
  bool DeliverSome() {
    if (std::exchange(starting_, false) && handlers_.on_start) {
      handlers_.on_start(feed_->starts());
    }
    std::size_t bytes = 0;
    while (!cancelled_ && !paused_) {
      if (bytes >= kTurnBytes) return true;
      if (!feed_->Next(kSpanBytes, records_)) return false;
      bytes += records_.span.bytes.size();
      if (handlers_.on_records) handlers_.on_records(records_);
      records_.span = {};
    }
    return false;
  }

  void Finish(const FeedEnd& end) {
    cancelled_ = true;
    feed_->Stop();
    if (!handlers_.on_end) return;
    // Nobody is left to be told.
    CatchKj([&] { handlers_.on_end(end); }).IgnoreError();
  }

  boost::asio::io_context& io_;
  const FeedHandlers handlers_;
  const std::shared_ptr<LogFeed> feed_;
  FeedRecords records_;
  bool starting_ = false;
  bool cancelled_ = false;  // No call comes any more.
  bool paused_ = false;
  bool posted_ = false;
  bool pumping_ = false;
};

class Handle final : public FeedSubscription {
 public:
  explicit Handle(std::shared_ptr<FeedDelivery> delivery)
      : delivery_(std::move(delivery)) {}
  ~Handle() override { delivery_->Cancel(); }
  void Pause() override { delivery_->Pause(); }
  void Resume() override { delivery_->Resume(); }
  [[nodiscard]] FeedPosition position(std::size_t source) const override {
    return delivery_->position(source);
  }

 private:
  std::shared_ptr<FeedDelivery> delivery_;
};

}  // namespace

std::unique_ptr<FeedSubscription> SubscribeHere(
    boost::asio::io_context& io, const std::weak_ptr<NodeCore>& core,
    std::vector<FeedSource> sources, Visibility visibility,
    FeedHandlers handlers) {
  auto delivery =
      std::make_shared<FeedDelivery>(io, core, visibility, std::move(handlers));
  delivery->Open(sources);
  return std::make_unique<Handle>(std::move(delivery));
}

}  // namespace syncline
