// What a log says of rows that something else has changed.
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "log/append_log.h"
#include "log/log_rows.h"
#include "tests/log/log_harness.h"
#include "tests/testing/origins.h"

namespace syncline {
namespace {

using testing::DraftOf;
using testing::DraftsOf;
using testing::kA;
using testing::kB;
using testing::kProject;
using testing::LogHarness;
using testing::Numbers;
using testing::OnMemory;
using testing::OnRocks;
using testing::OwnedDraft;
using testing::Records;
using testing::Walk;

void Put(Store& store, Column column, std::string key, std::string value) {
  WriteBatch batch;
  batch.Put(column, std::move(key), std::move(value));
  REQUIRE(store.Write(batch, false).ok());
}

void Delete(Store& store, Column column, std::string key) {
  WriteBatch batch;
  batch.Delete(column, std::move(key));
  REQUIRE(store.Write(batch, true).ok());
}

bool Names(const absl::Status& status, std::string_view what) {
  return FromAbsl(status.message()).find(what) != std::string_view::npos;
}

TEMPLATE_TEST_CASE("append_log: every flipped bit of a record is data loss",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  const OwnedDraft draft{{kA, 2}, "a short entry", "changes"};
  REQUIRE(harness.Append({DraftOf({kA, 1}), draft, DraftOf({kA, 3})}).ok());
  const std::string key = RecordKey(kProject, {2});
  const std::string good = *on.store().Get(Column::kLog, key);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    Put(on.store(), Column::kLog, key, bytes);
    INFO("bit " << bit << " of " << good.size() * 8);
    const auto reader = harness->Read({});
    REQUIRE(reader->Valid());
    reader->Next();
    REQUIRE_FALSE(reader->Valid());
    REQUIRE(absl::IsDataLoss(reader->status()));
    REQUIRE(Names(reader->status(), "project 7, seq 2"));
  }
  Put(on.store(), Column::kLog, key, good + '\0');
  CHECK(absl::IsDataLoss(harness->Read({.since = {1}})->status()));
  Put(on.store(), Column::kLog, key, good);
  CHECK(harness->Read({.since = {1}})->status().ok());
}

TEMPLATE_TEST_CASE("append_log: a hole is data loss in both directions",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 6)).ok());
  Delete(on.store(), Column::kLog, RecordKey(kProject, {4}));
  const Walk forward = Records(harness.log(), {});
  CHECK(forward.seqs == Numbers(1, 3));
  CHECK(absl::IsDataLoss(forward.status));
  CHECK(Names(forward.status, "seq 4"));
  const Walk reverse = Records(harness.log(), {.reverse = true});
  CHECK(reverse.seqs == std::vector<std::uint64_t>{6, 5});
  CHECK(absl::IsDataLoss(reverse.status));
  CHECK(Names(reverse.status, "seq 4"));
  CHECK(absl::IsDataLoss(Records(harness.log(), {.since = {3}}).status));
  CHECK(absl::IsDataLoss(
      Records(harness.log(), {.since = {3}, .until = Seq{4}}).status));
  CHECK(Records(harness.log(), {.since = {4}}).seqs == Numbers(5, 6));
  CHECK(absl::IsDataLoss(harness->ChainAt({kA, 5}).status()));
}

TEMPLATE_TEST_CASE("append_log: records in each other's place are found out",
                   "[log][fault]", OnMemory, OnRocks) {
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 6)).ok());
  const std::string two = RecordKey(kProject, {2});
  const std::string three = RecordKey(kProject, {3});
  const std::string second = *on.store().Get(Column::kLog, two);
  Put(on.store(), Column::kLog, two, *on.store().Get(Column::kLog, three));
  Put(on.store(), Column::kLog, three, second);
  const absl::Status status = harness->ChainAt({kA, 4}).status();
  CHECK(absl::IsDataLoss(status));
  CHECK(Names(status, "seq 2"));
}

std::string EncodeRecord(const Dot& dot, std::string_view entry) {
  std::string out;
  AppendRecord(out, {dot, entry, {}});
  return out;
}

struct Damage {
  const char* why;
  std::function<void(Store&)> make;
};

std::vector<Damage> Damages() {
  const auto drop = [](Column column, std::string key) {
    return [=](Store& store) { Delete(store, column, key); };
  };
  const auto put = [](Column column, std::string key, std::string value) {
    return [=](Store& store) { Put(store, column, key, value); };
  };
  const LogId id{std::string(kLogIdBytes, 'i')};
  return {
      {"the head row is gone", drop(Column::kProjects, HeadKey(kProject))},
      {"the head row is cut off",
       put(Column::kProjects, HeadKey(kProject), "\x01short")},
      {"the head row is empty", put(Column::kProjects, HeadKey(kProject), "")},
      {"the head is too low",
       put(Column::kProjects, HeadKey(kProject), EncodeHead({id, {5}}))},
      {"the head is too high",
       put(Column::kProjects, HeadKey(kProject), EncodeHead({id, {7}}))},
      {"the horizon is gone", drop(Column::kProjects, HorizonKey(kProject))},
      {"the horizon is too high",
       put(Column::kProjects, HorizonKey(kProject), EncodeHorizon({3}))},
      {"the horizon is beyond the head",
       put(Column::kProjects, HorizonKey(kProject), EncodeHorizon({9}))},
      {"the horizon is malformed",
       put(Column::kProjects, HorizonKey(kProject), "x")},
      {"the last record is gone", drop(Column::kLog, RecordKey(kProject, {6}))},
      {"a record is behind the head",
       put(Column::kLog, RecordKey(kProject, {7}),
           EncodeRecord({kA, 6}, "entry"))},
      {"the first record is gone",
       drop(Column::kLog, RecordKey(kProject, {3}))},
      {"the last record is malformed",
       put(Column::kLog, RecordKey(kProject, {6}), "nonsense")},
      {"the last record is another's",
       put(Column::kLog, RecordKey(kProject, {6}),
           EncodeRecord({kB, 3}, "entry"))},
      {"an origin's row is gone",
       drop(Column::kProjects, OriginKey(kProject, kB))},
      {"an origin's row is behind",
       put(Column::kProjects, OriginKey(kProject, kB),
           EncodeOrigin({1, Hash()}))},
      {"an origin's row is malformed",
       put(Column::kProjects, OriginKey(kProject, kA), "x")},
      {"an origin's key is malformed",
       put(Column::kProjects, OriginRowsPrefix(kProject) + "short",
           EncodeOrigin({1, Hash()}))},
      {"more is truncated than appended",
       put(Column::kProjects, TruncatedKey(kProject, kA), EncodeTruncated(9))},
      {"a truncation row is malformed",
       put(Column::kProjects, TruncatedKey(kProject, kA), "")},
  };
}

