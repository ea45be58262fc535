#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "kv/store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace syncline {

// The Store of a node on disk: one RocksDB with one write-ahead log for all
// columns, set up for an embedded process (about 30 MB of memory).
//
// One process at a time has a store open. A crash at any point, also with loss
// of power, leaves a store that opens with everything that was synced and a
// prefix of what was not. If what was synced is damaged, Open() says so rather
// than going back in time: a node that forgot entries it has published would
// give their numbers out again.
//
// After a failed write or sync nothing more is written: the kernel may have
// dropped the pages and a second sync would succeed without them, and RocksDB
// must not sync a log that it could not write to. Reads go on. Open the store
// again.
//
// Thread-safe. Calls block on the disk.
class RocksStore final : public Store {
 public:
  // Of the rows and columns. A build refuses stores with a higher number.
  static constexpr std::uint32_t kFormat = 1;

  // Opens the store in directory `path`, creating both if missing.
  //   kFailedPrecondition  in use by another process (or a second time by this
  //                        one), or written by a newer format: the message
  //                        says which; end the other, or update
  //   kDataLoss            files are damaged or missing: restore the directory
  //                        or start with a new one and fetch from peers
  //   kPermissionDenied, kResourceExhausted, kInternal  from the file system
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      const std::filesystem::path& path);
  // The same with a database that does not meet the disk directly: tests make
  // disks that fail. Borrows `environment`, which must outlive the store.
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      const std::filesystem::path& path, rocksdb::Env& environment);

  // Syncs what was written. Requires: snapshots and iterators are gone.
  ~RocksStore() override;
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  absl::StatusOr<std::string> Get(
      Column column, std::string_view key,
      const StoreSnapshot* snapshot = nullptr) const override;
  [[nodiscard]] std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options = {}) const override;
  [[nodiscard]] std::unique_ptr<StoreSnapshot> NewSnapshot() const override;
  absl::Status Write(const WriteBatch& batch, bool sync) override;
  absl::Status Sync() override;
  absl::Status Compact(Column column, std::string_view begin,
                       std::string_view end) override;

 private:
  struct Impl;
  static absl::StatusOr<std::unique_ptr<Store>> OpenIn(
      const std::filesystem::path& path, rocksdb::Env* environment);
  explicit RocksStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
