// What every Store must do, run over each of them.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kv/memory_store.h"
#include "kv/rocks_store.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

// A store and what it needs to live.
struct StoreFixture {
  testing::TemporaryDirectory dir;
  std::unique_ptr<Store> base;
  std::unique_ptr<Store> store;
};

struct Kind {
  const char* name;
  void (*make)(StoreFixture&);
};

void MakeRocks(StoreFixture& fixture) {
  auto store = RocksStore::Open(fixture.dir.path());
  REQUIRE(store.ok());
  fixture.store = *std::move(store);
}

const std::vector<Kind> kKinds = {
    {"memory",
     [](StoreFixture& f) { f.store = std::make_unique<MemoryStore>(); }},
    {"rocks", MakeRocks},
    {"crash",
     [](StoreFixture& f) {
       f.store = std::make_unique<testing::CrashStore>();
     }},
    {"faulty",
     [](StoreFixture& f) {
       f.base = std::make_unique<MemoryStore>();
       f.store = std::make_unique<testing::FaultyStore>(*f.base);
     }},
};

const Kind& AnyKind() {
  return kKinds[GENERATE(range(std::size_t{0}, std::size_t{4}))];
}

// Runs `test` over one store of each kind.
#define FOR_EACH_STORE(store)   \
  const Kind& kind = AnyKind(); \
  INFO("store: " << kind.name); \
  StoreFixture fixture;         \
  kind.make(fixture);           \
  [[maybe_unused]] Store& store = *fixture.store

using Rows = std::vector<std::pair<std::string, std::string>>;

void Put(Store& store, Column column, const Rows& rows) {
  WriteBatch batch;
  for (const auto& [key, value] : rows) batch.Put(column, key, value);
  REQUIRE(store.Write(batch, false).ok());
}

Rows Forwards(StoreIterator& iterator) {
  Rows rows;
  for (; iterator.Valid(); iterator.Next()) {
    rows.emplace_back(iterator.key(), iterator.value());
  }
  REQUIRE(iterator.status().ok());
  return rows;
}

Rows Backwards(StoreIterator& iterator) {
  Rows rows;
  for (; iterator.Valid(); iterator.Prev()) {
    rows.emplace_back(iterator.key(), iterator.value());
  }
  REQUIRE(iterator.status().ok());
  return rows;
}

Rows All(const Store& store, Column column,
         const IterateOptions& options = {}) {
  auto iterator = store.NewIterator(column, options);
  CHECK_FALSE(iterator->Valid());
  iterator->SeekToLast();
  Rows backwards = Backwards(*iterator);
  std::reverse(backwards.begin(), backwards.end());
  iterator->SeekToFirst();
  Rows forwards = Forwards(*iterator);
  CHECK(forwards == backwards);
  return forwards;
}

std::optional<std::string> Value(const Store& store, Column column,
                                 std::string_view key,
                                 const StoreSnapshot* snapshot = nullptr) {
  auto value = store.Get(column, key, snapshot);
  if (value.ok()) return *std::move(value);
  REQUIRE(value.status().code() == absl::StatusCode::kNotFound);
  return std::nullopt;
}

TEST_CASE("store: a value is there until it is deleted", "[kv][law]") {
  FOR_EACH_STORE(store);
  CHECK(Value(store, Column::kMeta, "key") == std::nullopt);
  Put(store, Column::kMeta, {{"key", "one"}});
  CHECK(Value(store, Column::kMeta, "key") == "one");
  Put(store, Column::kMeta, {{"key", "two"}});
  CHECK(Value(store, Column::kMeta, "key") == "two");
  WriteBatch batch;
  batch.Delete(Column::kMeta, "key");
  batch.Delete(Column::kMeta, "never there");
  REQUIRE(store.Write(batch, true).ok());
  CHECK(Value(store, Column::kMeta, "key") == std::nullopt);
}

TEST_CASE("store: an empty value is a value", "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kTree, {{"key", ""}});
  CHECK(Value(store, Column::kTree, "key") == "");
  CHECK(All(store, Column::kTree) == Rows{{"key", ""}});
}

TEST_CASE("store: columns are apart", "[kv][law]") {
  FOR_EACH_STORE(store);
  WriteBatch batch;
  for (std::size_t i = 1; i < kColumnCount; ++i) {
    batch.Put(static_cast<Column>(i), "key", std::to_string(i));
  }
  REQUIRE(store.Write(batch, false).ok());
  for (std::size_t i = 1; i < kColumnCount; ++i) {
    CHECK(Value(store, static_cast<Column>(i), "key") == std::to_string(i));
  }
  CHECK(Value(store, Column::kMeta, "key") == std::nullopt);
}

