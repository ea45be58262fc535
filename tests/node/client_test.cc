#include "node/client/client.h"

#include <atomic>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>

#include "node/client/blocking_client.h"
#include "node/client/control_address.h"
#include "node/project_events.h"
#include "tests/node/feed_log.h"
#include "tests/node/running_client.h"
#include "tests/node/running_node.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

// A node that offers its socket, with the projects "p" and "q".
class Served {
 public:
  Served() : node_(At(temp_ / "home")) {
    REQUIRE(node_->CreateProject("p").ok());
    REQUIRE(node_->CreateProject("q").ok());
    absl::Status status;
    node_.OnLoop([&] { status = node_->ServeControl(); });
    REQUIRE(status.ok());
  }
  RunningNode& node() { return node_; }
  [[nodiscard]] std::filesystem::path home() const { return temp_ / "home"; }

 private:
  TemporaryDirectory temp_;
  RunningNode node_;
};

std::uint64_t HeadOf(Served& served, const std::string& project) {
  return served.node()->project(project).sync().Report().value().head.value;
}

TEST_CASE("client: thousands of appends without waiting get their seqs",
          "[node][client]") {
  constexpr std::uint64_t kEvents = 10000;
  Served served;
  RunningClient client(served.home());
  std::vector<std::future<absl::StatusOr<Seq>>> answers;
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    // From a thread that is not the client's.
    answers.push_back(client.Append(
        "p", i % 7 == 0 ? "other" : "c", std::to_string(i),
        i % 1000 < 500 ? Durability::kDurable : Durability::kBuffered));
  }
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    const absl::StatusOr<Seq> seq = answers[i].get();
    REQUIRE(seq.ok());
    REQUIRE(seq->value == i + 1);
  }
  CHECK(client->UnansweredBytes() == 0);
  FeedLog log;
  client.Subscribe(log, {FeedSource::Behind("p", {})}, Visibility::kWritten);
  REQUIRE(log.WaitFor(kEvents));
  CHECK(log.InOrder());
  const auto seen = log.Records();
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    REQUIRE(seen[i].payload == std::to_string(i));
    REQUIRE(seen[i].channel == (i % 7 == 0 ? "other" : "c"));
  }
}

TEST_CASE("client: projects in turn get seqs of their own", "[node][client]") {
  Served served;
  RunningClient client(served.home());
  std::vector<std::future<absl::StatusOr<Seq>>> answers;
  for (int i = 0; i < 200; ++i) {
    answers.push_back(client.Append(i % 2 == 0 ? "p" : "q", "c", "x"));
  }
  for (std::uint64_t i = 0; i < 200; ++i) {
    CHECK(answers[i].get().value().value == i / 2 + 1);
  }
}

TEST_CASE("client: what is refused does not keep back the rest",
          "[node][client][table]") {
  struct Row {
    const char* why;
    std::string project;
    std::string channel;
    std::string payload;
    absl::StatusCode code;
  };
  using absl::StatusCode;
  const Row rows[] = {
      {"no such project", "nowhere", "c", "x", StatusCode::kNotFound},
      {"a name of no project", std::string(5000, 'p'), "c", "x",
       StatusCode::kNotFound},
      {"no channel", "p", "", "x", StatusCode::kInvalidArgument},
      {"a channel with a control character", "p", "a\tb", "x",
       StatusCode::kInvalidArgument},
      {"a payload too long", "p", "c", std::string((1u << 20) + 1, 'x'),
       StatusCode::kInvalidArgument},
  };
  Served served;
  RunningClient client(served.home());
  std::uint64_t next = 1;
  for (const Row& row : rows) {
    INFO(row.why);
    auto before = client.Append("p", "c", "before");
    auto refused = client.Append(row.project, row.channel, row.payload);
    auto behind = client.Append("p", "c", "behind");
    CHECK(before.get().value().value == next++);
    CHECK(refused.get().status().code() == row.code);
    CHECK(behind.get().value().value == next++);
  }
  CHECK(client->UnansweredBytes() == 0);
}

TEST_CASE("client: a payload of the largest size goes there and back",
          "[node][client]") {
  Served served;
  RunningClient client(served.home());
  const std::string payload(1u << 20, 'p');
  FeedLog log;
  client.Subscribe(log, {FeedSource::Live("p")}, Visibility::kDurable);
  REQUIRE(client.Append("p", "c", payload).get().ok());
  REQUIRE(client.Append("p", "c", "").get().ok());
  // Subscribing was asked for before: both are seen.
  REQUIRE(log.WaitFor(2));
  CHECK(log.Records()[0].payload == payload);
  CHECK(log.Records()[1].payload.empty());
}

