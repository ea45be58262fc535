#include "node/client/blocking_client.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/status.h"

namespace syncline {
namespace {

// One set of records at a time crosses to the reader; the feed is paused from
// then on until it asks again.
class WaitingFeed final : public BlockingClient::Feed {
 public:
  WaitingFeed(boost::asio::io_context& io, Client& client,
              std::vector<FeedSource> sources, Visibility visibility)
      : io_(io), sources_(sources.size()), positions_(sources.size()) {
    OnClient([&] {
      subscription_ = client.Subscribe(
          std::move(sources), visibility,
          {{},
           [this](const FeedRecords& records) { Take(records); },
           [this](const FeedEnd& end) { TakeEnd(end); }});
    });
  }
  ~WaitingFeed() override {
    OnClient([this] { subscription_.reset(); });
  }

  std::optional<FeedRecords> Next() override { return Wait(std::nullopt); }
  std::optional<FeedRecords> NextWithin(std::int64_t timeout_ms) override {
    return Wait(std::chrono::milliseconds(timeout_ms));
  }
  [[nodiscard]] const FeedEnd& end() const override { return end_copy_; }
  [[nodiscard]] FeedPosition position(std::size_t source) const override {
    return source < sources_ ? positions_[source] : FeedPosition();
  }

 private:
  // Runs `function` on the client's thread and waits for it.
  void OnClient(std::function<void()> function) {
    std::promise<void> ran;
    boost::asio::post(io_, [&] {
      function();
      ran.set_value();
    });
    ran.get_future().wait();
  }

  // On the client's thread.
  void Take(const FeedRecords& records) {
    subscription_->Pause();
    const FeedPosition at = subscription_->position(records.source);
    const std::scoped_lock lock(mutex_);
    bytes_.assign(records.span.bytes);
    records_ = records;
    position_ = at;
    changed_.notify_one();
  }
  void TakeEnd(const FeedEnd& end) {
    const std::scoped_lock lock(mutex_);
    end_ = end;
    changed_.notify_one();
  }

  std::optional<FeedRecords> Wait(
      std::optional<std::chrono::milliseconds> limit) {
    if (std::exchange(given_, false)) {
      boost::asio::post(io_, [this] {
        if (subscription_) subscription_->Resume();
      });
    }
    std::unique_lock lock(mutex_);
    const auto there = [this] { return records_ || end_; };
    if (!limit) {
      changed_.wait(lock, there);
    } else if (!changed_.wait_for(lock, *limit, there)) {
      return FeedRecords();
    }
    if (!records_) {
      end_copy_ = *end_;
      return std::nullopt;
    }
    FeedRecords records = *std::exchange(records_, std::nullopt);
    const auto owner = std::make_shared<const std::string>(std::move(bytes_));
    records.span.bytes = *owner;
    records.span.owner = owner;
    positions_[records.source] = position_;
    given_ = true;
    return records;
  }

  boost::asio::io_context& io_;
  const std::size_t sources_;
  std::unique_ptr<FeedSubscription> subscription_;  // The client's thread's.

  // The reader's.
  std::vector<FeedPosition> positions_;
  FeedEnd end_copy_;
  bool given_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by `mutex_`.
  std::optional<FeedRecords> records_;
  std::string bytes_;
  FeedPosition position_;
  std::optional<FeedEnd> end_;
};

// Answers of one call, gathered on the client's thread.
struct Gathered {
  std::vector<Seq> seqs;
  absl::Status status;
  std::size_t left;
  std::promise<void> all;

  void Add(const absl::StatusOr<Seq>& seq) {
    status.Update(seq.status());
    if (seq.ok()) seqs.push_back(*seq);
    if (--left == 0) all.set_value();
  }
};

}  // namespace

struct BlockingClient::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard{io.get_executor()};
  std::unique_ptr<Client> client;
  std::thread thread;
};

BlockingClient::BlockingClient(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<BlockingClient>> BlockingClient::Connect(
    const std::filesystem::path& home) {
  auto impl = std::make_unique<Impl>();
  SYNCLINE_ASSIGN_OR_RETURN(impl->client,
                            Client::Connect(impl->io.get_executor(), home));
  impl->thread = std::thread([io = &impl->io] { io->run(); });
  return std::unique_ptr<BlockingClient>(new BlockingClient(std::move(impl)));
}

BlockingClient::~BlockingClient() {
  boost::asio::post(impl_->io, [impl = impl_.get()] {
    impl->client.reset();
    impl->guard.reset();
  });
  impl_->thread.join();
}

absl::StatusOr<Seq> BlockingClient::Append(std::string_view project,
                                           std::string_view channel,
                                           std::string_view payload,
                                           Durability durability) {
  SYNCLINE_ASSIGN_OR_RETURN(
      const std::vector<Seq> seqs,
      AppendAll(project, channel, {&payload, 1}, durability));
  return seqs.front();
}

absl::StatusOr<std::vector<Seq>> BlockingClient::AppendAll(
    std::string_view project, std::string_view channel,
    std::span<const std::string_view> payloads, Durability durability) {
  if (payloads.empty()) return std::vector<Seq>();
  Gathered gathered;
  gathered.left = payloads.size();
  gathered.seqs.reserve(payloads.size());
  for (const std::string_view payload : payloads) {
    impl_->client->Append(
        project, channel, payload, durability,
        [&gathered](const absl::StatusOr<Seq>& seq) { gathered.Add(seq); });
  }
  gathered.all.get_future().wait();
  SYNCLINE_RETURN_IF_ERROR(gathered.status);
  return std::move(gathered.seqs);
}

void BlockingClient::AppendLater(std::string_view project,
                                 std::string_view channel,
                                 std::string_view payload,
                                 Durability durability,
                                 Client::AppendDone done) {
  impl_->client->Append(project, channel, payload, durability, std::move(done));
}

std::unique_ptr<BlockingClient::Feed> BlockingClient::Subscribe(
    std::vector<FeedSource> sources, Visibility visibility) {
  return std::make_unique<WaitingFeed>(impl_->io, *impl_->client,
                                       std::move(sources), visibility);
}

}  // namespace syncline
