#include <catch2/catch.hpp>

#include <map>
#include <string>

#include "base/random.h"
#include "kv/memory_store.h"
#include "replication/state/overlay_rows.h"
#include "tests/testing/faulty_store.h"

namespace syncline {
namespace {

using Model = std::map<std::string, std::string>;

std::string RandomKey(SeededRandom& random) {
  std::string key;
  for (std::uint64_t n = random.Below(4); n-- > 0;) {
    key.push_back(static_cast<char>("\0a\xff"[random.Below(3)]));
  }
  return key;
}

Model Collect(RowReader& rows, const std::string& lower,
              const std::string& upper) {
  Model found;
  RowCursor cursor = rows.Cursor(Column::kTree, lower, upper);
  std::string last;
  for (; cursor.Valid(); cursor.Next()) {
    const std::string key(cursor.key());
    REQUIRE((found.empty() || last < key));
    found.emplace(key, cursor.value());
    last = key;
  }
  REQUIRE(cursor.status().ok());
  return found;
}

Model Range(const Model& model, const std::string& lower,
            const std::string& upper) {
  Model range;
  for (const auto& [key, value] : model) {
    if (key >= lower && (upper.empty() || key < upper)) {
      range.emplace(key, value);
    }
  }
  return range;
}

void RequireEqual(RowReader& rows, const Model& model, SeededRandom& random) {
  const std::string lower = RandomKey(random);
  const std::string upper = RandomKey(random);
  REQUIRE(Collect(rows, "", "") == model);
  if (upper.empty() || lower < upper) {
    REQUIRE(Collect(rows, lower, upper) == Range(model, lower, upper));
  }
  const std::string key = RandomKey(random);
  const auto found = model.find(key);
  const auto read = rows.Get(Column::kTree, key);
  REQUIRE(read.has_value() == (found != model.end()));
  if (read) REQUIRE(*read == found->second);
}

TEST_CASE("overlay: layers read as one map whatever is flushed when",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    SeededRandom random(seed);
    MemoryStore store;
    OverlayRows overlay(store);
    Model model;
    std::optional<WriteBatch> taken;
    for (int step = 0; step < 150; ++step) {
      RowWriter writer(overlay);
      Model staged = model;
      for (std::uint64_t n = random.Below(4); n-- > 0;) {
        const std::string key = RandomKey(random);
        if (random.Below(3) == 0) {
          writer.Delete(Column::kTree, key);
          staged.erase(key);
        } else {
          const std::string value = std::to_string(random.Below(100));
          writer.Put(Column::kTree, key, value);
          staged[key] = value;
        }
      }
      RequireEqual(writer, staged, random);
      RowReader before(overlay);
      RequireEqual(before, model, random);
      if (random.Below(4) != 0) {
        writer.Commit();
        model = staged;
      }
      if (!taken && random.Below(5) == 0) {
        taken = overlay.TakeFlush();
      } else if (taken && random.Below(3) == 0) {
        REQUIRE(store.Write(*taken, false).ok());
        overlay.FlushWritten();
        taken.reset();
      }
    }
  }
}

TEST_CASE("overlay: a flush hands out sorted rows once", "[state]") {
  MemoryStore store;
  OverlayRows overlay(store);
  RowWriter writer(overlay);
  writer.Put(Column::kTree, "b", "1");
  writer.Put(Column::kTree, "a", "2");
  writer.Delete(Column::kTree, "c");
  writer.Commit();
  REQUIRE(overlay.bytes() > 0);
  const WriteBatch batch = overlay.TakeFlush();
  const std::vector<WriteBatch::Op> ops(batch.begin(), batch.end());
  REQUIRE(ops.size() == 3);
  REQUIRE(ops[0].key == "a");
  REQUIRE(ops[2].kind == WriteBatch::Op::Kind::kDelete);
  overlay.FlushWritten();
  REQUIRE(overlay.bytes() == 0);
  REQUIRE(overlay.TakeFlush().empty());
}

TEST_CASE("overlay: the first failure of a reader is kept", "[state][fault]") {
  MemoryStore store;
  testing::FaultyStore faulty(store);
  OverlayRows overlay(faulty);
  RowReader rows(overlay);
  faulty.Fail(testing::FaultyStore::Call::kGet, 1,
              absl::DataLossError("a bad block"));
  REQUIRE_FALSE(rows.Get(Column::kTree, "a"));
  REQUIRE(absl::IsDataLoss(rows.status()));
  REQUIRE_FALSE(rows.Get(Column::kTree, "a"));
  rows.Fail(absl::InternalError("later"));
  REQUIRE(absl::IsDataLoss(rows.status()));
}

}  // namespace
}  // namespace syncline
