#include "kv/chunk_store.h"

#include <utility>

#include "base/status.h"
#include "kv/chunk_files.h"

namespace syncline {
namespace {

// First byte of a row: how the rest is to be read.
constexpr char kPlain = 1;

std::string RowOf(std::string_view bytes) {
  std::string row;
  row.reserve(bytes.size() + 1);
  row.push_back(kPlain);
  row.append(bytes);
  return row;
}

std::string KeyOf(const Hash& hash) { return std::string(hash.view()); }

class DiskChunkStore final : public ChunkStore {
 public:
  DiskChunkStore(Store& store, std::unique_ptr<ChunkFiles> files)
      : store_(store), files_(std::move(files)) {}

  absl::StatusOr<Hash> Put(std::string_view bytes) override {
    const Hash hash = Sha256(bytes);
    SYNCLINE_RETURN_IF_ERROR(PutHashed(hash, bytes));
    return hash;
  }

  absl::Status PutHashed(const Hash& hash, std::string_view bytes) override {
    WriteBatch rows;
    SYNCLINE_RETURN_IF_ERROR(Add(hash, bytes, rows));
    return rows.empty() ? absl::OkStatus() : store_.Write(rows, false);
  }

  absl::Status PutMany(
      std::span<const std::pair<Hash, std::string_view>> chunks) override {
    WriteBatch rows;
    for (const auto& [hash, bytes] : chunks) {
      SYNCLINE_RETURN_IF_ERROR(Add(hash, bytes, rows));
    }
    return rows.empty() ? absl::OkStatus() : store_.Write(rows, false);
  }

  absl::Status Sync() override {
    SYNCLINE_RETURN_IF_ERROR(files_->Sync());
    return store_.Sync();
  }

  absl::StatusOr<std::string> Get(const Hash& hash) const override {
    auto row = store_.Get(Column::kChunks, hash.view());
    if (row.ok() && !row->empty() && row->front() == kPlain) {
      row->erase(0, 1);
      return Verified(hash, *std::move(row));
    }
    if (row.ok()) return Damaged(hash);
    if (row.status().code() != absl::StatusCode::kNotFound) {
      return row.status();
    }
    auto file = files_->Read(hash);
    if (file.ok()) return Verified(hash, *std::move(file));
    if (file.status().code() == absl::StatusCode::kNotFound) {
      return NotFound("no chunk " + hash.ToHex());
    }
    return file.status();
  }

  [[nodiscard]] bool Has(const Hash& hash) const override {
    return HasRow(hash) || files_->Has(hash);
  }

  absl::Status Discard(const Hash& hash) override {
    WriteBatch batch;
    batch.Delete(Column::kChunks, KeyOf(hash));
    SYNCLINE_RETURN_IF_ERROR(store_.Write(batch, false));
    return files_->Remove(hash);
  }

 private:
  static absl::Status Damaged(const Hash& hash) {
    return DataLoss("chunk " + hash.ToHex() + " is damaged");
  }

  static absl::StatusOr<std::string> Verified(const Hash& hash,
                                              std::string bytes) {
    if (Sha256(bytes) != hash) return Damaged(hash);
    return bytes;
  }

  [[nodiscard]] bool HasRow(const Hash& hash) const {
    return store_.Get(Column::kChunks, hash.view()).ok();
  }

  absl::Status Add(const Hash& hash, std::string_view bytes, WriteBatch& rows) {
    if (bytes.empty() || bytes.size() > kChunkBytesMax) {
      return InvalidArgument("a chunk of " + std::to_string(bytes.size()) +
                             " bytes");
    }
    if (bytes.size() >= kFileBytesMin) return files_->Put(hash, bytes);
    if (!HasRow(hash)) rows.Put(Column::kChunks, KeyOf(hash), RowOf(bytes));
    return absl::OkStatus();
  }

  Store& store_;
  const std::unique_ptr<ChunkFiles> files_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChunkStore>> ChunkStore::Open(
    Store& store, const std::filesystem::path& dir) {
  SYNCLINE_ASSIGN_OR_RETURN(auto files, ChunkFiles::Open(dir));
  return std::unique_ptr<ChunkStore>(
      new DiskChunkStore(store, std::move(files)));
}

}  // namespace syncline
