#include "kv/rocks_store.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "kv/keys.h"
#include "kv/rocks_options.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

std::unique_ptr<Store> MustOpen(const fs::path& path) {
  auto store = RocksStore::Open(path);
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  return *std::move(store);
}

void MustPut(Store& store, std::string key, std::string value, bool sync) {
  WriteBatch batch;
  batch.Put(Column::kLog, std::move(key), std::move(value));
  REQUIRE(store.Write(batch, sync).ok());
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::vector<fs::path> FilesWith(const fs::path& dir, const char* extension) {
  std::vector<fs::path> files;
  for (const auto& each : fs::directory_iterator(dir)) {
    if (each.path().extension() == extension) files.push_back(each.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What a power cut or a kill leaves: the files as they are, with nobody having
// closed the store. Leaves out the lock's holder, not the file.
void CopyStore(const fs::path& from, const fs::path& to) {
  fs::create_directory(to);
  for (const auto& each : fs::directory_iterator(from)) {
    if (each.path().filename() != "LOCK") {
      fs::copy_file(each.path(), to / each.path().filename());
    }
  }
}

std::string Key(int i) {
  std::string key;
  AppendU64(key, static_cast<std::uint64_t>(i));
  return key;
}

// `count` synced rows of 1000 random bytes; the copy is as if killed.
void MakeKilledStore(const fs::path& live, const fs::path& copy, int synced,
                     int unsynced) {
  auto store = MustOpen(live);
  SeededRandom random(7);
  for (int i = 0; i < synced + unsynced; ++i) {
    MustPut(*store, Key(i), random.Bytes(1000), i + 1 == synced);
  }
  CopyStore(live, copy);
}

int CountRows(Store& store) {
  int rows = 0;
  auto iterator = store.NewIterator(Column::kLog);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    REQUIRE(iterator->key() == Key(rows));  // A prefix, with no hole.
    ++rows;
  }
  REQUIRE(iterator->status().ok());
  return rows;
}

TEST_CASE("rocks_store: reopening keeps what was written", "[kv]") {
  TemporaryDirectory dir;
  MustPut(*MustOpen(dir.path() / "a" / "b"), "key", "value", false);
  auto store = MustOpen(dir.path() / "a" / "b");
  CHECK(store->Get(Column::kLog, "key").value() == "value");
}

TEST_CASE("rocks_store: a second open in one process is refused", "[kv]") {
  TemporaryDirectory dir;
  auto store = MustOpen(dir.path());
  auto second = RocksStore::Open(dir.path());
  CHECK(second.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(second.status().ToString().find("in use by another process") !=
        std::string::npos);
  store.reset();
  CHECK(RocksStore::Open(dir.path()).ok());
}

TEST_CASE("rocks_store: another process's store is refused until it ends",
          "[kv][fault]") {
  TemporaryDirectory dir;
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    auto store = RocksStore::Open(dir.path());
    WriteBatch batch;
    batch.Put(Column::kLog, "from", "child");
    const bool written = store.ok() && (*store)->Write(batch, true).ok();
    if (!written || write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();  // Holds the store until it is killed.
  }
  close(ready[1]);
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  CHECK(RocksStore::Open(dir.path()).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  kill(child, SIGKILL);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(MustOpen(dir.path())->Get(Column::kLog, "from").value() == "child");
}

TEST_CASE("rocks_store: a newer format is refused by number", "[kv]") {
  TemporaryDirectory dir;
  std::string newer;
  AppendU32(newer, RocksStore::kFormat + 1);
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kMetaFormatKey), newer);
  REQUIRE(MustOpen(dir.path())->Write(batch, true).ok());
  const absl::Status status = RocksStore::Open(dir.path()).status();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(status.ToString().find("its format is 2") != std::string::npos);
  CHECK(status.ToString().find("this build knows format 1") !=
        std::string::npos);
}

TEST_CASE("rocks_store: a malformed format row is data loss", "[kv]") {
  TemporaryDirectory dir;
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kMetaFormatKey), "x");
  REQUIRE(MustOpen(dir.path())->Write(batch, true).ok());
  CHECK(RocksStore::Open(dir.path()).status().code() ==
        absl::StatusCode::kDataLoss);
}

// Opens the database as RocksDB, beneath the store, and changes its columns.
template <typename Change>
void ChangeColumns(const fs::path& path, Change change) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  REQUIRE(rocksdb::DB::Open(EmbeddedOptions(), path.string(),
                            ColumnDescriptors(), &handles, &db)
              .ok());
  change(*db, handles);
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  delete db;
}