TEST_CASE("client: a feed of many projects replays and goes on live",
          "[node][client]") {
  Served served;
  RunningClient client(served.home());
  for (int i = 0; i < 3000; ++i) {
    client->Append(i % 2 == 0 ? "p" : "q", "c", std::string(500, 'x'),
                   Durability::kBuffered, nullptr);
  }
  REQUIRE(client.Append("q", "c", "replayed").get().ok());
  FeedLog log;
  client.Subscribe(log, {FeedSource::Behind("p", {}), FeedSource::Oldest("q")},
                   Visibility::kDurable);
  REQUIRE(log.WaitFor(3001));
  for (int i = 0; i < 50; ++i) {
    REQUIRE(client.Append(i % 2 == 0 ? "p" : "q", "c", "live").get().ok());
  }
  REQUIRE(log.WaitFor(3051));
  CHECK(log.InOrder());
  CHECK(log.position(0).seq.value == 1525);
  CHECK(log.position(1).seq.value == 1526);
}

TEST_CASE("client: ends of feeds are told as they are", "[node][client]") {
  Served served;
  RunningClient client(served.home());
  REQUIRE(client.Append("p", "c", "x").get().ok());
  const auto end_of = [&](FeedSource source) {
    FeedLog log;
    client.Subscribe(log, {FeedSource::Oldest("q"), std::move(source)},
                     Visibility::kDurable);
    REQUIRE(log.WaitForEnd());
    return log.End();
  };
  const FeedEnd beyond = end_of(FeedSource::Behind("p", {{}, Seq{5}}));
  CHECK(beyond.why == FeedEnd::Why::kCursorInvalid);
  CHECK(beyond.source == 1);
  CHECK(beyond.head.value == 1);
  const FeedEnd nowhere = end_of(FeedSource::Live("nowhere"));
  CHECK(nowhere.why == FeedEnd::Why::kFailed);
  CHECK(absl::IsNotFound(nowhere.status));
  FeedLog live;
  client.Subscribe(live, {FeedSource::Oldest("p")}, Visibility::kDurable);
  REQUIRE(live.WaitFor(1));
  REQUIRE(served.node()->RemoveProject("p").ok());
  REQUIRE(live.WaitForEnd());
  CHECK(live.End().why == FeedEnd::Why::kCancelled);
  // The connection goes on.
  CHECK(client.Append("q", "c", "x").get().ok());
}

TEST_CASE("client: a consumer may cancel or drop the client or throw",
          "[node][client]") {
  Served served;
  RunningClient steady(served.home());
  FeedLog other;
  steady.Subscribe(other, {FeedSource::Live("p")}, Visibility::kWritten);
  RunningClient client(served.home());
  FeedLog log;
  SECTION("cancel") {
    log.on_record = [&](const SeenRecord& record) {
      if (record.seq.value == 3) log.CancelHere();
    };
  }
  SECTION("drop the client") {
    log.on_record = [&](const SeenRecord& record) {
      if (record.seq.value == 3) client.DropHere();
    };
  }
  SECTION("throw") {
    log.on_record = [&](const SeenRecord& record) {
      if (record.seq.value == 3) throw std::runtime_error("enough");
    };
  }
  client.Subscribe(log, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(steady.Append("p", "c", "x").get().ok());
    if (i < 3) REQUIRE(log.WaitFor(static_cast<std::size_t>(i) + 1));
  }
  REQUIRE(other.WaitFor(10));
  CHECK(log.Records().size() == 3);
  if (log.on_record && log.ended()) {
    CHECK(absl::IsAborted(log.End().status));
    CHECK(client.Append("p", "c", "x").get().ok());
  }
}

TEST_CASE("client: an answer may drop the client", "[node][client]") {
  Served served;
  RunningClient client(served.home());
  std::promise<void> dropped;
  client.OnLoop([&] {
    for (int i = 0; i < 100; ++i) {
      client->Append("p", "c", "x", Durability::kDurable,
                     [&, i](const absl::StatusOr<Seq>&) {
                       CHECK(i == 0);
                       client.DropHere();
                       dropped.set_value();
                     });
    }
  });
  dropped.get_future().wait();
}