TEST_CASE("store: a batch takes effect in the order it was filled",
          "[kv][law]") {
  FOR_EACH_STORE(store);
  WriteBatch batch;
  batch.Put(Column::kLog, "a", "1");
  batch.Delete(Column::kLog, "a");
  batch.Delete(Column::kLog, "b");
  batch.Put(Column::kLog, "b", "2");
  batch.Put(Column::kLog, "c1", "before");
  batch.Put(Column::kLog, "c2", "before");
  batch.DeleteRange(Column::kLog, "c", "d");
  batch.Put(Column::kLog, "c2", "after");
  WriteBatch more;
  more.Put(Column::kLog, "b", "3");
  batch.Append(std::move(more));
  REQUIRE(store.Write(batch, false).ok());
  CHECK(All(store, Column::kLog) == Rows{{"b", "3"}, {"c2", "after"}});
}

TEST_CASE("store: a batch takes a part of another one", "[kv]") {
  FOR_EACH_STORE(store);
  WriteBatch other;
  other.Put(Column::kLog, "a", "1");
  const WriteBatch::Mark begin = other.mark();
  other.Put(Column::kLog, "b", "2");
  other.Delete(Column::kLog, "c");
  const WriteBatch::Mark end = other.mark();
  other.Put(Column::kLog, "d", "4");
  WriteBatch batch;
  batch.Put(Column::kLog, "c", "3");
  batch.Append(other, begin, end);
  CHECK(batch.size() == 3);
  REQUIRE(store.Write(batch, false).ok());
  CHECK(All(store, Column::kLog) == Rows{{"b", "2"}});
}

TEST_CASE("store: a batch takes another one over", "[kv]") {
  WriteBatch all;
  for (const std::string key : {"1", "2"}) {
    WriteBatch part;
    part.Put(Column::kMeta, key, "value");
    all.Append(std::move(part));
  }
  CHECK(all.size() == 2);
  std::string keys;
  for (const WriteBatch::Op op : all) keys += op.key;
  CHECK(keys == "12");
}

TEST_CASE("store: an empty batch is fine", "[kv]") {
  FOR_EACH_STORE(store);
  CHECK(store.Write({}, false).ok());
  CHECK(store.Write({}, true).ok());
  CHECK(store.Sync().ok());
}

TEST_CASE("store: a range delete takes its begin and spares its end",
          "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kDots,
      {{"a", ""}, {"b", ""}, {"b\xff", ""}, {"c", ""}, {"d", ""}});
  WriteBatch batch;
  batch.DeleteRange(Column::kDots, "b", "c");
  REQUIRE(store.Write(batch, false).ok());
  CHECK(All(store, Column::kDots) == Rows{{"a", ""}, {"c", ""}, {"d", ""}});
  CHECK(Value(store, Column::kDots, "b") == std::nullopt);
}

TEST_CASE("store: a range that is empty or backwards deletes nothing",
          "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kDots, {{"a", ""}, {"b", ""}, {"c", ""}});
  WriteBatch batch;
  batch.DeleteRange(Column::kDots, "b", "b");
  batch.DeleteRange(Column::kDots, "c", "a");
  batch.DeleteRange(Column::kDots, "a", "");
  REQUIRE(store.Write(batch, false).ok());
  CHECK(All(store, Column::kDots).size() == 3);
}

TEST_CASE("store: keys are in bytewise order", "[kv][law]") {
  FOR_EACH_STORE(store);
  const std::vector<std::string> keys = {std::string(1, '\0'),
                                         std::string(2, '\0'),
                                         std::string("\0a", 2),
                                         "A",
                                         "a",
                                         std::string("a\0", 2),
                                         "ab",
                                         "b",
                                         "\x7f",
                                         "\x80",
                                         "\xff",
                                         "\xff\xff"};
  Rows rows;
  for (const auto& key : keys) rows.emplace_back(key, "v" + key);
  Rows shuffled(rows.rbegin(), rows.rend());
  std::rotate(shuffled.begin(), shuffled.begin() + 5, shuffled.end());
  Put(store, Column::kHeads, shuffled);
  CHECK(All(store, Column::kHeads) == rows);
}

