#include "node/project_events.h"

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "tests/node/feed_log.h"
#include "tests/node/running_node.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

using Event = Project::Events::Event;

std::vector<Event> Numbered(int count, const std::string& channel = "c") {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    events.push_back({channel, std::to_string(i)});
  }
  return events;
}

TEST_CASE("events: a batch has consecutive seqs and one entry each",
          "[node][events]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  const auto first = project.events().Append("alarms", "{}").value();
  CHECK(first.first.value == 1);
  CHECK(first.last.value == 1);
  for (const Durability durability :
       {Durability::kBuffered, Durability::kDurable}) {
    const auto before = project.sync().Report().value().head;
    const auto batch = project.events().Append(Numbered(50), durability);
    REQUIRE(batch.ok());
    CHECK(batch->first == before.next());
    CHECK(batch->last.value == before.value + 50);
  }
  const auto page = project.log().Read(LogQuery()).value();
  REQUIRE(page.records.size() == 101);
  REQUIRE(page.records[0].changes.size() == 1);
  CHECK(page.records[0].changes[0].type == PathChange::Type::kEvent);
  CHECK(page.records[0].changes[0].path == "alarms");
  CHECK(page.records[0].changes[0].payload == "{}");
  CHECK(page.records[0].cause == "user");
  CHECK(page.records[100].changes[0].payload == "49");
  CHECK(project.sync().Report().value().items == 0);
}

TEST_CASE("events: what breaks a limit is refused and appends nothing",
          "[node][events][table]") {
  struct Row {
    const char* why;
    std::string channel;
    std::string payload;
    bool fits;
  };
  const Row rows[] = {
      {"plain", "a", "x", true},
      {"no payload", "a", "", true},
      {"UTF-8", "caf\xc3\xa9 \xf0\x9f\x90\x9f", "x", true},
      {"bytes in the payload", "a", std::string("\0\xff\n", 3), true},
      {"the longest channel", std::string(255, 'c'), "x", true},
      {"the longest payload", "a", std::string(1u << 20, 'p'), true},
      {"no channel", "", "x", false},
      {"a channel too long", std::string(256, 'c'), "x", false},
      {"a payload too long", "a", std::string((1u << 20) + 1, 'p'), false},
      {"a line feed", "a\nb", "x", false},
      {"a zero", std::string("a\0b", 3), "x", false},
      {"DEL", "a\x7f", "x", false},
      {"a control character beyond ASCII", "a\xc2\x85", "x", false},
      {"no UTF-8", "a\xff", "x", false},
      {"cut off UTF-8", "a\xc3", "x", false},
      {"a surrogate", "\xed\xa0\x80", "x", false},
  };
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  std::uint64_t head = 0;
  for (const Row& row : rows) {
    INFO(row.why);
    const auto appended = project.events().Append(
        {{"good", "x"}, {row.channel, row.payload}, {"good", "y"}});
    if (row.fits) {
      CHECK(appended.ok());
      head += 3;
    } else {
      CHECK(absl::IsInvalidArgument(appended.status()));
      CHECK(std::string(appended.status().message()).find("event 2") == 0);
    }
    CHECK(project.sync().Report().value().head.value == head);
  }
  CHECK(absl::IsInvalidArgument(project.events().Append({}).status()));
  CHECK(absl::IsNotFound(
      node->project("nowhere").events().Append("a", "x").status()));
}

TEST_CASE("events: many calls in flight are acknowledged in their order",
          "[node][events]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  std::vector<std::future<absl::StatusOr<Project::Events::Appended>>> calls;
  for (int i = 0; i < 500; ++i) {
    calls.push_back(project.events().AsyncAppend(
        {{"c", std::to_string(i)}},
        i % 3 == 0 ? Durability::kBuffered : Durability::kDurable,
        boost::asio::use_future));
  }
  for (std::uint64_t i = 0; i < 500; ++i) {
    CHECK(calls[i].get().value().first.value == i + 1);
  }
}

TEST_CASE("feed: replay goes over into live without a gap or a repetition",
          "[node][feed]") {
  const Visibility visibility =
      GENERATE(Visibility::kDurable, Visibility::kWritten);
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  REQUIRE(project.events().Append(Numbered(300)).ok());
  FeedLog log;
  log.Subscribe(node, {FeedSource::Behind("p", {})}, visibility);
  for (int i = 0; i < 300; ++i) {
    REQUIRE(project.events()
                .Append("live", std::to_string(i), Durability::kBuffered)
                .ok());
  }
  REQUIRE(log.WaitFor(600));
  CHECK(log.InOrder());
  const auto seen = log.Records();
  REQUIRE(seen.size() == 600);
  CHECK(seen[0].channel == "c");
  CHECK(seen[0].payload == "0");
  CHECK(seen[599].channel == "live");
  CHECK(seen[599].payload == "299");
  REQUIRE(log.Starts().size() == 1);
  CHECK(log.Starts()[0].position.seq.value == 0);
  CHECK(log.Starts()[0].head.value >= 300);
}

