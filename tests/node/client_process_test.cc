// The client library and a node that is a process of its own.
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <vector>

#include "node/client/blocking_client.h"
#include "node/client/client.h"
#include "node/client/control_address.h"
#include "tests/node/feed_log.h"
#include "tests/node/running_client.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

// A node that is stopped, and goes on at the end.
class Frozen {
 public:
  explicit Frozen(const ServingNode& node) : pid_(node.pid()) {
    REQUIRE(kill(pid_, SIGSTOP) == 0);
  }
  ~Frozen() { kill(pid_, SIGCONT); }

 private:
  pid_t pid_;
};

TEST_CASE("client: a node that shows no sign of life is lost",
          "[node][client][fault]") {
  const TemporaryDirectory temp;
  const std::filesystem::path home = temp / "home";
  REQUIRE(RunSyncline(home, {"project", "create", "p"}).exit_code == 0);
  ServingNode node(home, "127.0.0.1:0");
  REQUIRE(node.ready());
  Client::Options options;
  options.silence_ms_max = 1000;
  auto waiting = BlockingClient::Connect(home, options).value();
  auto following = BlockingClient::Connect(home, options).value();
  const auto feed = following->Subscribe({FeedSource::Live("p")});
  REQUIRE(waiting->Append("p", "c", "1").ok());
  REQUIRE(feed->Next());
  // A feed may rest for longer than that.
  const auto nothing = feed->NextWithin(3000);
  REQUIRE(nothing);
  CHECK(nothing->span.bytes.empty());
  {
    const Frozen frozen(node);
    const absl::StatusOr<Seq> lost = waiting->Append("p", "c", "2");
    CHECK(absl::IsUnavailable(lost.status()));
    CHECK(lost.status().message() == "the node shows no sign of life");
    CHECK(waiting->Append("p", "c", "3").status() == lost.status());
    CHECK(!feed->Next());
    CHECK(feed->end().status == lost.status());
    // To connect needs no answer; what comes next does.
    auto late = BlockingClient::Connect(home, options).value();
    CHECK(absl::IsUnavailable(late->Append("p", "c", "4").status()));
  }
  // It goes on with what it had got, and whoever connects anew goes on, too.
  auto anew = BlockingClient::Connect(home, options).value();
  REQUIRE(anew->Append("p", "c", "5").ok());
  const auto rest =
      anew->Subscribe({FeedSource::Behind("p", feed->position(0))});
  const std::optional<FeedRecords> behind = rest->Next();
  REQUIRE(behind);
  CHECK(behind->span.first == Seq{2});
}

TEST_CASE("client: a socket without a place left is told at once",
          "[node][client][fault]") {
  const TemporaryDirectory temp;
  boost::asio::io_context io;
  using boost::asio::local::stream_protocol;
  stream_protocol::acceptor full(io);
  full.open();
  full.bind(stream_protocol::endpoint(temp / "control.sock"));
  full.listen(0);
  std::vector<stream_protocol::socket> others;
  absl::Status refused;
  while (refused.ok() && others.size() < 100) {
    auto socket = ConnectControl(io.get_executor(), temp.path());
    refused = socket.status();
    if (socket.ok()) others.push_back(*std::move(socket));
  }
  CHECK(absl::IsUnavailable(refused));
  CHECK(RunSyncline(temp.path(), {"status"}).exit_code == 7);
}