TEST_CASE("client: a lost node fails what waits and refuses what comes",
          "[node][client]") {
  auto served = std::make_unique<Served>();
  std::atomic<int> lost = 0;
  Client::Options options;
  // On the client's thread, where Catch2 must not be asked.
  options.on_disconnect = [&](const absl::Status& status) {
    if (absl::IsUnavailable(status)) ++lost;
  };
  RunningClient client(served->home(), options);
  FeedLog log;
  client.Subscribe(log, {FeedSource::Live("p")}, Visibility::kDurable);
  REQUIRE(client.Append("p", "c", "x").get().ok());
  REQUIRE(log.WaitFor(1));
  std::vector<std::future<absl::StatusOr<Seq>>> answers;
  served->node().OnLoop([&] {
    for (int i = 0; i < 5000; ++i)
      answers.push_back(client.Append("p", "c", "x"));
  });
  REQUIRE(served->node()->Close().ok());
  served.reset();
  for (auto& answer : answers) {
    const absl::StatusOr<Seq> seq = answer.get();  // Every one is answered.
    if (!seq.ok()) CHECK(absl::IsUnavailable(seq.status()));
  }
  REQUIRE(log.WaitForEnd());
  CHECK(Eventually([&] { return lost == 1; }));
  CHECK(absl::IsUnavailable(client.Append("p", "c", "x").get().status()));
  FeedLog late;
  client.Subscribe(late, {FeedSource::Live("p")}, Visibility::kDurable);
  REQUIRE(late.WaitForEnd());
  CHECK(absl::IsUnavailable(late.End().status));
  CHECK(client->UnansweredBytes() == 0);
}

TEST_CASE("client: nobody serves a home without a node", "[node][client]") {
  const TemporaryDirectory temp;
  boost::asio::io_context io;
  CHECK(absl::IsNotFound(
      Client::Connect(io.get_executor(), temp / "none").status()));
  CHECK(absl::IsNotFound(
      Client::Connect(io.get_executor(), temp.path()).status()));
  CHECK(absl::IsNotFound(BlockingClient::Connect(temp.path()).status()));
  Served served;
  CHECK(
      Client::Connect(io.get_executor(), served.home() / "control.sock").ok());
}

TEST_CASE("client: a thousand subscribers on one connection",
          "[node][client]") {
  constexpr std::size_t kSubscribers = 1000;
  constexpr std::uint64_t kEvents = 20;
  Served served;
  RunningClient client(served.home());
  std::vector<std::uint64_t> next(kSubscribers, 1);
  std::atomic<std::size_t> complete = 0;
  std::atomic<bool> in_order = true;
  std::vector<std::unique_ptr<FeedSubscription>> subscriptions;
  client.OnLoop([&] {
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      FeedHandlers handlers;
      handlers.on_records = [&, i](const FeedRecords& records) {
        if (records.span.first.value != next[i]) in_order = false;
        next[i] = records.span.last.value + 1;
        if (next[i] == kEvents + 1) ++complete;
      };
      subscriptions.push_back(client->Subscribe({FeedSource::Behind("p", {})},
                                                Visibility::kWritten,
                                                std::move(handlers)));
    }
  });
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    REQUIRE(client.Append("p", "c", "x", Durability::kBuffered).get().ok());
  }
  CHECK(Eventually([&] { return complete == kSubscribers; }));
  CHECK(in_order);
  client.OnLoop([&] { subscriptions.clear(); });
}

TEST_CASE("client: the blocking client appends and follows by waiting",
          "[node][client]") {
  Served served;
  auto client = BlockingClient::Connect(served.home()).value();
  CHECK(client->Append("p", "c", "first").value().value == 1);
  const std::vector<std::string_view> payloads(1000, "x");
  const auto seqs = client->AppendAll("p", "c", payloads).value();
  REQUIRE(seqs.size() == 1000);
  CHECK(seqs.back().value == 1001);
  CHECK(absl::IsNotFound(client->Append("nowhere", "c", "x").status()));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j) client->Append("q", "c", "x").IgnoreError();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(HeadOf(served, "q") == 400);
  const auto feed = client->Subscribe({FeedSource::Behind("p", {})});
  std::uint64_t last = 0;
  while (last < 1001) {
    const std::optional<FeedRecords> records = feed->Next();
    REQUIRE(records);
    REQUIRE(records->span.first.value == last + 1);
    last = records->span.last.value;
  }
  CHECK(feed->position(0).seq.value == 1001);
  CHECK(feed->NextWithin(1).value().span.empty());
  REQUIRE(client->Append("p", "c", "live").ok());
  const std::optional<FeedRecords> live = feed->Next();
  REQUIRE(live);
  CHECK(live->span.first.value == 1002);
  REQUIRE(served.node()->RemoveProject("p").ok());
  CHECK_FALSE(feed->Next());
  CHECK(feed->end().why == FeedEnd::Why::kCancelled);
}

