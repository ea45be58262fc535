#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/row_keys.h"
#include "tests/state/given.h"
#include "tests/state/probe_store.h"

namespace syncline {
namespace {

using testing::Item;
using testing::kKeys;
using testing::ProbeStore;

ItemId Directory(std::uint64_t number) {
  return Item(number, ItemKind::kDirectory);
}

using Rows = std::map<std::string, std::string>;  // Item's key -> value.

Rows ReadGroup(RowReader& rows, const ItemId& parent, const std::string& name) {
  Rows found;
  rows.ForEachOf(kKeys.Named(parent, name),
                 [&found](std::string_view rest, std::string_view value) {
                   found.emplace(rest, value);
                   return true;
                 });
  REQUIRE(rows.status().ok());
  return found;
}

Rows ScanGroup(RowReader& rows, const ItemId& parent, const std::string& name) {
  Rows found;
  rows.ForEach(Column::kTree, kKeys.Named(parent, name),
               [&found](std::string_view rest, std::string_view value) {
                 found.emplace(rest, value);
                 return true;
               });
  return found;
}

TEST_CASE("group cache: a name's rows are those of a scan whatever changes",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    SeededRandom random(seed);
    MemoryStore store;
    OverlayRows overlay(store);
    const auto name = [&random] {
      return "name" + std::to_string(random.Below(12));
    };
    for (int step = 0; step < 300; ++step) {
      RowWriter writer(overlay);
      for (std::uint64_t n = random.Below(3); n-- > 0;) {
        std::string key = kKeys.Child(Directory(1 + random.Below(3)), name(),
                                      Item(1 + random.Below(4)));
        if (random.Below(3) == 0) {
          writer.Delete(Column::kTree, std::move(key));
        } else {
          writer.Put(Column::kTree, std::move(key), std::to_string(step));
        }
      }
      RowReader before(overlay);
      for (RowReader* rows : {&before, static_cast<RowReader*>(&writer)}) {
        const ItemId parent = Directory(1 + random.Below(3));
        const std::string wanted = name();
        REQUIRE(ReadGroup(*rows, parent, wanted) ==
                ScanGroup(*rows, parent, wanted));
      }
      if (random.Below(3) > 0) writer.Commit();
      if (random.Below(20) == 0) {
        REQUIRE(store.Write(overlay.TakeFlush(), false).ok());
        overlay.FlushWritten();
      }
    }
  }
}

// Puts `count` files into a directory.
void FillTree(MemoryStore& store, int count,
              const ItemId& directory = Directory(1)) {
  WriteBatch batch;
  for (int i = 0; i < count; ++i) {
    batch.Put(Column::kTree,
              kKeys.Child(directory, "name" + std::to_string(i), Item(1)), "x");
  }
  REQUIRE(store.Write(batch, false).ok());
}

std::uint64_t IteratorsFor(int files, int names) {
  MemoryStore memory;
  FillTree(memory, files);
  ProbeStore probe(memory);
  OverlayRows overlay(probe);
  RowReader rows(overlay);
  for (int i = 0; i < names; ++i) {
    const Rows found =
        ReadGroup(rows, Directory(1), "name" + std::to_string(i));
    REQUIRE(found.size() == (i < files ? 1 : 0));
  }
  return probe.reads().iterators;
}

TEST_CASE("group cache: a small directory is read as a whole after a few names",
          "[state]") {
  REQUIRE(IteratorsFor(100, 1) == 1);
  REQUIRE(IteratorsFor(100, 100) == 4);
  // Names that are not there cost nothing either.
  REQUIRE(IteratorsFor(100, 150) == 4);
}

TEST_CASE("group cache: a large directory is tried once", "[state]") {
  // One for the attempt, and what it read is known.
  const std::uint64_t iterators = IteratorsFor(1000, 1000);
  REQUIRE(iterators > 700);
  REQUIRE(iterators < 1000);
}

// How many rows the store gives while `reads` names are asked for, each in any
// of many directories of 100 names.
std::uint64_t RowsForAny(int directories, int reads) {
  MemoryStore memory;
  for (int directory = 1; directory <= directories; ++directory) {
    FillTree(memory, 100, Directory(directory));
  }
  ProbeStore probe(memory);
  OverlayRows overlay(probe);
  RowReader rows(overlay);
  SeededRandom random(1);
  for (int i = 0; i < reads; ++i) {
    const ItemId parent =
        Directory(1 + random.Below(static_cast<std::uint64_t>(directories)));
    const std::string name = "name" + std::to_string(random.Below(100));
    REQUIRE(ReadGroup(rows, parent, name).size() == 1);
  }
  return probe.reads().rows;
}

TEST_CASE("group cache: what is read ahead is what will be asked for",
          "[state]") {
  // They all fit: each is read about once.
  REQUIRE(RowsForAny(50, 20'000) < 6'000);
  // They do not.
  REQUIRE(RowsForAny(500, 20'000) < 40'000);
}

TEST_CASE("group cache: packed rows are put in order and replaced", "[state]") {
  PackedRows rows = WithRow("", "b", "1");
  rows = WithRow(rows, "a", "2");
  rows = WithRow(rows, "c", "3");
  rows = WithRow(rows, "b", "4");
  PackedRows expected;
  for (const char* text : {"a", "2", "b", "4", "c", "3"}) {
    AppendSized(expected, text);
  }
  REQUIRE(rows == expected);
  for (const char* tail : {"a", "b", "c", "d"}) {
    rows = WithRow(rows, tail, std::nullopt);
  }
  REQUIRE(rows.empty());
}

}  // namespace
}  // namespace syncline
