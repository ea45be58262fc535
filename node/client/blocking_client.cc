#include "node/client/blocking_client.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/status.h"
#include "node/client/waiters_loop.h"

namespace syncline {
namespace {

// One set of records at a time crosses to the reader; the feed is paused from
// then on until it asks again.
class WaitingFeed final : public BlockingClient::Feed {
 public:
  WaitingFeed(WaitersLoop& loop, Client& client,
              std::vector<FeedSource> sources, Visibility visibility)
      : loop_(loop), sources_(sources.size()), positions_(sources.size()) {
    loop_.Run([&] {
      subscription_ = client.Subscribe(
          std::move(sources), visibility,
          {{},
           [this](const FeedRecords& records) { Take(records); },
           [this](const FeedEnd& end) { loop_.Note([&] { end_ = end; }); }});
    });
  }
  ~WaitingFeed() override {
    loop_.Run([this] { subscription_.reset(); });
  }

  std::optional<FeedRecords> Next() override {
    Ask();
    loop_.Await([this] { return records_ || end_; });
    return Get();
  }
  std::optional<FeedRecords> NextWithin(std::int64_t timeout_ms) override {
    Ask();
    const auto late = std::make_shared<bool>(false);
    boost::asio::steady_timer timer(loop_.io(),
                                    std::chrono::milliseconds(timeout_ms));
    timer.async_wait([this, late](boost::system::error_code error) {
      if (!error) loop_.Note([&] { *late = true; });
    });
    loop_.Await([&] { return *late || records_ || end_; });
    if (!records_ && !end_) return FeedRecords();
    return Get();
  }
  [[nodiscard]] const FeedEnd& end() const override { return end_copy_; }
  [[nodiscard]] FeedPosition position(std::size_t source) const override {
    return source < sources_ ? positions_[source] : FeedPosition();
  }

 private:
  // On the client's loop.
  void Take(const FeedRecords& records) {
    subscription_->Pause();
    const FeedPosition at = subscription_->position(records.source);
    loop_.Note([&] {
      bytes_.assign(records.span.bytes);
      records_ = records;
      position_ = at;
    });
  }

  void Ask() {
    if (!std::exchange(given_, false)) return;
    boost::asio::post(loop_.io(), [this] {
      if (subscription_) subscription_->Resume();
    });
  }

  // Nothing more comes before the reader asks.
  std::optional<FeedRecords> Get() {
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

  WaitersLoop& loop_;
  const std::size_t sources_;
  std::unique_ptr<FeedSubscription> subscription_;  // The client's loop's.

  // The reader's.
  std::vector<FeedPosition> positions_;
  FeedEnd end_copy_;
  bool given_ = false;

  // Changed under the loop's lock.
  std::optional<FeedRecords> records_;
  std::string bytes_;
  FeedPosition position_;
  std::optional<FeedEnd> end_;
};

// Answers of one call, gathered on the client's loop.
struct Gathered {
  std::vector<Seq> seqs;
  absl::Status status;
  std::size_t left = 0;
  bool all = false;  // Changed under the loop's lock.

  void Add(const absl::StatusOr<Seq>& seq, WaitersLoop& loop) {
    status.Update(seq.status());
    if (seq.ok()) seqs.push_back(*seq);
    if (--left == 0) loop.Note([this] { all = true; });
  }
};

}  // namespace

struct BlockingClient::Impl {
  ~Impl() {
    {
      const std::scoped_lock lock(mutex);
      closing = true;
    }
    there.notify_one();
    boost::asio::post(loop.io(), [] {});
    loop.Note([] {});
    if (later.joinable()) later.join();
  }

  // Waits in place of those who do not.
  void WaitForLater() {
    for (;;) {
      {
        std::unique_lock lock(mutex);
        there.wait(lock, [this] { return closing || unanswered > 0; });
        if (closing) return;
      }
      loop.Await([this] { return closing || unanswered == 0; });
    }
  }

  WaitersLoop loop;
  std::unique_ptr<Client> client;

  // For AppendLater(); the thread is there once it is needed.
  std::thread later;
  std::mutex mutex;
  std::condition_variable there;
  std::atomic<std::size_t> unanswered = 0;
  std::atomic<bool> closing = false;
};

BlockingClient::BlockingClient(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<BlockingClient>> BlockingClient::Connect(
    const std::filesystem::path& home, Client::Options options) {
  auto impl = std::make_unique<Impl>();
  SYNCLINE_ASSIGN_OR_RETURN(
      impl->client, Client::Connect(impl->loop.io().get_executor(), home,
                                    std::move(options)));
  return std::unique_ptr<BlockingClient>(new BlockingClient(std::move(impl)));
}

BlockingClient::~BlockingClient() = default;

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
  WaitersLoop& loop = impl_->loop;
  for (const std::string_view payload : payloads) {
    impl_->client->Append(
        project, channel, payload, durability,
        [&](const absl::StatusOr<Seq>& seq) { gathered.Add(seq, loop); });
  }
  loop.Await([&] { return gathered.all; });
  SYNCLINE_RETURN_IF_ERROR(gathered.status);
  return std::move(gathered.seqs);
}

void BlockingClient::AppendLater(std::string_view project,
                                 std::string_view channel,
                                 std::string_view payload,
                                 Durability durability,
                                 Client::AppendDone done) {
  Impl& impl = *impl_;
  {
    const std::scoped_lock lock(impl.mutex);
    ++impl.unanswered;
    if (!impl.later.joinable()) {
      impl.later = std::thread([&impl] { impl.WaitForLater(); });
    }
  }
  impl.there.notify_one();
  impl.client->Append(project, channel, payload, durability,
                      [&impl, done = std::move(done)](absl::StatusOr<Seq> seq) {
                        if (done) done(std::move(seq));
                        impl.loop.Note([&] { --impl.unanswered; });
                      });
}

std::unique_ptr<BlockingClient::Feed> BlockingClient::Subscribe(
    std::vector<FeedSource> sources, Visibility visibility) {
  return std::make_unique<WaitingFeed>(impl_->loop, *impl_->client,
                                       std::move(sources), visibility);
}

}  // namespace syncline
