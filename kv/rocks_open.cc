#include "kv/rocks_open.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "kv/keys.h"
#include "kv/rocks_options.h"
#include "kv/rocks_status.h"
#include "kv/rocks_store.h"
#include "kv/wal_files.h"

namespace syncline {
namespace {

using Mode = rocksdb::WALRecoveryMode;

// Watches the replay of the write-ahead log for a jump in the sequence numbers.
// RocksDB itself passes over zeroed blocks, which is what a file system leaves
// where a page was not written back before the power went (all the more as our
// logs are longer than what is in them: kv/wal_files.h), and would apply what
// comes after the hole.
class GapFilter final : public rocksdb::WalFilter {
 public:
  explicit GapFilter(Mode mode) : mode_(mode) {}

  WalProcessingOption LogRecordFound(unsigned long long, const std::string&,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch*, bool*) override {
    // A batch starts with its sequence number, little endian.
    std::uint64_t sequence = 0;
    for (int i = 7; i >= 0; --i) {
      sequence = (sequence << 8) | static_cast<unsigned char>(batch.Data()[i]);
    }
    if (next_ != 0 && sequence > next_) {
      return mode_ == Mode::kPointInTimeRecovery
                 ? WalProcessingOption::kStopReplay
                 : WalProcessingOption::kCorruptedRecord;
    }
    next_ = sequence + batch.Count();
    return WalProcessingOption::kContinueProcessing;
  }

  [[nodiscard]] const char* Name() const override { return "GapFilter"; }

 private:
  const Mode mode_;
  std::uint64_t next_ = 0;  // 0: no record seen yet.
};

enum class Access { kReadOnly, kReadWrite };

// Where a database lies.
struct Place {
  std::string path;
  rocksdb::Env* environment;