TEST_CASE("rocks_store: a column of a newer layout is refused and kept",
          "[kv]") {
  TemporaryDirectory dir;
  MustOpen(dir.path()).reset();
  ChangeColumns(dir.path(), [](rocksdb::DB& db, auto& handles) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    REQUIRE(db.CreateColumnFamily({}, "ropes", &handle).ok());
    handles.push_back(handle);
  });
  for (int round = 0; round < 2; ++round) {
    const absl::Status status = RocksStore::Open(dir.path()).status();
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(status.ToString().find("'ropes'") != std::string::npos);
  }
}

TEST_CASE("rocks_store: a missing column is refused and not made anew",
          "[kv]") {
  TemporaryDirectory dir;
  MustOpen(dir.path()).reset();
  ChangeColumns(dir.path(), [](rocksdb::DB& db, auto& handles) {
    for (auto* handle : handles) {
      if (handle->GetName() == "tree") {
        REQUIRE(db.DropColumnFamily(handle).ok());
      }
    }
  });
  for (int round = 0; round < 2; ++round) {
    const absl::Status status = RocksStore::Open(dir.path()).status();
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(status.ToString().find("'tree'") != std::string::npos);
  }
}

TEST_CASE("rocks_store: a creation that was cut short is completed", "[kv]") {
  TemporaryDirectory dir;
  {
    rocksdb::DBOptions options = EmbeddedOptions();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    auto some = ColumnDescriptors();
    some.resize(4);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    REQUIRE(rocksdb::DB::Open(options, dir.path().string(), some, &handles, &db)
                .ok());
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  CHECK(MustOpen(dir.path())->Write({}, true).ok());
}

// How much of a write-ahead log is records: what is behind them is room.
// (Records have 4 bytes of checksum, 2 of length and 1 of type in front, and
// none begins in the last 6 bytes of a block of 32 KiB.)
std::size_t LogBytes(const fs::path& wal) {
  constexpr std::size_t kBlock = 32768;
  constexpr std::size_t kHeader = 7;
  const std::string bytes = ReadFile(wal);
  std::size_t at = 0;
  while (at + kHeader <= bytes.size()) {
    if (kBlock - at % kBlock < kHeader) at += kBlock - at % kBlock;
    if (at + kHeader > bytes.size() || bytes[at + 6] == 0) break;
    at += kHeader + static_cast<unsigned char>(bytes[at + 4]) +
          (std::size_t{static_cast<unsigned char>(bytes[at + 5])} << 8);
  }
  return at;
}

TEST_CASE("rocks_store: a log has room behind it until it is closed", "[kv]") {
  TemporaryDirectory dir;
  {
    const auto store = MustOpen(dir.path());
    const auto wals = FilesWith(dir.path(), ".log");
    REQUIRE(wals.size() == 1);
    const std::size_t size = fs::file_size(wals[0]);
    for (int i = 0; i < 50; ++i) MustPut(*store, Key(i), "value", true);
    CHECK(fs::file_size(wals[0]) == size);
    CHECK(LogBytes(wals[0]) < size);
  }
  for (const fs::path& wal : FilesWith(dir.path(), ".log")) {
    CHECK(fs::file_size(wal) == LogBytes(wal));
  }
  CHECK(CountRows(*MustOpen(dir.path())) == 50);
}

TEST_CASE("rocks_store: a killed process loses nothing it wrote",
          "[kv][fault]") {
  TemporaryDirectory dir;
  MakeKilledStore(dir.path() / "live", dir.path() / "copy", 10, 20);
  CHECK(CountRows(*MustOpen(dir.path() / "copy")) == 30);
}

TEST_CASE("rocks_store: a torn tail opens as a prefix with all that was synced",
          "[kv][fault]") {
  // Truncations anywhere in the part that was not synced.
  TemporaryDirectory dir;
  MakeKilledStore(dir.path() / "live", dir.path() / "copy", 10, 20);
  const auto wals = FilesWith(dir.path() / "copy", ".log");
  REQUIRE(wals.size() == 1);
  const std::size_t bytes = LogBytes(wals[0]);
  CHECK(bytes < fs::file_size(wals[0]));  // There is room behind it.
  for (const std::size_t cut : {1, 500, 1020, 5000, 15000}) {
    INFO("cut " << cut);
    const fs::path torn = dir.path() / std::to_string(cut);
    CopyStore(dir.path() / "copy", torn);
    fs::resize_file(torn / wals[0].filename(), bytes - cut);
    const int rows = CountRows(*MustOpen(torn));
    CHECK(rows >= 10);
    CHECK(rows < 30);
    CHECK(CountRows(*MustOpen(torn)) == rows);
  }
}

TEST_CASE("rocks_store: a hole among unsynced writes opens as a prefix",
          "[kv][fault]") {
  // Pages are written back in any order, so a power cut may leave zeroes or
  // old bytes in front of whole records.
  struct Row {
    char fill;
    std::size_t bytes;
    const char* why;
  };
  const Row row =
      GENERATE(Row{'\0', 4096, "a page of zeroes inside records"},
               Row{'\xa5', 4096, "a page of something else"},
               Row{'\0', 40000,
                   "zeroes over a whole block of the log: RocksDB by "
                   "itself would skip it and apply what follows"});
  INFO(row.why);
  TemporaryDirectory dir;
  MakeKilledStore(dir.path() / "live", dir.path() / "copy", 10, 190);
  const auto wals = FilesWith(dir.path() / "copy", ".log");
  REQUIRE(wals.size() == 1);
  std::string bytes = ReadFile(wals[0]);
  std::fill_n(bytes.begin() + 65536, row.bytes, row.fill);
  WriteFile(wals[0], bytes);
  const int rows = CountRows(*MustOpen(dir.path() / "copy"));
  CHECK(rows >= 60);
  CHECK(rows < 70);
}

// Rows whose log records fill its blocks of 32 KiB exactly. RocksDB by itself
// passes over a block of zeroes there, without a word, and applies what
// follows.
void MakeAlignedStore(const fs::path& live, const fs::path& copy, int synced,
                      int rows) {
  constexpr std::size_t kOverhead = 32;  // Of a record, without its value.
  auto store = MustOpen(live);
  const fs::path wal = FilesWith(live, ".log").at(0);
  const std::size_t used = LogBytes(wal) % 1024;
  MustPut(*store, Key(0), std::string(1024 - used + 1024 - kOverhead, 'x'),
          false);
  REQUIRE(LogBytes(wal) % 1024 == 0);
  for (int i = 1; i < rows; ++i) {
    MustPut(*store, Key(i), std::string(1024 - kOverhead, 'x'),
            i + 1 == synced);
  }
  CopyStore(live, copy);
}

TEST_CASE("rocks_store: nothing behind a lost block of the log is applied",
          "[kv][fault]") {
  TemporaryDirectory dir;
  const fs::path copy = dir.path() / "copy";
  const bool synced = GENERATE(false, true);
  MakeAlignedStore(dir.path() / "live", copy, synced ? 150 : 10, 160);
  const auto wals = FilesWith(copy, ".log");
  REQUIRE(wals.size() == 1);
  std::string bytes = ReadFile(wals[0]);
  std::fill_n(bytes.begin() + 65536, 32768, '\0');
  WriteFile(wals[0], bytes);
  if (synced) {
    CHECK(RocksStore::Open(copy).status().code() ==
          absl::StatusCode::kDataLoss);
  } else {
    const int rows = CountRows(*MustOpen(copy));
    CHECK(rows > 60);
    CHECK(rows < 64);
  }
}

TEST_CASE("rocks_store: damage to synced writes is data loss", "[kv][fault]") {
  TemporaryDirectory dir;
  MakeKilledStore(dir.path() / "live", dir.path() / "copy", 100, 10);
  const auto wals = FilesWith(dir.path() / "copy", ".log");
  REQUIRE(wals.size() == 1);
  const std::string whole = ReadFile(wals[0]);
  std::string bytes = whole;
  SECTION("a flipped byte in the middle") { bytes[50000] ^= 1; }
  SECTION("zeroes over a block") {
    std::fill_n(bytes.begin() + 32768, 32768, '\0');
  }
  SECTION("cut short") { bytes.resize(50000); }
  WriteFile(wals[0], bytes);
  for (int round = 0; round < 2; ++round) {
    const absl::Status status = RocksStore::Open(dir.path() / "copy").status();
    INFO(status.ToString());
    CHECK(status.code() == absl::StatusCode::kDataLoss);
  }
  if (bytes.size() == whole.size()) {
    WriteFile(wals[0], whole);  // Nothing was thrown away meanwhile.
    CHECK(CountRows(*MustOpen(dir.path() / "copy")) == 110);
  }
}

TEST_CASE("rocks_store: a lost write-ahead log is data loss", "[kv][fault]") {
  TemporaryDirectory dir;
  MakeKilledStore(dir.path() / "live", dir.path() / "copy", 10, 0);
  for (const auto& wal : FilesWith(dir.path() / "copy", ".log")) {
    fs::remove(wal);
  }
  CHECK(RocksStore::Open(dir.path() / "copy").status().code() ==
        absl::StatusCode::kDataLoss);
}

TEST_CASE("rocks_store: a store without CURRENT is not made anew",
          "[kv][fault]") {
  TemporaryDirectory dir;
  MustPut(*MustOpen(dir.path()), "key", "value", true);
  fs::remove(dir.path() / "CURRENT");
  CHECK(RocksStore::Open(dir.path()).status().code() ==
        absl::StatusCode::kDataLoss);
}

TEST_CASE("rocks_store: a damaged table is data loss for get and iterate",
          "[kv][fault]") {
  TemporaryDirectory dir;
  {
    auto store = MustOpen(dir.path());
    SeededRandom random(3);
    for (int i = 0; i < 400; ++i) {
      MustPut(*store, Key(i), random.Bytes(1000), false);
    }
    REQUIRE(store->Compact(Column::kLog, "", "").ok());
  }
  const auto tables = FilesWith(dir.path(), ".sst");
  const auto largest = *std::max_element(
      tables.begin(), tables.end(), [](const auto& a, const auto& b) {
        return fs::file_size(a) < fs::file_size(b);
      });
  std::string bytes = ReadFile(largest);
  REQUIRE(bytes.size() > 300000);
  for (std::size_t i = 100000; i < 200000; i += 100) bytes[i] ^= 0x55;
  WriteFile(largest, bytes);

  auto store = MustOpen(dir.path());
  auto iterator = store->NewIterator(Column::kLog);
  for (iterator->SeekToFirst(); iterator->Valid();) iterator->Next();
  CHECK(iterator->status().code() == absl::StatusCode::kDataLoss);
  CHECK(store->Get(Column::kLog, Key(0)).ok());
  CHECK(store->Get(Column::kLog, Key(150)).status().code() ==
        absl::StatusCode::kDataLoss);
}

TEST_CASE("rocks_store: a missing table is data loss", "[kv][fault]") {
  TemporaryDirectory dir;
  {
    auto store = MustOpen(dir.path());
    MustPut(*store, "key", "value", false);
    REQUIRE(store->Compact(Column::kLog, "", "").ok());
  }
  for (const auto& table : FilesWith(dir.path(), ".sst")) fs::remove(table);
  const absl::Status status = RocksStore::Open(dir.path()).status();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kDataLoss);
}

