#include <catch2/catch.hpp>

#include "replication/state/edits.h"
#include "replication/state/strategy.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/test_replica.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::kA;
using testing::kB;
using testing::kNow;
using testing::TestReplica;
using Type = PathChange::Type;

Entry Create(TestReplica& at, const std::string& path, ItemKind kind,
             const std::string& payload = {}, const Attrs& attrs = {}) {
  const auto entry = at.Commit(
      *CreateEffects(at.state(), path, kind, payload, attrs, 0), kNow);
  REQUIRE(entry);
  return *entry;
}

Token ReadAt(const TestReplica& at, const std::string& path) {
  const auto token = at.state().Read(path, false);
  REQUIRE(token.ok());
  REQUIRE(*token);
  return **token;
}

// Two replicas that edited one file apart and then met.
struct Conflict {
  TestReplica a{kA, 0};
  TestReplica b{kB, 0};

  Conflict() {
    const Entry made = Create(a, "x", ItemKind::kFile, "1");
    REQUIRE(b.Apply(made, kNow).ok());
    const auto left =
        a.Commit(*EditEffects(a.state(), ReadAt(a, "x"), "2", {}), kNow + 1);
    const auto right =
        b.Commit(*EditEffects(b.state(), ReadAt(b, "x"), "3", {}), kNow + 2);
    REQUIRE(a.Apply(*right, kNow + 3).ok());
    REQUIRE(b.Apply(*left, kNow + 3).ok());
    REQUIRE(*a.state().Conflicts() == std::vector<std::string>{"x"});
  }
};

TEST_CASE("edits: creating refuses what cannot be", "[state][table]") {
  TestReplica a(kA, 0);
  Create(a, "file", ItemKind::kFile, "1");
  const CausalState& s = a.state();
  const auto create = [&s](std::string_view path) {
    return CreateEffects(s, path, ItemKind::kFile, "p", {}, 0).status();
  };
  REQUIRE(absl::IsNotFound(create("none/x")));
  REQUIRE(absl::IsNotFound(create("file/x")));
  REQUIRE(absl::IsNotFound(create("/x")));
  REQUIRE(absl::IsInvalidArgument(create("")));
  REQUIRE(absl::IsInvalidArgument(create("..")));
  REQUIRE(absl::IsInvalidArgument(create("x/")));
  REQUIRE(absl::IsInvalidArgument(create(".syncline")));
  REQUIRE(absl::IsInvalidArgument(create(std::string(256, 'x'))));
  REQUIRE(create("x").ok());
}

// Revives `depth` directories called "d", one inside the other.
std::string ReviveDeep(TestReplica& at, std::uint32_t depth) {
  Location location{kRoot, "f", {}};
  std::string path;
  for (std::uint32_t i = 0; i < depth; ++i) {
    location.parent = ItemId{kB, 0, i, ItemKind::kDirectory};
    location.chain.emplace_back(location.parent, "d");
    path += "d/";
  }
  const ItemId file{kB, 0, 0, ItemKind::kFile};
  REQUIRE(at.Commit({ContentEffect{file, "1", location, {}, {}, {}}}, kNow));
  REQUIRE(at.state().Lookup(path + "f")->has_value());
  return path;
}

TEST_CASE("edits: a path beyond the longest chain is refused", "[state]") {
  TestReplica a(kA, 0);
  const std::string path = ReviveDeep(a, 1024);
  Create(a, path + "g", ItemKind::kFile, "2");
  Create(a, path + "d", ItemKind::kDirectory);
  REQUIRE(absl::IsInvalidArgument(
      CreateEffects(a.state(), path + "d/f", ItemKind::kFile, "", {}, 0)
          .status()));
}

TEST_CASE("edits: making a directory that is there writes nothing", "[state]") {
  TestReplica a(kA, 0);
  Create(a, "d", ItemKind::kDirectory);
  REQUIRE(
      CreateEffects(a.state(), "d", ItemKind::kDirectory, "", {}, 0)->empty());
}

TEST_CASE("edits: attributes come with what is created", "[state]") {
  TestReplica a(kA, 0);
  Create(a, "d", ItemKind::kDirectory, "", {{"mode", "7"}});
  Create(a, "f", ItemKind::kFile, "1", {{"mode", "6"}});
  REQUIRE((*a.state().Lookup("d"))->attrs == Attrs{{"mode", "7"}});
  REQUIRE((*a.state().Lookup("f"))->attrs == Attrs{{"mode", "6"}});
}

