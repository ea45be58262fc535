#include "replication/mirror/base_table.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/mirror/base_intents.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

BaseEntry Entry(ItemKind kind, std::uint64_t inode,
                const std::string& payload = "") {
  BaseEntry entry;
  entry.kind = kind;
  entry.fingerprint.inode = inode;
  entry.fingerprint.ctime_ns = 5;
  entry.payload = payload;
  entry.attrs = {{"exec", "1"}, {"mtime", "-7"}};
  entry.token = "token " + payload;
  return entry;
}

class Fixture {
 public:
  Fixture() { Reopen(); }
  void Reopen() {
    auto opened = BaseTable::Open(store_, ProjectNumber{7}, 3);
    REQUIRE(opened.ok());
    table_ = *std::move(opened);
  }
  BaseTable& operator*() { return *table_; }
  BaseTable* operator->() { return table_.get(); }

  absl::Status MapTokens(const std::function<Token(const Token&)>& map,
                         WriteBatch& rows) {
    return BaseTable::MapTokens(store_, ProjectNumber{7}, 3, map, rows);
  }
  void Write(WriteBatch& rows) {
    REQUIRE(store_.Write(rows, false).ok());
    rows.Clear();
    table_->Settle();
  }
  std::vector<std::string> Paths(std::string_view below = "") {
    std::vector<std::string> paths;
    REQUIRE(table_
                ->Walk(below,
                       [&](const std::string& path, const BaseEntry&) {
                         paths.push_back(path);
                         return true;
                       })
                .ok());
    return paths;
  }
  std::vector<std::string> Stats(std::string_view below, bool whole) {
    std::vector<std::string> paths;
    REQUIRE(table_
                ->Stats(below, whole,
                        [&](const std::string& path, const BaseStat&) {
                          paths.push_back(path);
                          return true;
                        })
                .ok());
    return paths;
  }
  MemoryStore store_;

 private:
  std::unique_ptr<BaseTable> table_;
};

using Paths = std::vector<std::string>;
constexpr ItemKind kDir = ItemKind::kDirectory;
constexpr ItemKind kFile = ItemKind::kFile;

TEST_CASE("base_table: an entry comes back as it was put", "[mirror]") {
  Fixture base;
  WriteBatch rows;
  base->Put("a", Entry(kFile, 9, "p"), rows);
  CHECK(*base->Get("a") == Entry(kFile, 9, "p"));  // Before it is written.
  base.Write(rows);
  base.Reopen();
  CHECK(*base->Get("a") == Entry(kFile, 9, "p"));
  CHECK(*base->Get("b") == std::nullopt);
  CHECK(base->size() == 1);
}

