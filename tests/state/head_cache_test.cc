#include <catch2/catch.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/state/head_cache.h"
#include "replication/state/placement.h"
#include "tests/state/given.h"
#include "tests/state/probe_store.h"
#include "tests/testing/faulty_store.h"

namespace syncline {
namespace {

using testing::Item;
using testing::kKeys;
using testing::ProbeStore;

using Model = std::map<std::string, std::string>;

Model Scan(RowReader& rows) {
  Model found;
  RowCursor cursor = rows.Cursor(Column::kHeads, "", "");
  for (; cursor.Valid(); cursor.Next()) {
    found.emplace(cursor.key(), cursor.value());
  }
  REQUIRE(cursor.status().ok());
  return found;
}

TEST_CASE("head cache: rows are those of a map whatever is flushed when",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    SeededRandom random(seed);
    MemoryStore store;
    // Small enough that rows are dropped, or large enough that none are.
    OverlayRows overlay(store, random.Below(2) * 100'000 + 1000);
    Model model;
    std::optional<WriteBatch> taken;
    const auto key = [&random] { return kKeys.Item(Item(random.Below(30))); };
    for (int step = 0; step < 300; ++step) {
      RowWriter writer(overlay);
      Model staged = model;
      for (std::uint64_t n = random.Below(4); n-- > 0;) {
        const std::string changed = key();
        if (random.Below(4) == 0) {
          writer.Delete(Column::kHeads, changed);
          staged.erase(changed);
        } else {
          const std::string value(random.Below(300), step % 2 == 0 ? 'a' : 'b');
          writer.Put(Column::kHeads, changed, value);
          staged[changed] = value;
        }
      }
      const std::string wanted = key();
      const auto found = writer.Heads(wanted);
      const auto at = staged.find(wanted);
      REQUIRE(found.has_value() == (at != staged.end()));
      if (found) REQUIRE(*found == at->second);
      // A scan makes rows go where they have an order.
      if (random.Below(8) == 0) REQUIRE(Scan(writer) == staged);
      if (random.Below(4) != 0) {
        writer.Commit();
        model = staged;
      }
      if (!taken && random.Below(6) == 0) {
        taken = overlay.TakeFlush();
      } else if (taken && random.Below(3) == 0) {
        REQUIRE(store.Write(*taken, false).ok());
        overlay.FlushWritten();
        taken.reset();
      }
    }
    RowReader rows(overlay);
    REQUIRE(Scan(rows) == model);
  }
}

using Names = std::map<std::string, std::string>;  // Item's key -> value.

Names Read(RowReader& rows, const std::string& group, bool scan) {
  Names found;
  const auto take = [&found](std::string_view rest, std::string_view value) {
    found.emplace(rest, value);
    return true;
  };
  if (scan) {
    rows.ForEach(Column::kTree, group, take);
  } else {
    rows.ForEachOf(group, take);
  }
  REQUIRE(rows.status().ok());
  return found;
}

// Files of the usual form that come, move and go in two directories, staged or
// by the short way.
class Files {
 public:
  Files(OverlayRows& overlay, std::uint64_t seed)
      : overlay_(overlay), random_(seed) {}

  void Step() {
    const ItemId item = Item(1 + random_.Below(20));
    const auto known = places_.find(item);
    const auto [parent, name] = SomePlace();
    if (known == places_.end() && ItemsAt(parent, name).empty() &&
        random_.Below(2) == 0) {
      HeadRow& row =
          overlay_.heads().Change(kKeys.Item(item), Row(parent, name), {});
      overlay_.CommitFirst(kKeys.Child(parent, name, item), kChildPlain);
      overlay_.heads().SetAlone(row, parent, name);
      places_[item] = {parent, name};
      return;
    }
    RowWriter writer(overlay_);
    if (known != places_.end()) {
      const auto& [old_parent, old_name] = known->second;
      writer.Delete(Column::kTree, kKeys.Child(old_parent, old_name, item));
      writer.Delete(Column::kHeads, kKeys.Item(item));
      places_.erase(known);
    }
    if (random_.Below(4) > 0) {
      writer.Put(Column::kTree, kKeys.Child(parent, name, item),
                 std::string(kChildPlain));
      writer.Put(Column::kHeads, kKeys.Item(item), Row(parent, name));
      places_[item] = {parent, name};
    }
    writer.Commit();
  }

  void Check() {
    const auto [parent, name] = SomePlace();
    RowReader rows(overlay_);
    const std::string group = kKeys.Named(parent, name);
    REQUIRE(Read(rows, group, false) == Read(rows, group, true));
    const HeadRow* alone = rows.FindAlone(parent, name);
    if (alone == nullptr) return;
    REQUIRE(ItemsAt(parent, name).size() == 1);
    REQUIRE(alone->value() == Row(parent, name));
  }