TEST_CASE("store: bounds hold in both directions", "[kv][table]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kTree, {{"b", ""}, {"d", ""}, {"f", ""}, {"h", ""}});
  struct Row {
    const char* lower;
    const char* upper;
    const char* keys;
    const char* why;
  };
  const std::vector<Row> table = {
      {"", "", "bdfh", "no bounds"},
      {"d", "", "dfh", "lower is inclusive"},
      {"", "f", "bd", "upper is exclusive"},
      {"c", "g", "df", "bounds between keys"},
      {"d", "d", "", "an empty range"},
      {"i", "", "", "behind the last key"},
      {"", "a", "", "before the first key"},
  };
  for (const Row& row : table) {
    INFO(row.why);
    std::string keys;
    for (const auto& [key, value] :
         All(store, Column::kTree, {row.lower, row.upper, nullptr, true})) {
      keys += key;
    }
    CHECK(keys == row.keys);
  }
}

TEST_CASE("store: seeks stop at the nearest key within the bounds",
          "[kv][table]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kTree, {{"b", ""}, {"d", ""}, {"f", ""}, {"h", ""}});
  struct Row {
    const char* target;
    const char* at_or_after;
    const char* at_or_before;
  };
  const std::vector<Row> table = {
      {"a", "d", "-"}, {"b", "d", "-"}, {"c", "d", "-"}, {"d", "d", "d"},
      {"e", "f", "d"}, {"f", "f", "f"}, {"g", "-", "f"}, {"h", "-", "f"},
      {"z", "-", "f"}, {"", "d", "-"}};
  auto iterator = store.NewIterator(Column::kTree, {"c", "g", nullptr, true});
  for (const Row& row : table) {
    INFO("target " << row.target);
    iterator->Seek(row.target);
    CHECK((iterator->Valid() ? iterator->key() : "-") == row.at_or_after);
    iterator->SeekForPrev(row.target);
    CHECK((iterator->Valid() ? iterator->key() : "-") == row.at_or_before);
  }
}

TEST_CASE("store: an iterator turns round where it stands", "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kTree, {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  auto iterator = store.NewIterator(Column::kTree);
  iterator->Seek("b");
  iterator->Next();
  REQUIRE(iterator->key() == "c");
  iterator->Prev();
  REQUIRE(iterator->key() == "b");
  CHECK(iterator->value() == "2");
  iterator->Prev();
  CHECK(iterator->key() == "a");
  iterator->Prev();
  CHECK_FALSE(iterator->Valid());
}

TEST_CASE("store: an iterator sees the store as of its creation", "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kHeads, {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  auto iterator = store.NewIterator(Column::kHeads);
  auto late = store.NewIterator(Column::kHeads);
  iterator->SeekToFirst();
  WriteBatch batch;
  batch.Put(Column::kHeads, "a", "changed");
  batch.Delete(Column::kHeads, "b");
  batch.Put(Column::kHeads, "bb", "new");
  batch.DeleteRange(Column::kHeads, "c", "d");
  REQUIRE(store.Write(batch, false).ok());
  const Rows before = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  CHECK(Forwards(*iterator) == before);
  late->SeekToLast();
  CHECK(Backwards(*late) == Rows(before.rbegin(), before.rend()));
  CHECK(All(store, Column::kHeads) == Rows{{"a", "changed"}, {"bb", "new"}});
}

TEST_CASE("store: a snapshot isolates gets and iterators", "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kHeads, {{"a", "1"}, {"b", "2"}});
  auto first = store.NewSnapshot();
  WriteBatch batch;
  batch.Delete(Column::kHeads, "a");
  batch.Put(Column::kHeads, "b", "3");
  batch.Put(Column::kHeads, "c", "4");
  REQUIRE(store.Write(batch, false).ok());
  auto second = store.NewSnapshot();
  WriteBatch all;
  all.DeleteRange(Column::kHeads, "a", "z");
  REQUIRE(store.Write(all, false).ok());

  CHECK(Value(store, Column::kHeads, "a", first.get()) == "1");
  CHECK(Value(store, Column::kHeads, "b", first.get()) == "2");
  CHECK(Value(store, Column::kHeads, "c", first.get()) == std::nullopt);
  CHECK(Value(store, Column::kHeads, "a", second.get()) == std::nullopt);
  CHECK(Value(store, Column::kHeads, "b", second.get()) == "3");
  CHECK(All(store, Column::kHeads, {"", "", first.get(), true}) ==
        Rows{{"a", "1"}, {"b", "2"}});
  CHECK(All(store, Column::kHeads, {"", "", second.get(), false}) ==
        Rows{{"b", "3"}, {"c", "4"}});
  // Releasing one leaves the other as it was.
  first.reset();
  CHECK(Value(store, Column::kHeads, "b", second.get()) == "3");
  CHECK(All(store, Column::kHeads).empty());
}

