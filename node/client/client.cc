#include "node/client/client.h"

#include <utility>

#include "base/status.h"
#include "node/client/append_queue.h"
#include "node/client/event_link.h"
#include "node/client/remote_feed.h"

namespace syncline {
struct Client::Impl : public std::enable_shared_from_this<Client::Impl> {
  explicit Impl(boost::asio::any_io_executor client_executor)
      : executor(std::move(client_executor)) {}

  absl::Status Start(const std::filesystem::path& home,
                     const Options& options) {
    on_disconnect = options.on_disconnect;
    SYNCLINE_ASSIGN_OR_RETURN(
        link, EventLink::Connect(executor, home, options.silence_ms_max,
                                 [this] { OnLost(); }));
    queue = std::make_shared<AppendQueue>(
        executor,
        [link = link](auto batch, AppendAnswered done) {
          link->Append(batch, std::move(done));
        },
        AppendQueue::Options{options.batch_events_max, options.batch_bytes_max,
                             options.batches_in_flight_max});
    return absl::OkStatus();
  }

  void OnLost() {
    const auto self = shared_from_this();
    const absl::Status why = link->lost();
    queue->Fail(why);
    if (closed) return;
    const auto callback = std::exchange(on_disconnect, nullptr);
    if (callback) callback(why);
  }

  // No callback comes after this, whoever still holds parts.
  void Close() {
    closed = true;
    if (queue) queue->Close();
    for (const std::weak_ptr<RemoteFeed>& weak : feeds) {
      if (const auto feed = weak.lock()) feed->Cancel();
    }
    if (link) link->Close();
  }

  const boost::asio::any_io_executor executor;
  std::function<void(absl::Status)> on_disconnect;
  std::shared_ptr<EventLink> link;
  std::shared_ptr<AppendQueue> queue;
  std::vector<std::weak_ptr<RemoteFeed>> feeds;
  std::size_t feeds_swept = 0;  // Size of `feeds` when it was last swept.
  bool closed = false;
};

namespace {

class Handle final : public FeedSubscription {
 public:
  explicit Handle(std::shared_ptr<RemoteFeed> feed) : feed_(std::move(feed)) {}
  ~Handle() override { feed_->Cancel(); }
  void Pause() override { feed_->Pause(); }
  void Resume() override { feed_->Resume(); }
  [[nodiscard]] FeedPosition position(std::size_t source) const override {
    return feed_->position(source);
  }

 private:
  const std::shared_ptr<RemoteFeed> feed_;
};

}  // namespace

Client::Client(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(
    boost::asio::any_io_executor executor, const std::filesystem::path& home,
    Options options) {
  auto impl = std::make_shared<Impl>(std::move(executor));
  SYNCLINE_RETURN_IF_ERROR(impl->Start(home, options));
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Client::~Client() { impl_->Close(); }

void Client::Append(std::string_view project, std::string_view channel,
                    std::string_view payload, Durability durability,
                    AppendDone done) {
  impl_->queue->Append(project, channel, payload, durability, std::move(done));
}

std::size_t Client::UnansweredBytes() const {
  return impl_->queue->UnansweredBytes();
}

std::unique_ptr<FeedSubscription> Client::Subscribe(
    std::vector<FeedSource> sources, Visibility visibility,
    FeedHandlers handlers) {
  auto feed =
      std::make_shared<RemoteFeed>(impl_->executor, std::move(handlers));
  auto& feeds = impl_->feeds;
  if (feeds.size() >= 2 * impl_->feeds_swept + 64) {
    std::erase_if(feeds, [](const auto& weak) { return weak.expired(); });
    impl_->feeds_swept = feeds.size();
  }
  feeds.push_back(feed);
  const absl::Status& lost = impl_->link->lost();
  feed->Open(lost.ok() ? impl_->link : nullptr, lost, sources, visibility);
  return std::make_unique<Handle>(std::move(feed));
}

}  // namespace syncline
