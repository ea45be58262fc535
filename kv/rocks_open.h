#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kv/store.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
class WalFilter;
}  // namespace rocksdb

namespace syncline {

// An open database and the handles of its columns. Internal to kv.
struct RocksDatabase {
  RocksDatabase();
  ~RocksDatabase();
  RocksDatabase(RocksDatabase&&) noexcept;
  RocksDatabase& operator=(RocksDatabase&&) = delete;

  [[nodiscard]] rocksdb::ColumnFamilyHandle* Handle(Column column) const {
    return columns[static_cast<std::size_t>(column)];
  }

  std::unique_ptr<rocksdb::Env> environment;   // Outlive `db`.
  std::unique_ptr<rocksdb::WalFilter> filter;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // All, to give back.
  std::array<rocksdb::ColumnFamilyHandle*, kColumnCount> columns{};
};

// Opens or creates the database in directory `path`, which must hold all up to
// sequence number `synced`, through `environment` (borrowed; null: the
// machine's). Codes as RocksStore::Open.
absl::StatusOr<RocksDatabase> OpenRocksDatabase(
    const std::filesystem::path& path, std::uint64_t synced,
    rocksdb::Env* environment);

}  // namespace syncline
