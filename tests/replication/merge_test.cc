#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "kv/memory_store.h"
#include "proto/entry_codec.h"
#include "replication/conflict_resolver.h"
#include "replication/project_settings.h"
#include "replication/replica.h"
#include "replication/resolve_turn.h"
#include "replication/state/edits.h"
#include "tests/testing/manual_timers.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ManualTimers;
using testing::ReplicaRig;

const char kSevenLines[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kTop[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kEnd[] = "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";
const char kBoth[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";

// Two replicas with the strategy that a project begins with.
struct Two {
  explicit Two(Replica::Options options = {})
      : a(io, store_a, "a", options), b(io, store_b, "b", options) {}
  void Exchange() {
    for (int round = 0; round < 4; ++round) {
      b.PullFrom(a);
      a.PullFrom(b);
    }
    REQUIRE(a->log().frontier() == b->log().frontier());
    REQUIRE(a->state().Digest() == b->state().Digest());
  }
  // Causes of all automatic entries.
  static std::vector<std::string> Causes(ReplicaRig& rig) {
    std::vector<std::string> causes;
    auto reader = rig->log().Read({});
    for (; reader->Valid(); reader->Next()) {
      const std::string cause =
          DecodeEntry(reader->record().entry)->entry.cause;
      if (cause != "user") causes.push_back(cause);
    }
    return causes;
  }
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a;
  ReplicaRig b;
};

TEST_CASE("merge: edits of different lines become one text", "[replication]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  two.b.PullFrom(two.a);
  CHECK(two.b.Show("x") == kBoth);
  CHECK(Two::Causes(two.b) == std::vector<std::string>{"auto:merge/text-1"});
  two.Exchange();
  CHECK(two.a.Show("x") == kBoth);
  CHECK(two.a.Names("") == std::vector<std::string>{"x"});
  CHECK(two.a->state().Conflicts()->empty());
}

TEST_CASE("merge: both sides alone propose the same bytes", "[replication]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  const ReplicaRig::Segment of_a = two.a.Missing(two.b->log().frontier());
  two.a.PullFrom(two.b);
  two.a.Settle();
  REQUIRE(two.b.Ingest(of_a).ok());
  two.b.PullFrom(two.a);
  two.Exchange();
  CHECK(two.a.Show("x") == kBoth);
  CHECK(two.a->state().Conflicts()->empty());
  CHECK(two.a.Names("") == std::vector<std::string>{"x"});
}

TEST_CASE("merge: what cannot be merged is kept twice",
          "[replication][table]") {
  struct Row {
    std::string base;
    std::string of_a;
    std::string of_b;
    const char* why;
  };
  const Row row = GENERATE(
      Row{kSevenLines, "A\ntwo\nthree\nfour\nfive\nsix\nseven\n",
          "B\ntwo\nthree\nfour\nfive\nsix\nseven\n", "one line"},
      Row{std::string("a\0b", 3), std::string("a\0c", 3), "d", "no text"},
      Row{std::string(5u << 20, 'a') + "\n1\n",
          std::string(5u << 20, 'a') + "\n2\n",
          "b\n" + std::string(5u << 20, 'a') + "\n1\n", "too long"});
  INFO(row.why);
  Two two;
  two.a.Put("x", row.base);
  two.Exchange();
  two.a.Put("x", row.of_a);
  two.b.Put("x", row.of_b);
  two.Exchange();
  REQUIRE(two.a.Names("").size() == 2);
  CHECK(two.a.Names("") == two.b.Names(""));
  CHECK(Two::Causes(two.b)[0] == "auto:merge");
}

TEST_CASE("merge: a file that two devices made has no ancestor",
          "[replication]") {
  Two two;
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  two.Exchange();
  CHECK(two.a.Names("").size() == 2);
}

TEST_CASE("merge: the ancestor is the last that both had", "[replication]") {
  Two two;
  two.a.Put("x", "old\n");
  two.a.Put("x", kSevenLines);
  two.Exchange();
  // Each goes on for a while by itself.
  for (int i = 0; i < 100; ++i) {
    two.a.Put("x", std::string(kTop) + std::to_string(i) + "\n");
    two.b.Put("y" + std::to_string(i % 3), std::to_string(i));
  }
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  two.Exchange();
  CHECK(two.a.Show("x") == kBoth);
  // A merge is an ancestor like any other.
  two.a.Put("x", std::string("zero\n") + kBoth);
  two.b.Put("x", std::string(kBoth) + "eight\n");
  two.Exchange();
  CHECK(two.b.Show("x") == std::string("zero\n") + kBoth + "eight\n");
  CHECK(two.b.Names("").size() == 4);
}

TEST_CASE("merge: without the ancestor's record both are kept",
          "[replication][fault]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  two.b.Settle();
  bool done = false;
  two.b->Truncate(Seq{1}, [&](const absl::Status& status) {
    REQUIRE(status.ok());
    done = true;
  });
  two.b.RunUntil(done);
  two.b.PullFrom(two.a);
  CHECK(two.b.Names("").size() == 2);
}

TEST_CASE("merge: content that is on its way is waited for",
          "[replication][fault]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  // The entry comes, its content does not.
  REQUIRE(two.b.Ingest(two.a.Missing(two.b->log().frontier())).ok());
  two.b.Settle();
  CHECK(two.b->state().conflict_count() == 1);
  CHECK(Two::Causes(two.b).empty());
  const bool reopen = GENERATE(false, true);
  if (reopen) {
    // A second look at the same store, as after a crash.
    two.b->Flush({});
    two.b.Settle();
    ReplicaRig again(two.io, two.store_b, "b");
    again.Settle();
    CHECK(again->state().conflict_count() == 1);
    CHECK(again->wants().size() == 1);
    return;
  }
  two.b.PullFrom(two.a);
  CHECK(two.b.Show("x") == kBoth);
  CHECK(two.b->state().conflict_count() == 0);
}

TEST_CASE("merge: a conflict that waits is found under its new path",
          "[replication]") {
  Two two;
  two.a.Mkdir("d");
  two.a.Put("d/x", kSevenLines);
  two.Exchange();
  two.a.Put("d/x", kTop);
  two.b.Put("d/x", kEnd);
  REQUIRE(two.b.Ingest(two.a.Missing(two.b->log().frontier())).ok());
  two.b.Settle();
  two.b.Rename("d", "e");
  two.b.Settle();
  CHECK(two.b->state().conflict_count() == 1);
  two.b.PullFrom(two.a);
  CHECK(two.b.Show("e/x") == kBoth);
}

TEST_CASE("merge: what is too long is not waited for", "[replication]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", std::string((4u << 20) + 1, 'a'));
  two.b.Put("x", kEnd);
  REQUIRE(two.b.Ingest(two.a.Missing(two.b->log().frontier())).ok());
  two.b.Settle();
  CHECK(two.b->wants().size() > 0);
  CHECK(two.b.Names("").size() == 2);
}

TEST_CASE("merge: an ancestor's content is not waited for without end",
          "[replication][fault]") {
  ManualTimers timers;
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  ReplicaRig a(io, store_a, "a");
  ReplicaRig b(io, store_b, "b", {}, timers.Maker());
  a.Put("x", kSevenLines);
  REQUIRE(b.Ingest(a.Missing({})).ok());  // Without its content.
  a.Put("x", kTop);
  b.time().now_ms += 1000;  // Its value is shown, so the first turn is its.
  b.Put("x", kEnd);
  REQUIRE(b.Ingest(a.Missing(b->log().frontier())).ok());
  b.Settle();
  CHECK_FALSE(timers.waiting());  // It is not the ancestor alone.
  const Hash top = Sha256(kTop);
  REQUIRE(b.chunks().PutHashed(top, kTop).ok());
  REQUIRE(b.chunks().Sync().ok());
  WriteBatch rows;
  REQUIRE(b->wants().Arrived(top, rows).ok());
  b.Settle();
  CHECK(timers.waiting());
  CHECK(Two::Causes(b).empty());
  // Too early, as after a sleep of the machine.
  timers.Fire();
  b.Settle();
  CHECK(timers.waiting());
  CHECK(Two::Causes(b).empty());
  const bool comes = GENERATE(false, true);
  if (comes) {
    b.PullFrom(a);
    CHECK(b.Show("x") == kBoth);
    return;
  }
  b.time().now_ms += ConflictResolver::kAncestorWaitMs;
  timers.Fire();
  b.Settle();
  CHECK(Two::Causes(b) == std::vector<std::string>{"auto:merge"});
  CHECK(b.Names("").size() == 2);
}

TEST_CASE("merge: who is not first waits, and has nothing left to do",
          "[replication]") {
  ManualTimers timers;
  boost::asio::io_context io;
  MemoryStore store_a;
  MemoryStore store_b;
  const Replica::Options options{.strategy = Strategy::kLocalWins};
  ReplicaRig a(io, store_a, "a", options);
  ReplicaRig b(io, store_b, "b", options, timers.Maker());
  a.time().now_ms += 1000;
  a.Put("x", "of a");
  b.Put("x", "of b");
  REQUIRE(b.Ingest(a.Missing({})).ok());
  b.Settle();
  CHECK(b->resolving());
  CHECK(Two::Causes(b).empty());
  const bool comes = GENERATE(false, true);
  if (comes) {
    a.PullFrom(b);
    a.Settle();
    b.PullFrom(a);
  }
  b.time().now_ms += kResolveTurnMs;
  timers.Fire();
  b.Settle();
  CHECK_FALSE(b->resolving());
  CHECK(Two::Causes(b) == std::vector<std::string>{"auto:local-wins"});
  CHECK(b.Show("x") == (comes ? "of a" : "of b"));
}

TEST_CASE("merge: an edit meanwhile is not lost", "[replication][fault]") {
  Two two;
  two.a.Put("x", kSevenLines);
  two.Exchange();
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  bool pulled = false;
  const ReplicaRig::Segment of_a = two.a.Missing(two.b->log().frontier());
  SegmentEntries entries = *ReadSegment(of_a.frames);
  two.b->Ingest(entries, of_a.heads, [&](const auto& result) {
    REQUIRE(result.ok());
    pulled = true;
  });
  // Before the merge could be made; it supersedes what it saw of the two.
  const std::optional<Token> seen = *two.b->state().Read("x", true);
  const Replica::Committed chosen =
      two.b.Commit(*EditEffects(two.b->state(), *seen, "chosen", {}));
  two.b.RunUntil(pulled);
  two.b.Settle();
  CHECK(Two::Causes(two.b).empty());
  CHECK(two.b->state().Lookup("x").value()->shown_sibling().head.order.dot() ==
        chosen.dot);
}

TEST_CASE("merge: three edits made apart are merged or kept all",
          "[replication]") {
  Two two;
  MemoryStore store_c;
  ReplicaRig c(two.io, store_c, "cc");
  two.a.Put("x", kSevenLines);
  two.Exchange();
  c.PullFrom(two.a);
  two.a.Put("x", kTop);
  two.b.Put("x", kEnd);
  c.Put("x", "one\ntwo\nthree\nFOUR\nfive\nsix\nseven\n");
  for (int round = 0; round < 6; ++round) {
    two.b.PullFrom(two.a);
    c.PullFrom(two.b);
    two.a.PullFrom(c);
  }
  CHECK(two.a->state().Digest() == c->state().Digest());
  CHECK(two.a->state().Conflicts()->empty());
  // Pairs met one after the other, so a merge followed a merge.
  CHECK(two.a.Show("x") == "ONE\ntwo\nthree\nFOUR\nfive\nsix\nSEVEN\n");
}

TEST_CASE("merge: an embedder's merge comes first and may decline",
          "[replication]") {
  std::vector<MergeInput> asked;
  std::optional<std::string> answer = GENERATE(
      std::optional<std::string>("ours"), std::optional<std::string>());
  Replica::Options options;
  options.merge = [&](const MergeInput& input) {
    asked.push_back(input);
    return answer;
  };
  Two two(options);
  two.a.Put("x", kSevenLines);
  two.Exchange();
  const Dot of_a = two.a.Put("x", kTop).dot;
  const Dot of_b = two.b.Put("x", kEnd).dot;
  two.Exchange();
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].path == "x");
  CHECK(asked[0].ancestor == kSevenLines);
  CHECK(asked[0].first == (of_a < of_b ? kTop : kEnd));
  CHECK(asked[0].second == (of_a < of_b ? kEnd : kTop));
  CHECK(two.a.Show("x") == answer.value_or(kBoth));
  CHECK(Two::Causes(two.a)[0] ==
        (answer ? "auto:merge/custom" : "auto:merge/text-1"));
  // Where Syncline sees no text and no ancestor, an embedder may.
  two.a.Put("y", std::string("a\0", 2));
  two.b.Put("y", std::string("b\0", 2));
  asked.clear();
  two.Exchange();
  CHECK(asked.empty());  // Two items: rule S6.
}

