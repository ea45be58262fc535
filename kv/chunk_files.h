#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"

namespace syncline {

// The chunks that are files: "ab/<hex>" below a directory, "ab" being the
// first two digits. Internal to kv; ChunkStore is what others use.
//
// A chunk is written to "tmp/<private name>" and gets its own name only after
// its bytes are on the disk. So whatever bears a chunk's name is whole, also
// after a loss of power, and all that a crash leaves is in "tmp", which Open()
// empties. Until then it is read under its private name.
//
// Thread-safe. Calls block on the disk.
class ChunkFiles {
 public:
  static absl::StatusOr<std::unique_ptr<ChunkFiles>> Open(
      const std::filesystem::path& dir);
  ~ChunkFiles();

  // Requires: `hash` is that of `bytes`.
  //   kResourceExhausted   the disk is full; nothing is left of it
  //   kFailedPrecondition  an earlier Sync() failed: open again
  absl::Status Put(const Hash& hash, std::string_view bytes);

  // Makes all chunks put before durable and gives them their names. After a
  // failure to write bytes back nothing more is taken in: they may be gone
  // from memory too, and a second try would not tell.
  absl::Status Sync();

  // The bytes of the file, not verified.
  //   kNotFound  there is none
  absl::StatusOr<std::string> Read(const Hash& hash) const;
  [[nodiscard]] bool Has(const Hash& hash) const;
  absl::Status Remove(const Hash& hash);

 private:
  // Hash -> private name of a chunk that was put and not synced.
  using Pending = std::unordered_map<Hash, std::string>;

  using Directories = std::unordered_set<std::string>;

  ChunkFiles(std::filesystem::path dir, int dir_fd);

  [[nodiscard]] std::string PrivatePath(const std::string& name) const;
  [[nodiscard]] std::string PublicPath(const Hash& hash) const;
  [[nodiscard]] std::string PendingName(const Hash& hash) const;
  absl::Status SyncBytes(const Pending& batch);
  absl::Status Publish(const Pending& batch, Directories& parents);
  absl::Status SyncDirectories(const Directories& dirs);
  absl::Status SyncEverything();
  absl::Status StopIfFailed(absl::Status status);

  const std::filesystem::path dir_;
  const int dir_fd_;  // Of `dir_`, for syncfs.
  std::atomic<std::uint64_t> next_name_ = 0;
  std::mutex sync_mutex_;  // One Sync() at a time; taken before `mutex_`.
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  Pending pending_;  // Guarded by `mutex_`.
};

}  // namespace syncline