TEST_CASE("store: compaction changes nothing that can be read", "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kLog, {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  WriteBatch batch;
  batch.DeleteRange(Column::kLog, "a", "c");
  REQUIRE(store.Write(batch, false).ok());
  REQUIRE(store.Compact(Column::kLog, "a", "c").ok());
  REQUIRE(store.Compact(Column::kLog, "", "").ok());
  CHECK(All(store, Column::kLog) == Rows{{"c", "3"}});
}

TEST_CASE("store: a batch is seen whole or not at all by other threads",
          "[kv][law]") {
  FOR_EACH_STORE(store);
  Put(store, Column::kTree, {{"x", "0"}, {"y", "0"}});
  std::atomic<bool> done = false;
  std::atomic<bool> torn = false;
  std::thread writer([&] {
    for (int i = 1; i <= 300; ++i) {
      WriteBatch batch;
      batch.Put(Column::kTree, "x", std::to_string(i));
      batch.Put(Column::kTree, "y", std::to_string(i));
      if (!store.Write(batch, i % 100 == 0).ok()) torn = true;
    }
    done = true;
  });
  while (!done) {
    auto snapshot = store.NewSnapshot();
    auto x = store.Get(Column::kTree, "x", snapshot.get());
    auto y = store.Get(Column::kTree, "y", snapshot.get());
    if (!x.ok() || !y.ok() || *x != *y) torn = true;
    auto iterator = store.NewIterator(Column::kTree);
    iterator->SeekToFirst();
    const std::string first = std::string(iterator->value());
    iterator->Next();
    if (iterator->value() != first) torn = true;
  }
  writer.join();
  CHECK_FALSE(torn);
  CHECK(Value(store, Column::kTree, "y") == "300");
}

// A random batch over few short keys, so that operations meet.
WriteBatch RandomBatch(SeededRandom& random) {
  const auto key = [&] {
    std::string text;
    for (auto n = random.Below(3); n > 0; --n) {
      text.push_back("\0abc\xff"[random.Below(5)]);
    }
    return "k" + text;
  };
  WriteBatch batch;
  for (auto n = random.Below(6); n > 0; --n) {
    const auto column = random.Below(2) == 0 ? Column::kLog : Column::kTree;
    switch (random.Below(5)) {
      case 0:
        batch.Delete(column, key());
        break;
      case 1:
        batch.DeleteRange(column, key(), key());
        break;
      default:
        batch.Put(column, key(), random.Bytes(random.Below(20)));
    }
  }
  return batch;
}

TEST_CASE("store: all kinds agree on random histories", "[kv][law][sim]") {
  const auto seed = GENERATE(range(1, 9));
  INFO("seed " << seed);
  SeededRandom random(static_cast<std::uint64_t>(seed));
  std::vector<StoreFixture> fixtures(kKinds.size());
  std::vector<std::unique_ptr<StoreSnapshot>> snapshots;
  for (std::size_t i = 0; i < kKinds.size(); ++i) kKinds[i].make(fixtures[i]);
  for (int step = 0; step < 150; ++step) {
    const WriteBatch batch = RandomBatch(random);
    for (auto& f : fixtures) REQUIRE(f.store->Write(batch, false).ok());
    if (random.Below(20) == 0) {
      snapshots.clear();
      for (auto& f : fixtures) snapshots.push_back(f.store->NewSnapshot());
    }
    if (random.Below(25) == 0) {
      for (auto& f : fixtures) {
        REQUIRE(f.store->Compact(Column::kLog, "", "").ok());
      }
    }
    if (step % 10 != 0) continue;
    for (const Column column : {Column::kLog, Column::kTree}) {
      for (std::size_t i = 1; i < fixtures.size(); ++i) {
        INFO(kKinds[i].name << " at step " << step);
        REQUIRE(All(*fixtures[i].store, column) ==
                All(*fixtures[0].store, column));
        if (snapshots.empty()) continue;
        REQUIRE(All(*fixtures[i].store, column,
                    {"k", "kc", snapshots[i].get(), true}) ==
                All(*fixtures[0].store, column,
                    {"k", "kc", snapshots[0].get(), true}));
      }
    }
  }
  snapshots.clear();
}

}  // namespace
}  // namespace syncline
