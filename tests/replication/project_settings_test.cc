#include "replication/project_settings.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "kv/memory_store.h"
#include "replication/replica.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

TEST_CASE("project_settings: the most specific pattern counts",
          "[replication][table]") {
  ProjectSettings settings;
  settings.strategy = Strategy::kKeepBoth;
  struct Row {
    const char* path;
    Strategy strategy;
    const char* why;
  };
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  const std::pair<const char*, Strategy> rules[] = {
      {"", Strategy::kKeepBoth},
      {"*.odt", Strategy::kManual},
      {"a/**", Strategy::kNewestWins},
      {"a/b/**", Strategy::kLocalWins},
      {"x?", Strategy::kSkip},
      {"?x", Strategy::kRemoteWins},
      {"doc:prefs/**", Strategy::kManual},
      {"**", Strategy::kMerge},
  };
  for (const auto& [glob, strategy] : rules) {
    rig.Commit(*StrategyEffects(rig->state(), glob, strategy));
  }
  const Row row = GENERATE(
      Row{"plain", Strategy::kMerge, "a pattern beats the default"},
      Row{"report.odt", Strategy::kManual, "four bytes beat none"},
      Row{"a/text", Strategy::kNewestWins, "two bytes beat none"},
      Row{"a/report.odt", Strategy::kManual, "four bytes beat two"},
      Row{"a/b/text", Strategy::kLocalWins, "the deeper of two"},
      Row{"a/b/report.odt", Strategy::kManual, "equal: byte order"},
      Row{"xx", Strategy::kRemoteWins, "equal: '?' comes before 'x'"},
      Row{"doc:prefs/theme", Strategy::kManual, "documents have a path too"},
      Row{"doc:sys/strategy", Strategy::kNewestWins, "settings themselves"});
  INFO(row.why);
  CHECK(StrategyName(rig->StrategyFor(row.path)) == StrategyName(row.strategy));
}

TEST_CASE("project_settings: all devices have what one of them set",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a(io, store_a, "a");
  {
    ReplicaRig b(io, store_b, "b");
    CHECK(b->settings() == ProjectSettings());
    CHECK(b->StrategyFor("x") == Strategy::kMerge);
    a.Commit(*StrategyEffects(a->state(), "", Strategy::kManual));
    a.Commit(*StrategyEffects(a->state(), "*.c", Strategy::kNewestWins));
    b.PullFrom(a);
    CHECK(b->settings() == a->settings());
    CHECK(b->StrategyFor("x") == Strategy::kManual);
    CHECK(b->StrategyFor("x.c") == Strategy::kNewestWins);
  }
  ReplicaRig b(io, store_b, "b");
  CHECK(b->settings() == a->settings());
  // Taken away again.
  b.Commit(*StrategyEffects(b->state(), "", std::nullopt));
  CHECK(b->StrategyFor("x") == Strategy::kMerge);
  CHECK(StrategyEffects(b->state(), "", std::nullopt)->empty());
  CHECK(StrategyEffects(b->state(), "*.c", Strategy::kNewestWins)->empty());
}

TEST_CASE("project_settings: a pattern too long or with a zero byte is refused",
          "[replication]") {
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig rig(io, store, "a");
  const auto code = [&](std::string_view glob) {
    return StrategyEffects(rig->state(), glob, Strategy::kSkip).status().code();
  };
  CHECK(code(std::string(kGlobBytesMax, 'a')) == absl::StatusCode::kOk);
  CHECK(code(std::string(kGlobBytesMax + 1, 'a')) ==
        absl::StatusCode::kInvalidArgument);
  CHECK(code(std::string_view("a\0b", 3)) ==
        absl::StatusCode::kInvalidArgument);
}

// Two devices that edited `x` apart under the strategy manual.
struct SettingsConflict {
  SettingsConflict() {
    a.Commit(*StrategyEffects(a->state(), "", Strategy::kManual));
    a.Put("x", "base");
    b.PullFrom(a);
    a.Put("x", "from a");
    b.Put("x", "from b");
    Exchange();
    REQUIRE(a->state().conflict_count() == 1);
  }
  void Exchange() {
    for (int round = 0; round < 3; ++round) {
      b.PullFrom(a);
      a.PullFrom(b);
    }
    REQUIRE(a->state().Digest() == b->state().Digest());
  }
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a{io, store_a, "a"};
  ReplicaRig b{io, store_b, "b"};
};

TEST_CASE("project_settings: a new strategy takes up what is open",
          "[replication]") {
  SettingsConflict c;
  c.a.Commit(*StrategyEffects(c.a->state(), "x", Strategy::kNewestWins));
  c.a.Settle();
  CHECK(c.a->state().conflict_count() == 0);
  c.Exchange();
  CHECK(c.b.Names("") == std::vector<std::string>{"x"});
}

TEST_CASE("project_settings: only the authority resolves", "[replication]") {
  SettingsConflict c;
  const bool by_device = GENERATE(false, true);
  c.b.Commit(*AuthorityEffects(
      c.b->state(), by_device ? Sha256(c.b->identity().device_key).ToHex()
                              : c.b->identity().self.ToHex()));
  c.a.PullFrom(c.b);
  c.a.Commit(*StrategyEffects(c.a->state(), "", Strategy::kKeepBoth));
  c.a.Settle();
  CHECK(c.a->state().conflict_count() == 1);
  c.b.PullFrom(c.a);
  CHECK(c.b->state().conflict_count() == 0);
  CHECK(c.b->log().frontier().CounterOf(c.b->identity().self) == 3);
  c.Exchange();
  CHECK(c.a->state().conflict_count() == 0);
}

TEST_CASE("project_settings: settings made apart end as the newer of them",
          "[replication]") {
  SettingsConflict c;
  c.a.Commit(*StrategyEffects(c.a->state(), "", Strategy::kSkip));
  c.b.time().now_ms = c.a.time().now_ms + 10'000;
  c.b.Commit(*StrategyEffects(c.b->state(), "", Strategy::kLocalWins));
  c.Exchange();
  CHECK(c.a->settings().strategy == Strategy::kLocalWins);
  CHECK(c.a->settings() == c.b->settings());
  CHECK(c.a->state().Conflicts()->empty());
}

TEST_CASE("project_settings: a strategy of a later version changes nothing",
          "[replication]") {
  SettingsConflict c;
  c.a.Commit({DocEffect{"sys", "strategy/x", "coin-toss", {}, {}}});
  c.a.Settle();
  CHECK(c.a->StrategyFor("x") == Strategy::kManual);
  CHECK(c.a->state().conflict_count() == 1);
}

}  // namespace
}  // namespace syncline