TEMPLATE_TEST_CASE("append_log: rows that contradict each other are data loss",
                   "[log][fault][table]", OnMemory, OnRocks) {
  // One fixture for all rows: each is undone behind it.
  TestType on;
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 4)).ok());
  REQUIRE(harness.Append(DraftsOf(kB, 1, 2)).ok());
  REQUIRE(harness->TruncateThrough({2}).ok());
  REQUIRE(harness.Open().ok());

  struct Saved {
    Column column;
    std::string key;
    std::string value;
  };
  std::vector<Saved> saved;
  for (const Column column : {Column::kProjects, Column::kLog}) {
    const auto rows = on.store().NewIterator(column);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      saved.push_back(
          {column, std::string(rows->key()), std::string(rows->value())});
    }
  }
  for (const Damage& damage : Damages()) {
    INFO(damage.why);
    harness.Close();
    damage.make(on.store());
    const absl::Status status = harness.Open();
    CHECK(absl::IsDataLoss(status));
    CHECK(Names(status, "project 7"));

    WriteBatch repair;
    for (const Column column : {Column::kProjects, Column::kLog}) {
      const std::string prefix = ProjectPrefix(kProject);
      repair.DeleteRange(column, prefix, PrefixEnd(prefix));
    }
    for (const Saved& row : saved) repair.Put(row.column, row.key, row.value);
    REQUIRE(on.store().Write(repair, true).ok());
    REQUIRE(harness.Open().ok());
  }
}

TEST_CASE("append_log: a newer format is refused and not overwritten",
          "[log]") {
  OnMemory on;
  LogHarness harness(on.store());
  const std::string newer = std::string(1, '\x03') + "whatever comes";
  Put(on.store(), Column::kProjects, HeadKey(kProject), newer);
  CHECK(absl::IsFailedPrecondition(harness.Open()));
  CHECK(*on.store().Get(Column::kProjects, HeadKey(kProject)) == newer);
}

TEST_CASE("append_log: rows of others in its column are not its own", "[log]") {
  OnMemory on;
  const std::string prefix = ProjectPrefix(kProject);
  Put(on.store(), Column::kProjects, prefix, "settings");
  Put(on.store(), Column::kProjects, prefix + "k", "settings");
  Put(on.store(), Column::kProjects, prefix + "m", "settings");
  LogHarness harness(on.store());
  REQUIRE(harness.Append(DraftsOf(kA, 1, 2)).ok());
  REQUIRE(harness->TruncateThrough({2}).ok());
  REQUIRE(harness.Open().ok());
  CHECK(*on.store().Get(Column::kProjects, prefix + "m") == "settings");
}

TEST_CASE("log_rows: record and keys are those of the format",
          "[log][golden]") {
  CHECK(ToHex(RecordKey({7}, {258})) == "000000070000000000000102");
  CHECK(ToHex(HeadKey({7})) == "000000076c61");
  CHECK(ToHex(HorizonKey({7})) == "000000076c68");
  const Origin origin;
  CHECK(ToHex(OriginKey({7}, origin)) == "000000076c6f" + std::string(32, '0'));
  CHECK(ToHex(TruncatedKey({7}, origin)) ==
        "000000076c74" + std::string(32, '0'));
  CHECK(ToHex(RunKey({7}, {origin, 9})) ==
        "00000007" + std::string(32, '0') + "0000000000000009");
  CHECK(ToHex(EncodeHead({LogId{std::string(16, 'i')}, {5}})) ==
        "02"
        "69696969696969696969696969696969"
        "0000000000000005");
  CHECK(ToHex(EncodeRecord({origin, 1}, "123456789")) ==
        "09000000839206e331323334353637383900000000000000"
        "00000011" +
            ToHex(EncodeRecord({origin, 1}, "123456789")).substr(56, 8) +
            std::string(32, '0') + "01");
  std::string joined;
  AppendRecord(joined, {{}, {}, "changes", {}, 258});
  CHECK(ToHex(joined) ==
        std::string(16, '0') + "00000020" + ToHex(joined).substr(24, 8) +
            std::string(32, '0') + "000000000000000102" + ToHex("changes"));
}

}  // namespace
}  // namespace syncline