TEST_CASE("base_table: a damaged row is told from a missing one",
          "[mirror][fault]") {
  Fixture base;
  WriteBatch rows;
  base->Put("a", Entry(kFile, 9, "p"), rows);
  base.Write(rows);
  const std::string good = EncodeBaseEntry(Entry(kFile, 9, "p"));
  for (std::size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(DecodeBaseEntry(good.substr(0, length)).ok());
  }
  CHECK_FALSE(DecodeBaseEntry(good + "x").ok());
  auto it = base.store_.NewIterator(Column::kMirror, {});
  it->SeekToFirst();
  WriteBatch damage;
  damage.Put(Column::kMirror, std::string(it->key()), "?");
  it.reset();
  base.Write(damage);
  CHECK(base->Get("a").status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("base_table: walks see a directory before what is in it",
          "[mirror]") {
  Fixture base;
  WriteBatch rows;
  for (const char* path : {"a", "a/b", "a/b/c", "a!", "a-b", "aa", "z"}) {
    base->Put(path, Entry(kDir, 1), rows);
  }
  const Paths all{"a", "a/b", "a/b/c", "a!", "a-b", "aa", "z"};
  CHECK(base.Paths() == all);
  base.Write(rows);
  CHECK(base.Paths() == all);
  base->Remove("a!", rows);
  base->Put("a/a", Entry(kFile, 2), rows);
  CHECK(base.Paths("a") == Paths{"a", "a/a", "a/b", "a/b/c"});
  CHECK(base.Paths() == Paths{"a", "a/a", "a/b", "a/b/c", "a-b", "aa", "z"});
  base.Write(rows);
  CHECK(base.Stats("a", true) == Paths{"a", "a/a", "a/b", "a/b/c"});
  CHECK(base.Stats("a", false) == Paths{"a", "a/a", "a/b"});
  CHECK(base.Stats("", false) == Paths{"a", "a-b", "aa", "z"});
  CHECK(base.Stats("aa", true) == Paths{"aa"});
  CHECK(base.Stats("none", true).empty());
  CHECK(base->size() == 7);
}

TEST_CASE("base_table: trees move and change places", "[mirror]") {
  Fixture base;
  WriteBatch rows;
  base->Put("a", Entry(kDir, 1), rows);
  base->Put("a/x", Entry(kFile, 2, "x"), rows);
  base->Put("b", Entry(kDir, 3), rows);
  base->Put("b/y", Entry(kFile, 4, "y"), rows);
  base.Write(rows);
  REQUIRE(base->MoveTrees({{"a", "b"}, {"b", "a"}}, rows).ok());
  CHECK(base.Paths() == Paths{"a", "a/y", "b", "b/x"});
  CHECK(*base->Get("b/x") == Entry(kFile, 2, "x"));
  base.Write(rows);
  base.Reopen();
  CHECK(base.Paths() == Paths{"a", "a/y", "b", "b/x"});
  REQUIRE(base->MoveTrees({{"a", "b/n"}}, rows).ok());
  CHECK(base.Paths() == Paths{"b", "b/n", "b/n/y", "b/x"});
  REQUIRE(base->MoveTrees({{"b/n/y", "b/x"}}, rows).ok());  // Replaces.
  CHECK(base.Paths() == Paths{"b", "b/n", "b/x"});
  CHECK((*base->Get("b/x"))->payload == "y");
  CHECK(base->size() == 3);
}

TEST_CASE("base_table: cursor and name and pending paths are kept",
          "[mirror]") {
  Fixture base;
  CHECK_FALSE(base->cursor());
  CHECK(base->name().empty());
  WriteBatch rows;
  base->SetCursor({LogId{"0123456789abcdef"}, Seq{42}}, rows);
  base->SetName("name", true, rows);
  base->AddPending("a/b", false, rows);
  base->AddPending("c", true, rows);
  base->AddPending("c", false, rows);  // Does not take it back.
  base->AddPending("d", false, rows);
  base->RemovePending("d", rows);
  base.Write(rows);
  base.Reopen();
  CHECK(base->cursor()->seq == Seq{42});
  CHECK(base->cursor()->log.bytes == "0123456789abcdef");
  CHECK(base->name() == "name");
  CHECK(base->attached());
  CHECK(base->pending() ==
        std::map<std::string, bool>{{"a/b", false}, {"c", true}});
  CHECK(base.Paths().empty());
}

TEST_CASE("base_table: mirrors do not see each other and can be erased",
          "[mirror]") {
  Fixture base;
  WriteBatch rows;
  base->Put("a", Entry(kFile, 1), rows);
  base.Write(rows);
  auto other = BaseTable::Open(base.store_, ProjectNumber{7}, 4);
  REQUIRE(other.ok());
  CHECK((*other)->size() == 0);
  (*other)->Put("b", Entry(kFile, 1), rows);
  BaseTable::Erase(ProjectNumber{7}, 3, rows);
  base.Write(rows);
  base.Reopen();
  CHECK(base->size() == 0);
  (*other)->Settle();
  CHECK((*other)->Get("b")->has_value());
}

TEST_CASE("paths: folders overlap when one is in the other", "[mirror]") {
  CHECK(PathsOverlap("/a", "/a"));
  CHECK(PathsOverlap("/a", "/a/b"));
  CHECK(PathsOverlap("/a/b/", "/a"));
  CHECK(PathsOverlap("/", "/a"));
  CHECK_FALSE(PathsOverlap("/a", "/ab"));
  CHECK_FALSE(PathsOverlap("/a/b", "/a/c"));
}

TEST_CASE("base table: tokens follow heads and items that are renamed",
          "[mirror]") {
  Fixture table;
  SeededRandom random(1);
  const Origin old = Origin::Random(random);
  const Origin fresh = Origin::Random(random);
  const ItemId item{old, 3, 0, ItemKind::kFile};
  Token token;
  token.item = item;
  token.items = {item};
  token.locations.resize(1);
  token.heads = {{{RegisterId::Field::kContent, item, {}, {}}, {old, 3}}};
  WriteBatch rows;
  for (const char* path : {"a", "b", "c"}) {
    BaseEntry entry = Entry(ItemKind::kFile, 1, path);
    entry.token = EncodeToken(token);
    if (*path == 'b') entry.token.clear();
    table->Put(path, entry, rows);
    token.item.origin = fresh;  // The last one is not touched.
    token.items = {token.item};
    token.heads = {
        {{RegisterId::Field::kContent, token.item, {}, {}}, {fresh, 1}}};
  }
  table.Write(rows);
  const auto map = [&](Token named) {
    if (named.item.origin == old) {
      named.item = named.items[0] = {fresh, 9, 0, ItemKind::kFile};
      named.heads = {
          {{RegisterId::Field::kContent, named.item, {}, {}}, {fresh, 9}}};
    }
    return named;
  };
  REQUIRE(table.MapTokens(map, rows).ok());
  CHECK(rows.size() == 1);
  table.Write(rows);
  table.Reopen();
  const auto mapped = DecodeToken(table->Get("a").value()->token);
  REQUIRE(mapped.ok());
  CHECK(mapped->heads.front().second == Dot{fresh, 9});
  CHECK(mapped->item.counter == 9);
  CHECK(table->Get("a").value()->payload == "a");
  CHECK(table->Get("b").value()->token.empty());
  CHECK(DecodeToken(table->Get("c").value()->token)->heads.front().second ==
        Dot{fresh, 1});
}

TEST_CASE("base table: a token that cannot be read is not mapped",
          "[mirror][fault]") {
  Fixture table;
  WriteBatch rows;
  table->Put("a", Entry(ItemKind::kFile, 1), rows);  // "token "
  table.Write(rows);
  CHECK(absl::IsDataLoss(
      table.MapTokens([](const Token& token) { return token; }, rows)));
}

bool FitsAny(const BaseEntry&) { return true; }

// The intents of the mirror of Fixture.
std::unique_ptr<BaseIntents> IntentsIn(const Store& store) {
  auto opened = BaseIntents::Open(store, ProjectNumber{7}, 3);
  REQUIRE(opened.ok());
  return *std::move(opened);
}

TEST_CASE("base intents: they are there until their batch is over",
          "[mirror]") {
  Fixture table;
  auto intents = IntentsIn(table.store_);
  CHECK(intents->empty());
  const BaseEntry a = Entry(kFile, 1, "a");
  WriteBatch rows;
  const auto first = intents->Begin({{"a", std::nullopt}, {"a", a}}, rows);
  intents->Begin({{"d", Entry(kDir, 2)}, {"e", std::nullopt}}, rows);
  table.Write(rows);
  for (int opened = 0; opened < 2; ++opened) {
    REQUIRE(intents->Find("a", FitsAny) != nullptr);
    CHECK(*intents->Find("a", FitsAny) == a);
    CHECK(intents->Find("a", [](const BaseEntry& each) {
      return each.kind == kDir;
    }) == nullptr);
    CHECK(intents->Find("e", FitsAny) == nullptr);
    CHECK(intents->Removes("a"));
    CHECK(intents->Removes("e"));
    CHECK_FALSE(intents->Removes("d"));
    intents = IntentsIn(table.store_);
  }
  table.Reopen();  // They are not of Base itself.
  CHECK(table->size() == 0);
  intents->End(first, rows);
  table.Write(rows);
  CHECK(intents->Find("a", FitsAny) == nullptr);
  SECTION("all is forgotten but what is kept") {
    intents->Forget([](const std::string& path) { return path == "d"; }, rows);
    CHECK(rows.empty());
    CHECK(intents->Find("d", FitsAny) != nullptr);
    CHECK_FALSE(intents->Removes("e"));
    intents->Forget([](const std::string&) { return false; }, rows);
    CHECK(intents->empty());
  }
  SECTION("the mirror is forgotten") {
    BaseTable::Erase(ProjectNumber{7}, 3, rows);
  }
  table.Write(rows);
  CHECK(IntentsIn(table.store_)->empty());
}

TEST_CASE("base intents: their tokens follow those of Base", "[mirror]") {
  Fixture table;
  SeededRandom random(1);
  const ItemId item{Origin::Random(random), 3, 0, ItemKind::kFile};
  Token token;
  token.item = item;
  token.items = {item};
  token.locations.resize(1);
  BaseEntry entry = Entry(kFile, 1, "a");
  entry.token = EncodeToken(token);
  WriteBatch rows;
  IntentsIn(table.store_)->Begin({{"a", entry}, {"b", std::nullopt}}, rows);
  table.Write(rows);
  const auto map = [](Token named) {
    named.item.counter = named.items[0].counter = 9;
    return named;
  };
  REQUIRE(table.MapTokens(map, rows).ok());
  table.Write(rows);
  const auto intents = IntentsIn(table.store_);
  REQUIRE(intents->Find("a", FitsAny) != nullptr);
  const auto mapped = DecodeToken(intents->Find("a", FitsAny)->token);
  REQUIRE(mapped.ok());
  CHECK(mapped->item.counter == 9);
  CHECK(intents->Removes("b"));
}

TEST_CASE("base intents: a damaged row is told", "[mirror][fault]") {
  Fixture table;
  WriteBatch rows;
  IntentsIn(table.store_)->Begin({{"a", Entry(kFile, 1)}}, rows);
  table.Write(rows);
  std::string key = ProjectPrefix(ProjectNumber{7});
  AppendU32(key, 3);
  key += kIntentTag;
  AppendU64(key, 1);
  std::string row = table.store_.Get(Column::kMirror, key).value();
  SECTION("cut") { row.pop_back(); }
  SECTION("longer") { row += 'x'; }
  SECTION("another format") { row[0] = 9; }
  SECTION("more than there is") { row[1] = 2; }
  rows.Put(Column::kMirror, key, row);
  table.Write(rows);
  CHECK(absl::IsDataLoss(
      BaseIntents::Open(table.store_, ProjectNumber{7}, 3).status()));
}

}  // namespace
}  // namespace syncline
