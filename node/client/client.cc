#include "node/client/client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/append_queue.h"
#include "node/client/control_address.h"
#include "node/client/remote_feed.h"
#include "proto/asio_stream.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"
#include "proto/rpc_connection.h"

namespace syncline {
namespace {

absl::Status Lost() {
  return MakeStatus(absl::StatusCode::kUnavailable,
                    "the connection to the node is lost");
}

}  // namespace

// In the order in which it is to be destroyed from the bottom up.
struct Client::Impl : public std::enable_shared_from_this<Client::Impl> {
  explicit Impl(boost::asio::any_io_executor executor)
      : loop(std::move(executor), [](const absl::Status&) {}) {}

  absl::Status Start(boost::asio::local::stream_protocol::socket socket,
                     const Options& options) {
    on_disconnect = options.on_disconnect;
    absl::Status status;
    loop.Enter([&] {
      auto stream = NewAsioStream(loop, std::move(socket));
      status = stream.status();
      if (!status.ok()) return;
      RpcConnection::Options rpc;
      rpc.limits.traversal_bytes_max = kControlMessageBytesMax;
      rpc.limits.unanswered_bytes_max = kControlMessageBytesMax;
      // Called inside the loop; what follows happens outside.
      rpc.on_disconnect = [weak = weak_from_this(), ex = loop.executor()] {
        boost::asio::post(ex, [weak] {
          if (const auto self = weak.lock()) self->OnLost();
        });
      };
      connection = std::make_unique<RpcConnection>(loop, *std::move(stream),
                                                   nullptr, std::move(rpc));
      control = connection->Bootstrap().castAs<control::EventControl>();
      queue = std::make_shared<AppendQueue>(
          loop, *control,
          AppendQueue::Options{options.batch_events_max,
                               options.batch_bytes_max,
                               options.batches_in_flight_max});
    });
    return status;
  }

  void OnLost() {
    if (closed) return;
    loop.Enter([this] {
      control.reset();
      connection->Close();
    });
    queue->Fail(Lost());
    const auto callback = std::exchange(on_disconnect, nullptr);
    if (callback) callback(Lost());
  }

  // Nothing of the loop is left after this, whoever still holds parts.
  void Close() {
    closed = true;
    if (queue) queue->Close();
    loop.Enter([this] {
      for (const std::weak_ptr<RemoteFeed>& weak : feeds) {
        if (const auto feed = weak.lock()) feed->DropCall();
      }
      control.reset();
      connection.reset();
    });
  }

  KjLoop loop;
  std::function<void(absl::Status)> on_disconnect;
  std::unique_ptr<RpcConnection> connection;
  std::optional<control::EventControl::Client> control;  // None: lost.
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
  SYNCLINE_ASSIGN_OR_RETURN(auto socket, ConnectControl(executor, home));
  auto impl = std::make_shared<Impl>(std::move(executor));
  SYNCLINE_RETURN_IF_ERROR(impl->Start(std::move(socket), options));
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
  auto feed = std::make_shared<RemoteFeed>(impl_->loop, std::move(handlers));
  auto& feeds = impl_->feeds;
  if (feeds.size() >= 2 * impl_->feeds_swept + 64) {
    std::erase_if(feeds, [](const auto& weak) { return weak.expired(); });
    impl_->feeds_swept = feeds.size();
  }
  feeds.push_back(feed);
  feed->Open(impl_->control ? &*impl_->control : nullptr, Lost(),
             std::move(sources), visibility);
  return std::make_unique<Handle>(std::move(feed));
}

}  // namespace syncline