TEST_CASE("client: what is appended for later is answered without a wait",
          "[node][client]") {
  Served served;
  auto client = BlockingClient::Connect(served.home()).value();
  constexpr int kRounds = 3;
  constexpr int kEvents = 500;
  for (int round = 0; round < kRounds; ++round) {
    std::promise<void> all;
    int answered = 0;
    for (int i = 0; i < kEvents; ++i) {
      client->AppendLater("p", "c", "x", Durability::kBuffered,
                          [&](const absl::StatusOr<Seq>& seq) {
                            CHECK(seq.ok());
                            if (++answered == kEvents) all.set_value();
                          });
    }
    // Somebody who waits meanwhile, every other time.
    if (round % 2 == 0) CHECK(client->Append("q", "c", "x").ok());
    all.get_future().wait();
  }
  CHECK(HeadOf(served, "p") == kRounds * kEvents);
}

TEST_CASE("client: many feeds are waited for on threads of their own",
          "[node][client]") {
  constexpr std::uint64_t kEvents = 300;
  Served served;
  auto client = BlockingClient::Connect(served.home()).value();
  std::vector<std::thread> readers;
  std::atomic<int> complete = 0;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      const auto feed = client->Subscribe({FeedSource::Behind("p", {})},
                                          Visibility::kWritten);
      std::uint64_t last = 0;
      while (last < kEvents) {
        const auto records = feed->Next();
        if (!records || records->span.first.value != last + 1) return;
        last = records->span.last.value;
      }
      ++complete;
    });
  }
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    CHECK(client->Append("p", "c", "x", Durability::kBuffered).ok());
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(complete == 4);
}

TEST_CASE("client: a blocking client is told that its node is gone",
          "[node][client]") {
  auto served = std::make_unique<Served>();
  auto client = BlockingClient::Connect(served->home()).value();
  const auto feed = client->Subscribe({FeedSource::Live("p")});
  REQUIRE(client->Append("p", "c", "x").ok());
  REQUIRE(feed->Next());
  auto ended = std::async(std::launch::async, [&] { return !feed->Next(); });
  REQUIRE(served->node()->Close().ok());
  served.reset();
  CHECK(ended.get());
  CHECK(absl::IsUnavailable(feed->end().status));
  CHECK(absl::IsUnavailable(client->Append("p", "c", "x").status()));
}

TEST_CASE("client: an answer that throws is the executor's and no other's",
          "[node][client]") {
  Served served;
  boost::asio::io_context io;
  auto client = Client::Connect(io.get_executor(), served.home()).value();
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    client->Append("p", "c", "x", Durability::kBuffered,
                   [&](const absl::StatusOr<Seq>& seq) {
                     CHECK(seq.ok());
                     if (++answered == 1) throw std::runtime_error("enough");
                   });
  }
  CHECK_THROWS_AS(
      [&] {
        while (answered < 3) io.run_one();
      }(),
      std::runtime_error);
  while (answered < 3) io.run_one();
  CHECK(client->UnansweredBytes() == 0);
  client.reset();
}

TEST_CASE("client: who connects and says nothing or nonsense is no matter",
          "[node][client]") {
  Served served;
  boost::asio::io_context io;
  auto silent = ConnectControl(io.get_executor(), served.home()).value();
  auto babbling = ConnectControl(io.get_executor(), served.home()).value();
  boost::asio::write(babbling, boost::asio::buffer(std::string(4096, '?')));
  auto gone = ConnectControl(io.get_executor(), served.home()).value();
  gone.close();
  RunningClient client(served.home());
  CHECK(client.Append("p", "c", "x").get().ok());
  // It is told so and let go.
  std::string why;
  boost::system::error_code error;
  boost::asio::read(babbling, boost::asio::dynamic_buffer(why), error);
  CHECK(error);
  // The node closes for all that.
  REQUIRE(served.node()->Close().ok());
}

TEST_CASE("client: a feed behind the horizon ends and is told of it",
          "[node][client]") {
  Served served;
  RunningClient client(served.home());
  for (int i = 0; i < 10; ++i) REQUIRE(client.Append("p", "c", "x").get().ok());
  const Project project = served.node()->project("p");
  REQUIRE(project.retention().Truncate({.through = Seq{8}}).ok());
  FeedLog late;
  client.Subscribe(late, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  REQUIRE(late.WaitForEnd());
  CHECK(late.Records().empty());
  const FeedEnd end = late.End();
  CHECK(end.why == FeedEnd::Why::kBehindHorizon);
  CHECK(end.source == 0);
  CHECK(end.horizon == Seq{8});
  CHECK(end.head == Seq{10});
  CHECK_FALSE(end.status.ok());
  // What is kept can still be followed.
  FeedLog oldest;
  client.Subscribe(oldest, {FeedSource::Oldest("p")}, Visibility::kDurable);
  CHECK(oldest.WaitFor(2));
}

}  // namespace
}  // namespace syncline::testing