 private:
  using Place = std::pair<ItemId, std::string>;

  Place SomePlace() {
    ItemId parent = Item(100 + random_.Below(2));
    parent.kind = ItemKind::kDirectory;
    return {parent, "name" + std::to_string(random_.Below(8))};
  }

  std::vector<ItemId> ItemsAt(const ItemId& parent, const std::string& name) {
    std::vector<ItemId> items;
    for (const auto& [item, place] : places_) {
      if (place == Place{parent, name}) items.push_back(item);
    }
    return items;
  }

  static std::string Row(const ItemId& parent, const std::string& name) {
    PlainFile file;
    file.at.parent = parent;
    file.at.name = name;
    file.hint = file.at;
    file.attrs = kNoAttrs;
    std::string row;
    EncodePlainFile(file, row);
    return row;
  }

  OverlayRows& overlay_;
  SeededRandom random_;
  std::map<ItemId, Place> places_;
};

TEST_CASE("head cache: names have the rows of a scan whatever is forgotten",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    MemoryStore store;
    OverlayRows overlay(store, seed % 2 == 0 ? 1500 : 100'000);
    Files files(overlay, seed);
    SeededRandom random(seed);
    for (int step = 0; step < 400; ++step) {
      files.Step();
      files.Check();
      if (random.Below(4) > 0) continue;
      REQUIRE(store.Write(overlay.TakeFlush(), false).ok());
      overlay.FlushWritten();
      // Reading others makes it forget what is not used.
      for (std::uint64_t number = 200; number < 210; ++number) {
        RowReader(overlay).Heads(kKeys.Item(Item(number)));
      }
    }
  }
}

TEST_CASE("head cache: a flush hands out sorted rows once", "[state]") {
  MemoryStore store;
  OverlayRows overlay(store);
  for (const std::uint64_t number : {3, 1, 2, 1}) {
    RowWriter writer(overlay);
    writer.Put(Column::kHeads, kKeys.Item(Item(number)), "value");
    writer.Commit();
  }
  REQUIRE(overlay.bytes() > 0);
  const WriteBatch batch = overlay.TakeFlush();
  REQUIRE(batch.size() == 3);
  std::string last;
  for (const WriteBatch::Op& op : batch) {
    REQUIRE(last < op.key);
    last = op.key;
  }
  REQUIRE(overlay.bytes() > 0);
  overlay.FlushWritten();
  REQUIRE(overlay.bytes() == 0);
  REQUIRE(overlay.TakeFlush().empty());
}

TEST_CASE("head cache: what is used stays, what is not goes", "[state]") {
  MemoryStore memory;
  ProbeStore store(memory);
  OverlayRows overlay(store, 20'000);
  const auto read = [&](std::uint64_t number) {
    RowReader rows(overlay);
    rows.Heads(kKeys.Item(Item(number)));
  };
  read(0);
  for (std::uint64_t number = 1; number <= 1000; ++number) {
    read(number);
    read(0);
  }
  // The one that is used goes once in a while.
  REQUIRE(store.reads().gets < 1010);
  store.Reset();
  read(1);
  REQUIRE(store.reads().gets == 1);
}

TEST_CASE("head cache: rows that changed stay until they are written",
          "[state]") {
  MemoryStore memory;
  ProbeStore store(memory);
  OverlayRows overlay(store, 1000);
  for (std::uint64_t number = 0; number < 200; ++number) {
    RowWriter writer(overlay);
    writer.Put(Column::kHeads, kKeys.Item(Item(number)), "value");
    writer.Commit();
  }
  const WriteBatch batch = overlay.TakeFlush();
  RowReader rows(overlay);
  for (std::uint64_t number = 0; number < 200; ++number) {
    REQUIRE(rows.Heads(kKeys.Item(Item(number))) == "value");
  }
  REQUIRE(store.reads().gets == 0);
  REQUIRE(memory.Write(batch, false).ok());
  overlay.FlushWritten();
  for (std::uint64_t number = 0; number < 200; ++number) {
    REQUIRE(rows.Heads(kKeys.Item(Item(number))) == "value");
  }
  REQUIRE(store.reads().gets > 100);
}

TEST_CASE("head cache: a read that fails is not remembered", "[state][fault]") {
  MemoryStore memory;
  testing::FaultyStore store(memory);
  OverlayRows overlay(store);
  store.Fail(testing::FaultyStore::Call::kGet, 1,
             absl::DataLossError("a bad block"));
  RowReader first(overlay);
  REQUIRE_FALSE(first.Heads(kKeys.Item(Item(1))));
  REQUIRE(absl::IsDataLoss(first.status()));
  RowReader second(overlay);
  second.Heads(kKeys.Item(Item(1)));
  REQUIRE(second.status().ok());
}

}  // namespace
}  // namespace syncline