TEST_CASE("edits: an edit that changes attributes replaces their heads",
          "[state]") {
  TestReplica a(kA, 0);
  Create(a, "f", ItemKind::kFile, "1", {{"mode", "6"}});
  a.Commit(*AttrEffects(a.state(), ReadAt(a, "f"), "mode", "7"), kNow);
  a.Commit(*AttrEffects(a.state(), ReadAt(a, "f"), "owner", "me"), kNow);
  REQUIRE((*a.state().Lookup("f"))->attrs ==
          Attrs{{"mode", "7"}, {"owner", "me"}});
  const Token seen = ReadAt(a, "f");

  SECTION("the same value leaves them alone") {
    const auto effects = EditEffects(a.state(), seen, "2", {{"mode", "7"}});
    REQUIRE(effects->size() == 1);
  }
  SECTION("another value wins over what was observed") {
    a.Commit(*EditEffects(a.state(), seen, "2", {{"mode", "5"}}), kNow);
    const Row row = **a.state().Lookup("f");
    REQUIRE(row.attrs == Attrs{{"mode", "5"}, {"owner", "me"}});
    REQUIRE(a.state()
                .Heads({RegisterId::Field::kAttr, row.item(), {}, "mode"})
                ->empty());
    REQUIRE(a.last_changes().size() == 1);
    REQUIRE(a.last_changes()[0].type == Type::kUpdate);
  }
}

TEST_CASE("edits: a directory cannot move below itself", "[state]") {
  TestReplica a(kA, 0);
  Create(a, "d", ItemKind::kDirectory);
  Create(a, "d/e", ItemKind::kDirectory);
  const auto moved =
      RenameEffects(a.state(), ReadAt(a, "d"), "d/e/d", std::nullopt);
  REQUIRE(absl::IsInvalidArgument(moved.status()));
}

TEST_CASE("edits: the feed tells each simple action as one change",
          "[state][table]") {
  TestReplica a(kA, 0);
  const auto last = [&a] {
    REQUIRE(a.last_changes().size() == 1);
    return a.last_changes()[0];
  };
  Create(a, "d", ItemKind::kDirectory);
  REQUIRE(last().type == Type::kMkdir);
  Create(a, "d/f", ItemKind::kFile, "1");
  REQUIRE(last().type == Type::kCreate);
  REQUIRE(last().path == "d/f");
  REQUIRE(last().payload == "1");
  a.Commit(*EditEffects(a.state(), ReadAt(a, "d/f"), "2", {}), kNow);
  REQUIRE(last().type == Type::kUpdate);
  REQUIRE(last().payload == "2");
  a.Commit(*AttrEffects(a.state(), ReadAt(a, "d/f"), "mode", "7"), kNow);
  REQUIRE(last().type == Type::kAttr);
  a.Commit(*RenameEffects(a.state(), ReadAt(a, "d"), "e", std::nullopt), kNow);
  REQUIRE(last().type == Type::kRename);
  REQUIRE(last().from == "d");
  REQUIRE(last().path == "e");
  a.Commit(*RenameEffects(a.state(), ReadAt(a, "e/f"), "g", std::nullopt),
           kNow);
  REQUIRE(last().type == Type::kRename);
  REQUIRE(last().from == "e/f");
  a.Commit(*RemoveEffects(a.state(), ReadAt(a, "g")), kNow);
  REQUIRE(last().type == Type::kDelete);
  a.Commit(*RemoveEffects(a.state(), ReadAt(a, "e")), kNow);
  REQUIRE(last().type == Type::kRmdir);
  a.Commit(*DocEffects(a.state(), "n", "k", "1"), kNow);
  REQUIRE(last().type == Type::kDoc);
  REQUIRE(last().path == "n/k");
  a.Commit({EventEffect{"topic", "p"}}, kNow);
  REQUIRE(a.last_changes().empty());  // The entry says it all.
  REQUIRE(a.state().item_count() == 0);
}

TEST_CASE("edits: a tree is removed in entries within the limit", "[state]") {
  TestReplica a(kA, 0);
  Create(a, "d", ItemKind::kDirectory);
  for (int k = 0; k < 7; ++k) {
    Create(a, "d/" + std::to_string(k), ItemKind::kFile, "1");
  }
  const auto entries = RemoveTreeEffects(a.state(), "d", 3);
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 3);
  for (const auto& effects : *entries) REQUIRE(a.Commit(effects, kNow));
  REQUIRE(testing::ListAll(a.state()).empty());
  REQUIRE(RemoveTreeEffects(a.state(), "d", 3)->empty());
  REQUIRE(RemoveTreeEffects(a.state(), "", 3)->empty());
}

TEST_CASE("edits: a chosen value ends a conflict", "[state]") {
  for (const char* value : {"2", "3", "both"}) {
    INFO(value);
    Conflict c;
    const auto chosen =
        c.a.Commit(*ChooseEffects(c.a.state(), "x", value), kNow + 9);
    REQUIRE(chosen);
    REQUIRE(c.a.state().Conflicts()->empty());
    REQUIRE((*c.a.state().Lookup("x"))->shown_sibling().payload() == value);
    REQUIRE(c.a.last_changes().back().type == Type::kResolve);
    REQUIRE(c.b.Apply(*chosen, kNow + 9).ok());
    REQUIRE(c.b.state().Digest() == c.a.state().Digest());
  }
  TestReplica empty(kA, 0);
  REQUIRE(absl::IsNotFound(ChooseEffects(empty.state(), "x", "1").status()));
}