// Bytes that this thread has read from files.
std::uint64_t BytesRead() {
  std::ifstream io("/proc/thread-self/io");
  std::string name;
  std::uint64_t bytes = 0;
  io >> name >> bytes;
  REQUIRE(name == "rchar:");
  return bytes;
}

TEST_CASE("rocks_store: a lookup in a large column reads little", "[kv]") {
  const TemporaryDirectory temp;
  const auto store = MustOpen(temp / "store");
  SeededRandom random(5);
  constexpr int kRows = 700'000;
  WriteBatch batch;
  for (int i = 0; i < kRows; ++i) {
    batch.Put(Column::kHeads, random.Bytes(16), {});
    if (i % 1000 != 999) continue;
    REQUIRE(store->Write(batch, false).ok());
    batch.Clear();
  }
  REQUIRE(store->Compact(Column::kHeads, {}, std::string(17, '\xff')).ok());
  constexpr std::uint64_t kLookups = 1000;
  const std::uint64_t before = BytesRead();
  for (std::uint64_t i = 0; i < kLookups; ++i) {
    const auto found = store->Get(Column::kHeads, random.Bytes(16));
    REQUIRE(absl::IsNotFound(found.status()));
  }
  CHECK((BytesRead() - before) / kLookups < 32u << 10);
}

TEST_CASE("rocks_store: a file in place of the directory is refused", "[kv]") {
  TemporaryDirectory dir;
  WriteFile(dir.path() / "file", "x");
  CHECK_FALSE(RocksStore::Open(dir.path() / "file").ok());
}

}  // namespace
}  // namespace syncline