TEST_CASE("client: a feed resumes behind a node that was killed",
          "[node][client]") {
  const TemporaryDirectory temp;
  const std::filesystem::path home = temp / "home";
  REQUIRE(RunSyncline(home, {"project", "create", "p"}).exit_code == 0);
  FeedPosition position;
  std::uint64_t acknowledged = 0;
  std::vector<std::string> payloads = {""};  // By seq.
  for (int round = 0; round < 3; ++round) {
    ServingNode node(home, "127.0.0.1:0");
    REQUIRE(node.ready());
    RunningClient client(home);
    FeedLog log;
    client.Subscribe(log, {FeedSource::Behind("p", position)},
                     Visibility::kDurable);
    std::vector<std::future<absl::StatusOr<Seq>>> answers;
    for (int i = 0; i < 2000; ++i) {
      answers.push_back(client.Append("p", "c", std::to_string(i)));
      if (i == 1000) {
        REQUIRE(answers[500].get().ok());
        node.Kill();
      }
    }
    acknowledged = payloads.size() + 500;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (i == 500) continue;
      const absl::StatusOr<Seq> seq = answers[i].get();
      if (seq.ok()) acknowledged = std::max(acknowledged, seq->value);
    }
    REQUIRE(log.WaitForEnd());
    CHECK(absl::IsUnavailable(log.End().status));
    CHECK(log.InOrder());
    if (!log.Starts().empty()) position = log.position(0);
    for (const SeenRecord& record : log.Records()) {
      REQUIRE(record.seq.value == payloads.size());
      payloads.push_back(record.payload);
    }
  }
  ServingNode node(home, "127.0.0.1:0");
  REQUIRE(node.ready());
  RunningClient client(home);
  const Seq marker = client.Append("p", "c", "marker").get().value();
  CHECK(marker.value > acknowledged);
  FeedLog rest;
  client.Subscribe(rest, {FeedSource::Behind("p", position)},
                   Visibility::kDurable);
  REQUIRE(rest.WaitFor(marker.value - position.seq.value));
  CHECK(rest.InOrder());
  for (const SeenRecord& record : rest.Records()) {
    payloads.push_back(record.payload);
  }
  CHECK(payloads.size() == marker.value + 1);
  // What was delivered is what the log has.
  FeedLog all;
  client.Subscribe(all, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  REQUIRE(all.WaitFor(marker.value));
  for (const SeenRecord& record : all.Records()) {
    CHECK(record.payload == payloads[record.seq.value]);
  }
}

TEST_CASE("client: consumers that stall cost the node no memory",
          "[node][client]") {
  const TemporaryDirectory temp;
  const std::filesystem::path home = temp / "home";
  REQUIRE(RunSyncline(home, {"project", "create", "p"}).exit_code == 0);
  ServingNode node(home, "127.0.0.1:0");
  REQUIRE(node.ready());
  RunningClient client(home);
  RunningClient stalled(home);
  std::vector<std::unique_ptr<FeedSubscription>> subscriptions;
  std::atomic<int> deliveries = 0;
  stalled.OnLoop([&] {
    for (int i = 0; i < 50; ++i) {
      subscriptions.push_back(nullptr);
      FeedHandlers handlers;
      handlers.on_records = [&, i](const FeedRecords&) {
        subscriptions[static_cast<std::size_t>(i)]->Pause();
        ++deliveries;
      };
      subscriptions.back() = stalled->Subscribe({FeedSource::Behind("p", {})},
                                                Visibility::kWritten, handlers);
    }
  });
  const std::string payload(32u << 10, 'x');
  constexpr int kEvents = 2000;  // 64 MiB.
  FeedLog log;
  client.Subscribe(log, {FeedSource::Live("p")}, Visibility::kWritten);
  for (int i = 0; i < kEvents; ++i) {
    while (client->UnansweredBytes() > (4u << 20)) std::this_thread::yield();
    client->Append("p", "c", payload, Durability::kBuffered, nullptr);
  }
  REQUIRE(log.WaitFor(kEvents));
  CHECK(deliveries == 50);
  const long rss_kib = node.PeakRssKib();
  INFO("peak RSS " << rss_kib << " KiB");
  // A queue for each of them would be 3 GiB. AddressSanitizer keeps what was
  // freed, up to 256 MiB of it.
#ifdef __SANITIZE_ADDRESS__
  CHECK(rss_kib < 768 * 1024);
#else
  CHECK(rss_kib < 128 * 1024);
#endif
  stalled.OnLoop([&] { subscriptions.clear(); });
}

}  // namespace
}  // namespace syncline::testing