TEST_CASE("edits: a chosen document ends its conflict", "[state]") {
  TestReplica a(kA, 0);
  TestReplica b(kB, 0);
  const auto left = a.Commit(*DocEffects(a.state(), "n", "k", "1"), kNow);
  const auto right = b.Commit(*DocEffects(b.state(), "n", "k", "2"), kNow);
  REQUIRE(a.Apply(*right, kNow).ok());
  REQUIRE(b.Apply(*left, kNow).ok());
  REQUIRE(*a.state().Conflicts() == std::vector<std::string>{"doc:n/k"});
  a.Commit(*ChooseEffects(a.state(), "doc:n/k", "3"), kNow);
  REQUIRE(a.state().Conflicts()->empty());
  REQUIRE((*a.state().LookupDoc("n", "k"))->shown_sibling().payload() == "3");
}

TEST_CASE("strategy: names go both ways", "[state]") {
  for (const Strategy strategy :
       {Strategy::kLocalWins, Strategy::kRemoteWins, Strategy::kNewestWins,
        Strategy::kKeepBoth, Strategy::kMerge, Strategy::kManual,
        Strategy::kSkip}) {
    REQUIRE(StrategyFromName(StrategyName(strategy)) == strategy);
  }
  REQUIRE(StrategyName(Strategy::kMerge) == "merge");
  REQUIRE_FALSE(StrategyFromName("merge3"));
}

TEST_CASE("strategy: merge without a merger keeps both", "[state]") {
  Conflict c;
  const auto merge =
      ResolveEffects(c.a.state(), "x", Strategy::kMerge, nullptr);
  const auto both =
      ResolveEffects(c.a.state(), "x", Strategy::kKeepBoth, nullptr);
  REQUIRE(merge.ok());
  REQUIRE_FALSE(merge->empty());
  REQUIRE(*merge == *both);
  c.a.Commit(*merge, kNow, "auto:merge");
  REQUIRE(testing::ListAll(c.a.state()).size() == 2);
  REQUIRE(c.a.state().Conflicts()->empty());
}

TEST_CASE("strategy: only the authority proposes", "[state]") {
  Conflict c;
  const auto proposes = [](const TestReplica& at) {
    const auto effects =
        ResolveEffects(at.state(), "x", Strategy::kNewestWins, nullptr);
    REQUIRE(effects.ok());
    return !effects->empty();
  };
  REQUIRE(proposes(c.a));
  const auto named = c.a.Commit(
      *DocEffects(c.a.state(), "sys", "authority", kB.ToHex()), kNow);
  REQUIRE(c.b.Apply(*named, kNow).ok());
  REQUIRE_FALSE(proposes(c.a));
  REQUIRE(proposes(c.b));
}

TEST_CASE("state: listing pages through a directory by name", "[state]") {
  TestReplica a(kA, 0);
  Create(a, "d", ItemKind::kDirectory);
  for (const char* name : {"b", "a", "a.b", "a b", "ab", "\x01", "c"}) {
    Create(a, std::string("d/") + name, ItemKind::kFile, "1");
  }
  std::vector<std::string> names;
  std::string after;
  for (;;) {
    const auto page = a.state().List("d", after, 2);
    REQUIRE(page.ok());
    if (page->empty()) break;
    for (const auto& [name, row] : *page) names.push_back(after = name);
  }
  REQUIRE(names ==
          std::vector<std::string>{"\x01", "a", "a b", "a.b", "ab", "b", "c"});
  REQUIRE(absl::IsNotFound(a.state().List("none", "", 9).status()));
  REQUIRE(absl::IsFailedPrecondition(a.state().List("d/a", "", 9).status()));
  REQUIRE(a.state().List("d", "", 0)->empty());
  REQUIRE_FALSE(a.state().Lookup("d/")->has_value());
  REQUIRE_FALSE(a.state().Lookup("/d")->has_value());
  REQUIRE((*a.state().Lookup(""))->items == std::vector<ItemId>{kRoot});
  REQUIRE(a.state().PathOf(kRoot)->value() == "");
}

TEST_CASE("state: documents list by the bytes of their keys", "[state]") {
  TestReplica a(kA, 0);
  const std::string odd("k\0x", 3);
  for (const std::string& key :
       {std::string("ka"), std::string("k"), odd, std::string("j")}) {
    a.Commit(*DocEffects(a.state(), "n", key, "1"), kNow);
  }
  a.Commit(*DocEffects(a.state(), "na", "k", "1"), kNow);
  std::vector<std::string> keys;
  const auto docs = a.state().ListDocs("n", "k");
  for (const auto& [key, row] : *docs) keys.push_back(key);
  REQUIRE(keys == std::vector<std::string>{"k", odd, "ka"});
}

TEST_CASE("state: replay refuses what the frontier does not cover", "[state]") {
  TestReplica a(kA, 0);
  const Entry entry =
      a.state().MakeEntry({EventEffect{"t", "p"}}, "user", kNow);
  REQUIRE(absl::IsInvalidArgument(a.state().Replay(entry, 1, kNow)));
}

}  // namespace
}  // namespace syncline
