#include "kv/rocks_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"
#include "kv/durable_files.h"
#include "kv/durable_mark.h"
#include "kv/rocks_open.h"
#include "kv/rocks_status.h"

namespace syncline {
namespace {

// Of the buffer that a writing thread keeps between batches.
constexpr std::size_t kKeptBatchBytes = 1u << 20;

rocksdb::Slice ToSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view FromSlice(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

class RocksSnapshot final : public StoreSnapshot {
 public:
  explicit RocksSnapshot(rocksdb::DB& db)
      : db_(db), snapshot_(db.GetSnapshot()) {}
  ~RocksSnapshot() override { db_.ReleaseSnapshot(snapshot_); }

  [[nodiscard]] const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB& db_;
  const rocksdb::Snapshot* const snapshot_;
};

const rocksdb::Snapshot* Unwrap(const StoreSnapshot* snapshot) {
  return snapshot == nullptr
             ? nullptr
             : static_cast<const RocksSnapshot*>(snapshot)->get();
}

class RocksIterator final : public StoreIterator {
 public:
  RocksIterator(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* column,
                const IterateOptions& options)
      : lower_(options.lower_bound),
        upper_(options.upper_bound),
        lower_slice_(lower_),
        upper_slice_(upper_) {
    rocksdb::ReadOptions read;
    if (!lower_.empty()) read.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) read.iterate_upper_bound = &upper_slice_;
    read.snapshot = Unwrap(options.snapshot);
    read.fill_cache = options.fill_cache;
    read.verify_checksums = true;
    iterator_.reset(db.NewIterator(read, column));
  }

  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Seek(std::string_view key) override { iterator_->Seek(ToSlice(key)); }
  void SeekForPrev(std::string_view key) override {
    iterator_->SeekForPrev(ToSlice(key));
  }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  [[nodiscard]] bool Valid() const override { return iterator_->Valid(); }
  [[nodiscard]] std::string_view key() const override {
    return FromSlice(iterator_->key());
  }
  [[nodiscard]] std::string_view value() const override {
    return FromSlice(iterator_->value());
  }
  [[nodiscard]] absl::Status status() const override {
    return FromRocks(iterator_->status());
  }

 private:
  const std::string lower_;
  const std::string upper_;
  const rocksdb::Slice lower_slice_;
  const rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

struct RocksStore::Impl {
  Impl(std::unique_ptr<DurableMark> opened_mark, RocksDatabase opened)
      : mark(std::move(opened_mark)), database(std::move(opened)) {}

  [[nodiscard]] rocksdb::DB& db() const { return *database.db; }

  // One sync serves all who wrote before it began: whoever waited for the
  // lock finds its writes covered.
  absl::Status Sync() {
    const std::uint64_t wanted = db().GetLatestSequenceNumber();
    std::lock_guard lock(sync_mutex);
    if (failed) return Refusal();
    if (synced >= wanted) return absl::OkStatus();
    const std::uint64_t covered = db().GetLatestSequenceNumber();
    const absl::Status status = FromRocks(db().SyncWAL());
    if (!status.ok()) {
      failed = true;
      return Annotate(status, "sync the store");
    }
    synced = covered;
    mark->Advance(covered);
    return absl::OkStatus();
  }

  static absl::Status Refusal() {
    return Internal(
        "an earlier write of the store failed; it must be opened again (start "
        "the node again)");
  }

  std::unique_ptr<DurableMark> mark;  // Guarded by `sync_mutex`; outlives
                                      // `database`: it is the lock.
  RocksDatabase database;
  std::mutex sync_mutex;
  std::uint64_t synced = 0;  // Guarded by `sync_mutex`.
  std::atomic<bool> failed = false;
};

absl::StatusOr<std::unique_ptr<Store>> RocksStore::Open(
    const std::filesystem::path& path) {
  return OpenIn(path, nullptr);
}

absl::StatusOr<std::unique_ptr<Store>> RocksStore::Open(
    const std::filesystem::path& path, rocksdb::Env& environment) {
  return OpenIn(path, &environment);
}

absl::StatusOr<std::unique_ptr<Store>> RocksStore::OpenIn(
    const std::filesystem::path& path, rocksdb::Env* environment) {
  SYNCLINE_RETURN_IF_ERROR(MakeDurableDirectory(path));
  SYNCLINE_ASSIGN_OR_RETURN(auto mark, DurableMark::Open(path / "DURABLE"));
  auto database = OpenRocksDatabase(path, mark->synced(), environment);
  if (!database.ok()) {
    return Annotate(database.status(), "open the store " + path.string());
  }
  return std::unique_ptr<Store>(new RocksStore(
      std::make_unique<Impl>(std::move(mark), *std::move(database))));
}

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksStore::~RocksStore() { Sync().IgnoreError(); }

absl::StatusOr<std::string> RocksStore::Get(
    Column column, std::string_view key, const StoreSnapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = Unwrap(snapshot);
  options.verify_checksums = true;
  std::string value;
  const rocksdb::Status status = impl_->db().Get(
      options, impl_->database.Handle(column), ToSlice(key), &value);
  if (!status.ok()) return FromRocks(status);
  return value;
}

std::unique_ptr<StoreIterator> RocksStore::NewIterator(
    Column column, const IterateOptions& options) const {
  return std::make_unique<RocksIterator>(
      impl_->db(), impl_->database.Handle(column), options);
}

std::unique_ptr<StoreSnapshot> RocksStore::NewSnapshot() const {
  return std::make_unique<RocksSnapshot>(impl_->db());
}

absl::Status RocksStore::Write(const WriteBatch& batch, bool sync) {
  if (impl_->failed) return Impl::Refusal();
  // Kept: a group of appends is large, and the next one as large.
  thread_local rocksdb::WriteBatch rocks;
  rocks.Clear();
  for (const WriteBatch::Op op : batch) {
    rocksdb::ColumnFamilyHandle* column = impl_->database.Handle(op.column);
    rocksdb::Status added;
    switch (op.kind) {
      case WriteBatch::Op::Kind::kPut:
        added = rocks.Put(column, ToSlice(op.key), ToSlice(op.value));
        break;
      case WriteBatch::Op::Kind::kDelete:
        added = rocks.Delete(column, ToSlice(op.key));
        break;
      case WriteBatch::Op::Kind::kDeleteRange:
        if (op.key < op.value) {
          added = rocks.DeleteRange(column, ToSlice(op.key), ToSlice(op.value));
        }
        break;
    }
    if (!added.ok()) return FromRocks(added);
  }
  const rocksdb::Status written = impl_->db().Write({}, &rocks);
  if (rocks.GetDataSize() > kKeptBatchBytes) rocks = rocksdb::WriteBatch();
  if (!written.ok()) {
    impl_->failed = true;
    return FromRocks(written);
  }
  return sync ? Sync() : absl::OkStatus();
}

absl::Status RocksStore::Sync() { return impl_->Sync(); }

absl::Status RocksStore::Compact(Column column, std::string_view begin,
                                 std::string_view end) {
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  return FromRocks(impl_->db().CompactRange(
      options, impl_->database.Handle(column), begin.empty() ? nullptr : &first,
      end.empty() ? nullptr : &last));
}

}  // namespace syncline