TEST_CASE("feed: live begins at the head and a position behind it",
          "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  REQUIRE(project.events().Append(Numbered(10)).ok());
  FeedLog live;
  live.Subscribe(node, {FeedSource::Live("p")}, Visibility::kDurable);
  FeedLog behind;
  const LogId id = project.sync().Report().value().log;
  behind.Subscribe(node, {FeedSource::Behind("p", {id, Seq{7}})},
                   Visibility::kDurable);
  FeedLog oldest;
  oldest.Subscribe(node, {FeedSource::Oldest("p")}, Visibility::kDurable);
  REQUIRE(project.events().Append("c", "last").ok());
  REQUIRE(live.WaitFor(1));
  REQUIRE(behind.WaitFor(4));
  REQUIRE(oldest.WaitFor(11));
  CHECK(live.Records()[0].seq.value == 11);
  CHECK(behind.Records()[0].seq.value == 8);
  CHECK(oldest.Records()[0].seq.value == 1);
  CHECK(behind.position(0) == FeedPosition{id, Seq{11}});
}

TEST_CASE("feed: a position that cannot be read from is told", "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  REQUIRE(project.events().Append(Numbered(10)).ok());
  const auto end_of = [&](FeedSource source) {
    FeedLog log;
    log.Subscribe(node, {FeedSource::Oldest("p"), std::move(source)},
                  Visibility::kDurable);
    REQUIRE(log.WaitForEnd());
    CHECK(log.Records().empty());
    return log.End();
  };
  const FeedEnd beyond = end_of(FeedSource::Behind("p", {{}, Seq{11}}));
  CHECK(beyond.why == FeedEnd::Why::kCursorInvalid);
  CHECK(beyond.source == 1);
  CHECK(beyond.horizon.value == 0);
  CHECK(beyond.head.value == 10);
  const FeedEnd other =
      end_of(FeedSource::Behind("p", {LogId{std::string(16, 'x')}, Seq{1}}));
  CHECK(other.why == FeedEnd::Why::kCursorInvalid);
  const FeedEnd nowhere = end_of(FeedSource::Live("nowhere"));
  CHECK(nowhere.why == FeedEnd::Why::kFailed);
  CHECK(absl::IsNotFound(nowhere.status));
}

TEST_CASE("feed: one subscription reads many projects", "[node][feed]") {
  constexpr std::size_t kProjects = 20;
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  std::vector<FeedSource> sources;
  for (std::size_t i = 0; i < kProjects; ++i) {
    const std::string name = "p" + std::to_string(i);
    REQUIRE(node->CreateProject(name)->events().Append(Numbered(20)).ok());
    sources.push_back(FeedSource::Behind(name, {}));
  }
  FeedLog log;
  log.Subscribe(node, sources, Visibility::kWritten);
  for (std::size_t i = 0; i < kProjects; ++i) {
    REQUIRE(node->project("p" + std::to_string(i))
                .events()
                .Append("live", std::to_string(i))
                .ok());
  }
  REQUIRE(log.WaitFor(21 * kProjects));
  CHECK(log.InOrder());
  for (std::size_t i = 0; i < kProjects; ++i) {
    CHECK(log.position(i).seq.value == 21);
  }
  for (const SeenRecord& record : log.Records()) {
    if (record.channel == "live") {
      CHECK(record.payload == std::to_string(record.source));
    }
  }
}

TEST_CASE("feed: one that is behind the horizon ends and is told of it",
          "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  REQUIRE(project.events().Append("c", "first").ok());
  // It stands behind the first record when it is overtaken.
  FeedLog slow;
  slow.on_record = [&](const SeenRecord&) { slow.PauseHere(); };
  slow.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  REQUIRE(slow.WaitFor(1));
  REQUIRE(project.events().Append(Numbered(9)).ok());
  REQUIRE(project.retention().Truncate({.through = Seq{8}}).ok());
  CHECK_FALSE(slow.ended());
  slow.Resume();
  REQUIRE(slow.WaitForEnd());
  CHECK(slow.Records().size() == 1);

  FeedLog late;
  late.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  REQUIRE(late.WaitForEnd());
  CHECK(late.Records().empty());
  for (FeedLog* log : {&slow, &late}) {
    const FeedEnd end = log->End();
    CHECK(end.why == FeedEnd::Why::kBehindHorizon);
    CHECK(end.source == 0);
    CHECK(end.horizon == Seq{8});
    CHECK(end.head == Seq{10});
    CHECK_FALSE(end.status.ok());
  }
  // What is kept can still be followed.
  FeedLog oldest;
  oldest.Subscribe(node, {FeedSource::Oldest("p")}, Visibility::kDurable);
  CHECK(oldest.WaitFor(2));
}