// Documents.

std::string Doc(ReplicaRig& rig, std::string_view key) {
  const auto row = *rig->state().LookupDoc("n", key);
  return row ? row->shown_sibling().payload() : "(none)";
}
void PutDoc(ReplicaRig& rig, std::string_view key, std::string value) {
  rig.Commit(*DocEffects(rig->state(), "n", key, std::move(value)));
}

TEST_CASE("merge: members of a document merge one by one", "[replication]") {
  Two two;
  PutDoc(two.a, "k", R"({"name":"x","size":1})");
  two.Exchange();
  PutDoc(two.a, "k", R"({"name":"y","size":1})");
  PutDoc(two.b, "k", R"({"name":"x","size":2})");
  two.Exchange();
  CHECK(Doc(two.a, "k") == R"({"name":"y","size":2})");
  CHECK(Two::Causes(two.a)[0] == "auto:merge/json-1");
  CHECK(two.a->state().Conflicts()->empty());
}

TEST_CASE("merge: a document that does not merge goes to the newest",
          "[replication]") {
  Two two;
  PutDoc(two.a, "made apart", "a");
  PutDoc(two.b, "made apart", "b");
  PutDoc(two.a, "bytes", "1");
  two.Exchange();
  const std::string newest = Doc(two.a, "made apart");
  CHECK((newest == "a" || newest == "b"));
  CHECK(two.a->state().Conflicts()->empty());
  two.b.time().now_ms = two.a.time().now_ms + 5000;
  PutDoc(two.a, "bytes", "2");
  PutDoc(two.b, "bytes", "3");
  two.Exchange();
  CHECK(Doc(two.a, "bytes") == "3");
  CHECK(two.b->state().Conflicts()->empty());
}

TEST_CASE("merge: other strategies of documents are what they were",
          "[replication]") {
  Two two;
  two.a.Commit(*StrategyEffects(two.a->state(), "doc:n/k", Strategy::kManual));
  PutDoc(two.a, "k", R"({"a":1})");
  two.Exchange();
  PutDoc(two.a, "k", R"({"a":1,"b":1})");
  PutDoc(two.b, "k", R"({"a":1,"c":1})");
  two.Exchange();
  CHECK(*two.a->state().Conflicts() == std::vector<std::string>{"doc:n/k"});
  two.a.Commit(*ChooseEffects(two.a->state(), "doc:n/k", "{}"));
  two.Exchange();
  CHECK(Doc(two.b, "k") == "{}");
}

}  // namespace
}  // namespace syncline
