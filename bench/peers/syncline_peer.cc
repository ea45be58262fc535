// Syncline: `syncline serve`, and its client library over the control socket.

#include <algorithm>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "bench/harness.h"
#include "bench/node_rigs.h"
#include "bench/peers/backend.h"
#include "bench/peers/server_process.h"
#include "log/record_span.h"
#include "node/client/blocking_client.h"
#include "node/client/client.h"
#include "proto/event_reader.h"
#include "tests/testing/process.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kConnectionsMax = 16;  // Of subscribers.
constexpr std::size_t kUnansweredBytesMax = 1u << 20;
constexpr std::string_view kChannel = "bench";

std::string LogName(std::size_t log) { return "project" + std::to_string(log); }

// Takes what a feed gives: every record is looked at, and its checksum
// compared, as a consumer would.
class Records {
 public:
  // The number of records, and the payload of the last one until the next
  // call.
  PeerEntry Take(const RecordSpan& span) {
    std::size_t count = 0;
    RecordView last;
    RecordWalk walk(span.first, span.bytes);
    for (; walk.Valid(); walk.Next()) {
      ++count;
      last = walk.record();
    }
    Must(walk.status());
    const auto events = Must(reader_.Read(last));
    if (events.empty()) PeerFailed("syncline", "a record is no event");
    return {count, events.back().payload};
  }

 private:
  EventReader reader_;
};

class SynclineClient final : public PeerClient {
 public:
  SynclineClient(const fs::path& home, Durability durability)
      : durability_(durability),
        work_(boost::asio::make_work_guard(io_)),
        client_(Must(Client::Connect(io_.get_executor(), home))) {}

  void Append(const PeerEntry& entry) override {
    AppendMany(1, [&](std::size_t) { return entry; });
  }

  void AppendMany(std::size_t count, const NextEntry& next) override {
    std::size_t answered = 0;
    std::size_t sent = 0;
    while (answered < count) {
      while (sent < count && client_->UnansweredBytes() < kUnansweredBytesMax) {
        Start(next(sent++), [&](const absl::StatusOr<Seq>& seq) {
          Must(seq.status());
          ++answered;
        });
      }
      io_.run_one();
    }
  }

  void Replay(std::size_t count) override {
    std::size_t seen = 0;
    Records records;
    FeedHandlers handlers;
    handlers.on_records = [&](const FeedRecords& some) {
      seen += records.Take(some.span).log;
    };
    handlers.on_end = [](const FeedEnd& end) { Must(end.status); };
    const auto feed =
        client_->Subscribe({FeedSource::Oldest(LogName(0))},
                           Visibility::kWritten, std::move(handlers));
    while (seen < count) io_.run_one();
  }

 private:
  void Start(const PeerEntry& entry, Client::AppendDone done) {
    client_->Append(entry.log == 0 ? first_ : LogName(entry.log), kChannel,
                    entry.payload, durability_, std::move(done));
  }

  const Durability durability_;
  const std::string first_ = LogName(0);
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      work_;
  std::unique_ptr<Client> client_;
};

// A program that waits each time.
class WaitingClient final : public PeerClient {
 public:
  WaitingClient(const fs::path& home, Durability durability)
      : durability_(durability), client_(Must(BlockingClient::Connect(home))) {}

  void Append(const PeerEntry& entry) override {
    Must(client_
             ->Append(LogName(entry.log), kChannel, entry.payload, durability_)
             .status());
  }
  void AppendMany(std::size_t count, const NextEntry& next) override {
    for (std::size_t i = 0; i < count; ++i) Append(next(i));
  }
  void Replay(std::size_t) override { PeerFailed("syncline", "not waiting"); }

 private:
  const Durability durability_;
  const std::unique_ptr<BlockingClient> client_;
};

class SynclineServer final : public PeerServer {
 public:
  explicit SynclineServer(const PeerSetup& setup)
      : home_(setup.dir / "home"),
        durability_(setup.durable ? Durability::kDurable
                                  : Durability::kBuffered) {
    CoreRig(setup.dir).MakeProjects(setup.logs);
    server_ = std::make_unique<ServingNode>(home_, "127.0.0.1:0");
    if (!server_->ready()) PeerFailed("syncline", "does not serve");
  }

  std::unique_ptr<PeerClient> Connect(bool waiting) override {
    if (waiting) return std::make_unique<WaitingClient>(home_, durability_);
    return std::make_unique<SynclineClient>(home_, durability_);
  }

  void RunSubscribers(std::size_t count, const Deliver& deliver,
                      const std::atomic<bool>& stop,
                      std::atomic<std::size_t>& ready) override {
    boost::asio::io_context io;
    const auto work = boost::asio::make_work_guard(io);
    Records records;
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < std::min(count, kConnectionsMax); ++i) {
      clients.push_back(Must(Client::Connect(io.get_executor(), home_)));
    }
    FeedHandlers handlers;
    handlers.on_start = [&](const auto&) { ++ready; };
    handlers.on_records = [&](const FeedRecords& some) {
      const PeerEntry last = records.Take(some.span);
      deliver(last.log, last.payload);
    };
    handlers.on_end = [](const FeedEnd& end) { Must(end.status); };
    std::vector<std::unique_ptr<FeedSubscription>> feeds;
    for (std::size_t i = 0; i < count; ++i) {
      feeds.push_back(clients[i % clients.size()]->Subscribe(
          {FeedSource::Oldest(LogName(0))},
          durability_ == Durability::kDurable ? Visibility::kDurable
                                              : Visibility::kWritten,
          handlers));
    }
    while (!stop) io.run_one_for(std::chrono::milliseconds(50));
  }

  [[nodiscard]] int pid() const override { return server_->pid(); }

 private:
  const fs::path home_;
  const Durability durability_;
  std::unique_ptr<ServingNode> server_;
};

}  // namespace

std::unique_ptr<PeerServer> StartSyncline(const PeerSetup& setup) {
  return std::make_unique<SynclineServer>(setup);
}

}  // namespace syncline::testing