TEST_CASE("feed: a consumer that throws ends its own feed only",
          "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  FeedLog thrower;
  thrower.on_record = [](const SeenRecord& record) {
    if (record.seq.value == 3) throw std::runtime_error("not this one");
  };
  thrower.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  FeedLog other;
  other.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(project.events().Append("c", std::to_string(i)).ok());
  }
  REQUIRE(thrower.WaitForEnd());
  CHECK(thrower.End().why == FeedEnd::Why::kFailed);
  CHECK(absl::IsAborted(thrower.End().status));
  CHECK(std::string(thrower.End().status.message()).find("not this one") !=
        std::string::npos);
  CHECK(thrower.Records().size() == 3);
  REQUIRE(other.WaitFor(10));
  CHECK_FALSE(other.ended());
}

TEST_CASE("feed: cancelling within a callback is the last of it",
          "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  FeedLog log;
  log.on_record = [&](const SeenRecord& record) {
    if (record.seq.value == 5) log.CancelHere();
  };
  FeedLog other;
  log.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kWritten);
  other.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kWritten);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(project.events().Append("c", std::to_string(i)).ok());
  }
  REQUIRE(other.WaitFor(20));
  CHECK(log.Records().size() == 5);
  CHECK_FALSE(log.ended());
}

TEST_CASE("feed: a paused consumer is given nothing and misses nothing",
          "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  FeedLog log;
  log.on_record = [&](const SeenRecord& record) {
    if (record.seq.value == 2) log.PauseHere();
  };
  log.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(project.events().Append("c", std::to_string(i)).ok());
  }
  REQUIRE(log.WaitFor(2));
  FeedLog other;
  other.Subscribe(node, {FeedSource::Behind("p", {})}, Visibility::kDurable);
  REQUIRE(other.WaitFor(100));
  CHECK(log.Records().size() == 2);
  log.Resume();
  REQUIRE(log.WaitFor(100));
  CHECK(log.InOrder());
}

TEST_CASE("feed: the end of the node or of a project is told", "[node][feed]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  REQUIRE(node->CreateProject("p")->events().Append("c", "x").ok());
  REQUIRE(node->CreateProject("q")->events().Append("c", "x").ok());
  FeedLog both;
  both.Subscribe(node, {FeedSource::Oldest("q"), FeedSource::Oldest("p")},
                 Visibility::kDurable);
  FeedLog one;
  one.Subscribe(node, {FeedSource::Oldest("q")}, Visibility::kDurable);
  REQUIRE(both.WaitFor(2));
  REQUIRE(one.WaitFor(1));
  REQUIRE(node->RemoveProject("p").ok());
  REQUIRE(both.WaitForEnd());
  CHECK(both.End().why == FeedEnd::Why::kCancelled);
  CHECK(both.End().source == 1);
  CHECK(both.position(0).seq.value == 1);
  CHECK_FALSE(one.ended());
  REQUIRE(node->Close().ok());
  REQUIRE(one.WaitForEnd());
  CHECK(one.End().why == FeedEnd::Why::kCancelled);
}

TEST_CASE("feed: a thousand subscribers each see everything", "[node][feed]") {
  constexpr std::size_t kSubscribers = 1000;
  constexpr std::uint64_t kEvents = 100;
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("p").value();
  std::vector<std::uint64_t> next(kSubscribers, 1);
  std::atomic<std::size_t> complete = 0;
  std::atomic<bool> in_order = true;
  std::vector<std::unique_ptr<FeedSubscription>> subscriptions;
  node.OnLoop([&] {
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      FeedHandlers handlers;
      handlers.on_records = [&, i](const FeedRecords& records) {
        if (records.span.first.value != next[i]) in_order = false;
        next[i] = records.span.last.value + 1;
        if (next[i] == kEvents + 1) ++complete;
      };
      subscriptions.push_back(project.log().Subscribe(
          FeedSource::Behind("", {}), Visibility::kWritten, handlers));
    }
  });
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    REQUIRE(project.events().Append("c", "x", Durability::kBuffered).ok());
  }
  CHECK(Eventually([&] { return complete == kSubscribers; }));
  CHECK(in_order);
  node.OnLoop([&] { subscriptions.clear(); });
}

}  // namespace
}  // namespace syncline::testing
