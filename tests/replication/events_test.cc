// Events are committed on a way of their own. It must lead to the same log.

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "kv/memory_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/replica_rig.h"

namespace syncline::testing {
namespace {

std::vector<std::string> Frames(Replica& replica) {
  std::vector<std::string> frames;
  auto reader = replica.log().Read({});
  for (; reader->Valid(); reader->Next()) {
    frames.emplace_back(reader->record().frame);
  }
  REQUIRE(reader->status().ok());
  return frames;
}

absl::Status CommitEvents(ReplicaRig& rig, std::vector<EventView> events,
                          std::optional<Seq> expected = {}) {
  bool done = false;
  absl::Status status;
  const absl::StatusOr<Seq> first = rig->CommitEvents(
      events, Durability::kDurable, [&](const absl::Status& answer) {
        status = answer;
        done = true;
      });
  if (!first.ok()) return first.status();
  if (expected) CHECK(*first == *expected);
  rig.RunUntil(done);
  return status;
}

// The same history twice, its events once as any commit and once as events.
struct Twice {
  void Events(const std::vector<EventView>& events) {
    // The rigs' time moves while they wait.
    as_commit.time().now_ms = by_event.time().now_ms;
    for (const EventView& event : events) {
      REQUIRE(as_commit
                  ->Commit({EventEffect{std::string(event.channel),
                                        std::string(event.payload)}},
                           "user", Durability::kDurable, {})
                  .ok());
    }
    const Seq first = by_event->log().head().next();
    REQUIRE(CommitEvents(by_event, events, first).ok());
    as_commit.Settle();
  }
  template <typename Action>
  void Both(const Action& action) {
    as_commit.time().now_ms = by_event.time().now_ms;
    action(as_commit);
    action(by_event);
  }

  boost::asio::io_context io;
  MemoryStore stores[3];
  ReplicaRig as_commit{io, stores[0], "a"};
  ReplicaRig by_event{io, stores[1], "a"};
  ReplicaRig other{io, stores[2], "b"};
};

TEST_CASE("events: the log is that of any other commit", "[replication]") {
  Twice twice;
  twice.Events({{"first", "1"}, {"first", ""}, {"second", "3"}});
  twice.Both([](ReplicaRig& rig) { rig.Put("file", "content"); });
  twice.Events({{"second", std::string(1000, 'x')}});
  twice.other.Put("theirs", "2");
  twice.Both([&](ReplicaRig& rig) { rig.PullFrom(twice.other); });
  twice.Events({{"c", "after"}, {"c", "another's entry"}});
  twice.Both([](ReplicaRig& rig) { rig.time().now_ms += 10'000; });
  twice.Events({{"c", "later"}});
  // A clock that was far ahead and was set right.
  twice.Both([](ReplicaRig& rig) { rig.time().now_ms -= 3'600'000; });
  twice.Events({{"c", "earlier"}});
  twice.Both([](ReplicaRig& rig) { rig.Put("file", "more"); });

  const std::vector<std::string> frames = Frames(*twice.by_event);
  const std::vector<std::string> expected = Frames(*twice.as_commit);
  REQUIRE(frames.size() == expected.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    INFO("seq " << i + 1);
    CHECK(ToHex(frames[i]) == ToHex(expected[i]));
  }
  CHECK(twice.by_event->state().hlc() == twice.as_commit->state().hlc());
  CHECK(twice.by_event->state().frontier() ==
        twice.as_commit->state().frontier());
}

TEST_CASE("events: many and large ones are all in the log in order",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  const std::string large(700'000, 'x');
  std::vector<std::string> payloads;
  for (int i = 0; i < 5000; ++i) payloads.push_back(std::to_string(i));
  std::vector<EventView> events;
  for (const std::string& payload : payloads) events.push_back({"c", payload});
  for (int i = 0; i < 9; ++i) events.push_back({"large", large});
  REQUIRE(CommitEvents(rig, events, Seq{1}).ok());
  CHECK(rig->log().durable().value == events.size());

  EventReader decoder;
  auto reader = rig->log().Read({});
  std::size_t same = 0;
  for (; reader->Valid(); reader->Next()) {
    const auto read = decoder.Read(reader->record());
    REQUIRE(read.ok());
    REQUIRE(read->size() == 1);
    const EventView& expected = events[reader->record().seq.value - 1];
    REQUIRE((*read)[0].channel == expected.channel);
    REQUIRE((*read)[0].payload == expected.payload);
    ++same;
  }
  CHECK(same == events.size());
}

TEST_CASE("events: refused once a write has failed", "[replication][fault]") {
  boost::asio::io_context io;
  MemoryStore store;
  FaultyStore faulty(store);
  ReplicaRig rig(io, faulty, "a");
  REQUIRE(CommitEvents(rig, {{"c", "1"}}).ok());
  CHECK(absl::IsInvalidArgument(CommitEvents(rig, {})));
  faulty.Fail(FaultyStore::Call::kWrite, 1, absl::UnavailableError("no disk"));
  // Several appends: none is acknowledged, the answer has the reason.
  const std::string large(1u << 20, 'x');
  CHECK(absl::IsUnavailable(
      CommitEvents(rig, {{"c", large}, {"c", large}, {"c", "last"}})));
  CHECK(absl::IsUnavailable(CommitEvents(rig, {{"c", "2"}})));
}

}  // namespace
}  // namespace syncline::testing
