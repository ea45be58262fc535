#include <catch2/catch.hpp>
#include <string>

#include "base/status.h"
#include "kv/memory_store.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"

namespace syncline {
namespace {

using testing::CrashStore;
using testing::FaultyStore;

WriteBatch Row(const std::string& key) {
  WriteBatch batch;
  batch.Put(Column::kHeads, key, "value of " + key);
  return batch;
}

bool Has(const Store& store, const std::string& key) {
  return store.Get(Column::kHeads, key).ok();
}

TEST_CASE("crash_store: a crash forgets what was not synced", "[kv][fault]") {
  CrashStore store;
  REQUIRE(store.Write(Row("a"), false).ok());
  REQUIRE(store.Write(Row("b"), true).ok());
  REQUIRE(store.Write(Row("c"), false).ok());
  CHECK(store.unsynced() == 1);
  REQUIRE(Has(store, "c"));
  store.Crash();
  CHECK(Has(store, "a"));
  CHECK(Has(store, "b"));
  CHECK_FALSE(Has(store, "c"));
  REQUIRE(store.Write(Row("d"), false).ok());
  REQUIRE(store.Sync().ok());
  store.Crash();
  CHECK(Has(store, "d"));
}

TEST_CASE("crash_store: a crash may keep a prefix of what was not synced",
          "[kv][fault]") {
  CrashStore store;
  for (const char* key : {"a", "b", "c"}) {
    REQUIRE(store.Write(Row(key), false).ok());
  }
  store.Crash(2);
  CHECK(Has(store, "a"));
  CHECK(Has(store, "b"));
  CHECK_FALSE(Has(store, "c"));
  CHECK(store.unsynced() == 0);
}

TEST_CASE("faulty_store: fails the nth write and applies nothing of it",
          "[kv][fault]") {
  MemoryStore memory;
  FaultyStore store(memory);
  REQUIRE(store.Write(Row("a"), false).ok());
  store.Fail(FaultyStore::Call::kWrite, 2, Internal("broken"));
  CHECK(store.Write(Row("b"), false).ok());
  CHECK(store.Write(Row("c"), false) == Internal("broken"));
  CHECK(store.Write(Row("d"), false).ok());
  CHECK_FALSE(Has(memory, "c"));
  CHECK(Has(memory, "d"));
  CHECK(store.calls(FaultyStore::Call::kWrite) == 4);
}

TEST_CASE("faulty_store: a failed sync leaves its batch applied",
          "[kv][fault]") {
  CrashStore disk;
  FaultyStore store(disk);
  store.FailFrom(FaultyStore::Call::kSync, 1, Internal("gone"));
  CHECK_FALSE(store.Write(Row("a"), true).ok());
  CHECK_FALSE(store.Sync().ok());
  CHECK(Has(store, "a"));
  disk.Crash();
  CHECK_FALSE(Has(store, "a"));
  store.Heal();
  CHECK(store.Write(Row("a"), true).ok());
}

TEST_CASE("faulty_store: fails gets as often as told", "[kv][fault]") {
  MemoryStore memory;
  FaultyStore store(memory);
  REQUIRE(store.Write(Row("a"), false).ok());
  store.Fail(FaultyStore::Call::kGet, 1, DataLoss("torn"), 2);
  CHECK(store.Get(Column::kHeads, "a").status() == DataLoss("torn"));
  CHECK(store.Get(Column::kHeads, "a").status() == DataLoss("torn"));
  CHECK(store.Get(Column::kHeads, "a").ok());
}

}  // namespace
}  // namespace syncline
