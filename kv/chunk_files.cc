#include "kv/chunk_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/status.h"
#include "kv/chunk_store.h"
#include "kv/durable_files.h"

namespace syncline {
namespace {

// Up to here files are synced one by one. Beyond, one syncfs is cheaper, but
// it also waits for whatever others have written to that file system.
constexpr std::size_t kSyncEachMax = 8;

// Stands in "tmp" while chunks are given their names. If it is found there, a
// name that is visible may yet be lost with the power.
constexpr char kPublishing[] = "publishing";

class File {
 public:
  File(const std::string& path, int flags)
      : fd_(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool ok() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  const File file(path, O_RDONLY);
  if (!file.ok()) return ErrnoStatus(errno, "open " + path);
  // One more than a chunk may have, so that a file that grew shows.
  std::string bytes(ChunkStore::kChunkBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got =
        read(file.fd(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read " + path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "mkdir " + path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChunkFiles>> ChunkFiles::Open(
    const std::filesystem::path& dir) {
  SYNCLINE_RETURN_IF_ERROR(MakeDurableDirectory(dir));
  SYNCLINE_RETURN_IF_ERROR(MakeDirectory((dir / "tmp").string()));
  const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + dir.string());
  std::unique_ptr<ChunkFiles> files(new ChunkFiles(dir, fd));
  std::error_code error;
  if (std::filesystem::exists(dir / "tmp" / kPublishing, error)) {
    SYNCLINE_RETURN_IF_ERROR(files->SyncEverything());
  }
  for (const auto& left :
       std::filesystem::directory_iterator(dir / "tmp", error)) {
    std::filesystem::remove(left.path(), error);
  }
  if (error) return ErrnoStatus(error.value(), "empty " + dir.string());
  return files;
}

ChunkFiles::ChunkFiles(std::filesystem::path dir, int dir_fd)
    : dir_(std::move(dir)), dir_fd_(dir_fd) {}

ChunkFiles::~ChunkFiles() { close(dir_fd_); }

std::string ChunkFiles::PrivatePath(const std::string& name) const {
  return (dir_ / "tmp" / name).string();
}

std::string ChunkFiles::PublicPath(const Hash& hash) const {
  const std::string hex = hash.ToHex();
  return (dir_ / hex.substr(0, 2) / hex).string();
}

std::string ChunkFiles::PendingName(const Hash& hash) const {
  std::lock_guard lock(mutex_);
  auto found = pending_.find(hash);
  return found == pending_.end() ? std::string() : found->second;
}

bool ChunkFiles::Has(const Hash& hash) const {
  if (!PendingName(hash).empty()) return true;
  struct stat info;
  return stat(PublicPath(hash).c_str(), &info) == 0;
}

absl::Status ChunkFiles::Put(const Hash& hash, std::string_view bytes) {
  if (failed_) {
    return FailedPrecondition("an earlier sync of chunks failed; open again");
  }
  if (Has(hash)) return absl::OkStatus();
  std::string name = ".tmp-" + std::to_string(next_name_++);
  const std::string path = PrivatePath(name);
  {
    const File file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.ok()) return ErrnoStatus(errno, "create " + path);
    const absl::Status written = WriteAll(file.fd(), bytes, path);
    if (!written.ok()) {
      unlink(path.c_str());
      return written;
    }
  }
  std::lock_guard lock(mutex_);
  if (!pending_.try_emplace(hash, std::move(name)).second) {
    unlink(path.c_str());  // Another thread put the same chunk meanwhile.
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ChunkFiles::Read(const Hash& hash) const {
  if (const std::string name = PendingName(hash); !name.empty()) {
    auto bytes = ReadAll(PrivatePath(name));
    // Not found: it has got its public name since we looked.
    if (bytes.status().code() != absl::StatusCode::kNotFound) return bytes;
  }
  return ReadAll(PublicPath(hash));
}

absl::Status ChunkFiles::Remove(const Hash& hash) {
  std::lock_guard sync_lock(sync_mutex_);
  std::lock_guard lock(mutex_);
  if (auto found = pending_.find(hash); found != pending_.end()) {
    unlink(PrivatePath(found->second).c_str());
    pending_.erase(found);
  }
  const std::string path = PublicPath(hash);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "unlink " + path);
  }
  return absl::OkStatus();
}

absl::Status ChunkFiles::Sync() {
  std::lock_guard sync_lock(sync_mutex_);
  if (failed_) {
    return FailedPrecondition("an earlier sync of chunks failed; open again");
  }
  Pending batch;
  {
    std::lock_guard lock(mutex_);
    batch = pending_;
  }
  if (batch.empty()) return absl::OkStatus();
  SYNCLINE_RETURN_IF_ERROR(StopIfFailed(SyncBytes(batch)));
  const std::string publishing = PrivatePath(kPublishing);
  if (!File(publishing, O_WRONLY | O_CREAT).ok()) {
    return ErrnoStatus(errno, "create " + publishing);
  }
  Directories parents;
  SYNCLINE_RETURN_IF_ERROR(Publish(batch, parents));
  SYNCLINE_RETURN_IF_ERROR(StopIfFailed(SyncDirectories(parents)));
  unlink(publishing.c_str());
  std::lock_guard lock(mutex_);
  for (const auto& [hash, name] : batch) pending_.erase(hash);
  return absl::OkStatus();
}

absl::Status ChunkFiles::StopIfFailed(absl::Status status) {
  if (!status.ok()) failed_ = true;
  return status;
}

absl::Status ChunkFiles::SyncBytes(const Pending& batch) {
  if (batch.size() > kSyncEachMax) return SyncEverything();
  for (const auto& [hash, name] : batch) {
    const std::string path = PrivatePath(name);
    const File file(path, O_RDONLY);
    // Not found: it was renamed before an earlier attempt failed.
    if (!file.ok() && errno == ENOENT) continue;
    if (!file.ok()) return ErrnoStatus(errno, "open " + path);
    if (fdatasync(file.fd()) != 0) return ErrnoStatus(errno, "sync " + path);
  }
  return absl::OkStatus();
}

absl::Status ChunkFiles::Publish(const Pending& batch, Directories& parents) {
  for (const auto& [hash, name] : batch) {
    const std::string from = PrivatePath(name);
    const std::string to = PublicPath(hash);
    const std::string parent = std::filesystem::path(to).parent_path();
    parents.insert(parent);
    if (rename(from.c_str(), to.c_str()) == 0) continue;
    struct stat info;
    if (errno == ENOENT && stat(to.c_str(), &info) == 0) continue;
    SYNCLINE_RETURN_IF_ERROR(MakeDirectory(parent));
    parents.insert(dir_.string());
    if (rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus(errno, "rename to " + to);
    }
  }
  return absl::OkStatus();
}

absl::Status ChunkFiles::SyncDirectories(const Directories& dirs) {
  if (dirs.size() > kSyncEachMax) return SyncEverything();
  for (const std::string& path : dirs) {
    const File dir(path, O_RDONLY | O_DIRECTORY);
    if (!dir.ok()) return ErrnoStatus(errno, "open " + path);
    if (fsync(dir.fd()) != 0) return ErrnoStatus(errno, "sync " + path);
  }
  return absl::OkStatus();
}

absl::Status ChunkFiles::SyncEverything() {
  if (syncfs(dir_fd_) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "sync the file system of " + dir_.string());
}

}  // namespace syncline