  [[nodiscard]] rocksdb::DBOptions Options() const {
    rocksdb::DBOptions options = EmbeddedOptions();
    options.env = environment;
    return options;
  }
};

rocksdb::Status OpenOnce(
    const Place& place,
    const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors, Mode mode,
    Access access, RocksDatabase& database) {
  rocksdb::DBOptions options = place.Options();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = mode;
  database.filter = std::make_unique<GapFilter>(mode);
  options.wal_filter = database.filter.get();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      access == Access::kReadWrite
          ? rocksdb::DB::Open(options, place.path, descriptors,
                              &database.handles, &db)
          : rocksdb::DB::OpenForReadOnly(options, place.path, descriptors,
                                         &database.handles, &db);
  database.db.reset(db);
  return status;
}

absl::Status NewerFormat(const std::string& what) {
  return FailedPrecondition(
      "the store was written by a newer Syncline: " + what +
      "; this build knows format " + std::to_string(RocksStore::kFormat));
}

absl::Status CheckFormat(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* meta,
                         bool* absent) {
  std::string row;
  const rocksdb::Status found =
      db.Get({}, meta, std::string(kMetaFormatKey), &row);
  *absent = found.IsNotFound();
  if (*absent) return absl::OkStatus();
  if (!found.ok()) return FromRocks(found);
  ByteReader reader(row);
  const std::uint32_t format = reader.U32();
  if (!reader.ok() || format == 0) {
    return DataLoss("the store's format row is malformed");
  }
  if (format > RocksStore::kFormat) {
    return NewerFormat("its format is " + std::to_string(format));
  }
  return absl::OkStatus();
}

// Refuses a store of a newer format before anything of it changes: an open
// for writing makes files of its own. Says nothing about a store that cannot
// be read; opening it will.
absl::Status CheckFormatUntouched(const Place& place) {
  std::vector<rocksdb::ColumnFamilyDescriptor> few;
  for (auto& each : ColumnDescriptors()) {
    if (each.name == rocksdb::kDefaultColumnFamilyName ||
        each.name == ColumnName(Column::kMeta)) {
      few.push_back(each);
    }
  }
  RocksDatabase database;
  if (!OpenOnce(place, few, Mode::kPointInTimeRecovery, Access::kReadOnly,
                database)
           .ok()) {
    return absl::OkStatus();
  }
  bool absent = false;
  return CheckFormat(*database.db, database.handles.back(), &absent);
}

// A store whose columns are not ours: its format makes a better message.
absl::Status ForeignLayout(const Place& place, const std::string& what) {
  SYNCLINE_RETURN_IF_ERROR(CheckFormatUntouched(place));
  return NewerFormat(what);
}

// Refuses to let RocksDB start an empty database over the remains of another,
// or to add columns to a layout that is not ours.
absl::Status CheckLayout(const Place& place) {
  const std::filesystem::path path = place.path;
  std::error_code error;
  if (!std::filesystem::exists(path / "CURRENT", error)) {
    for (const auto& each : std::filesystem::directory_iterator(path, error)) {
      const auto extension = each.path().extension();
      if (extension == ".sst" || extension == ".log") {
        return DataLoss("the store " + path.string() +
                        " has data but no CURRENT file");
      }
    }
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  SYNCLINE_RETURN_IF_ERROR(FromRocks(
      rocksdb::DB::ListColumnFamilies(place.Options(), place.path, &names)));
  std::set<std::string> left(names.begin(), names.end());
  const bool complete = left.contains(ColumnName(Column::kMeta));
  for (const auto& each : ColumnDescriptors()) {
    if (left.erase(each.name) == 0 && complete) {
      return ForeignLayout(place, "it has no column '" + each.name + "'");
    }
  }
  if (left.empty()) return CheckFormatUntouched(place);
  const std::string what = "it has a column '" + *left.begin() + "'";
  return complete ? ForeignLayout(place, what) : NewerFormat(what);
}

// Opens with the strictest recovery that a crash can pass, and falls back only
// after a look (without changing anything) at what would be given up.
//
// kTolerateCorruptedTailRecords takes a torn last record, which is what a
// killed process leaves, and refuses anything else. A loss of power may also
// leave holes further up in the part that was never synced;
// kPointInTimeRecovery stops at the first of them, which is right there but
// would go back in time silently if it were in the part that was synced. The
// durable mark tells the two apart.
absl::Status Recover(const Place& place, std::uint64_t synced,
                     RocksDatabase& database) {
  const auto descriptors = ColumnDescriptors();
  const rocksdb::Status strict =
      OpenOnce(place, descriptors, Mode::kTolerateCorruptedTailRecords,
               Access::kReadWrite, database);
  if (strict.ok() || !strict.IsCorruption()) return FromRocks(strict);
  {
    RocksDatabase trial;
    if (!OpenOnce(place, descriptors, Mode::kPointInTimeRecovery,
                  Access::kReadOnly, trial)
             .ok() ||
        trial.db->GetLatestSequenceNumber() < synced) {
      return FromRocks(strict);
    }
  }
  database.handles.clear();
  return FromRocks(OpenOnce(place, descriptors, Mode::kPointInTimeRecovery,
                            Access::kReadWrite, database));
}

absl::Status WriteFormat(RocksDatabase& database) {
  std::string row;
  AppendU32(row, RocksStore::kFormat);
  rocksdb::WriteOptions options;
  options.sync = true;
  return FromRocks(database.db->Put(options, database.Handle(Column::kMeta),
                                    std::string(kMetaFormatKey), row));
}

}  // namespace

RocksDatabase::RocksDatabase() = default;
RocksDatabase::RocksDatabase(RocksDatabase&&) noexcept = default;

RocksDatabase::~RocksDatabase() {
  if (db == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
}

absl::StatusOr<RocksDatabase> OpenRocksDatabase(
    const std::filesystem::path& path, std::uint64_t synced,
    rocksdb::Env* environment) {
  RocksDatabase database;
  database.environment = WithRoomyLogs(environment);
  const Place place{path.string(), database.environment.get()};
  SYNCLINE_RETURN_IF_ERROR(CheckLayout(place));
  SYNCLINE_RETURN_IF_ERROR(Recover(place, synced, database));
  for (std::size_t i = 0; i < kColumnCount; ++i) {
    const std::string name = ColumnName(static_cast<Column>(i));
    database.columns[i] =
        *std::find_if(database.handles.begin(), database.handles.end(),
                      [&](auto* handle) { return handle->GetName() == name; });
  }
  const std::uint64_t recovered = database.db->GetLatestSequenceNumber();
  if (recovered < synced) {
    return DataLoss("the store lost writes that were synced: it recovered " +
                    std::to_string(recovered) + " of " +
                    std::to_string(synced) + " changes");
  }
  bool absent = false;
  SYNCLINE_RETURN_IF_ERROR(
      CheckFormat(*database.db, database.Handle(Column::kMeta), &absent));
  if (absent) SYNCLINE_RETURN_IF_ERROR(WriteFormat(database));
  return database;
}

}  // namespace syncline
