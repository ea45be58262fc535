#include "kv/wal_files.h"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

namespace syncline {
namespace {

constexpr std::uint64_t kStepBytes = 1u << 20;

class RoomyLog final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  RoomyLog(std::unique_ptr<rocksdb::FSWritableFile>&& file,
           const std::string& path)
      : FSWritableFileOwnerWrapper(std::move(file)),
        file_(open(path.c_str(), O_WRONLY | O_CLOEXEC)) {}

  ~RoomyLog() override {
    if (file_ >= 0) close(file_);
  }

  // Before each write, with where it goes. In place of RocksDB's own
  // reservation, which does not change the size.
  void PrepareWrite(std::size_t offset, std::size_t size,
                    const rocksdb::IOOptions&,
                    rocksdb::IODebugContext*) override {
    end_ = offset + size;
    if (end_ <= reserved_ || file_ < 0) return;
    const std::uint64_t wanted = end_ + kStepBytes;
    // Where that is not possible the file grows with each write: a full disk
    // fails those.
    if (fallocate(file_, 0, static_cast<off_t>(reserved_),
                  static_cast<off_t>(wanted - reserved_)) != 0) {
      close(std::exchange(file_, -1));
      return;
    }
    reserved_ = wanted;
  }

  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    // No matter if it fails: readers pass over zeros.
    if (file_ >= 0 && reserved_ > end_) {
      [[maybe_unused]] const int cut =
          ftruncate(file_, static_cast<off_t>(end_));
    }
    return FSWritableFileOwnerWrapper::Close(options, debug);
  }

 private:
  int file_;  // -1: it has no room.
  std::uint64_t reserved_ = 0;
  std::uint64_t end_ = 0;
};

class RoomyLogs final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "RoomyLogs"; }

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus made =
        FileSystemWrapper::NewWritableFile(path, options, file, debug);
    if (made.ok() && path.ends_with(".log")) {
      *file = std::make_unique<RoomyLog>(std::move(*file), path);
    }
    return made;
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> WithRoomyLogs(rocksdb::Env* base) {
  if (base == nullptr) base = rocksdb::Env::Default();
  return rocksdb::NewCompositeEnv(
      std::make_shared<RoomyLogs>(base->GetFileSystem()));
}

}  // namespace syncline
