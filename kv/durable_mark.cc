#include "kv/durable_mark.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::size_t kBytes = 12;  // The number and its CRC-32C.

std::string Encode(std::uint64_t number) {
  std::string bytes;
  AppendU64(bytes, number);
  AppendU32(bytes, Crc32c(bytes));
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DurableMark>> DurableMark::Open(
    const std::filesystem::path& file) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, "open " + file.string());
  auto mark = std::unique_ptr<DurableMark>(new DurableMark(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return ErrnoStatus(errno, "lock " + file.string());
    }
    return FailedPrecondition("the store " + file.parent_path().string() +
                              " is in use by another process");
  }
  mark->Load();
  return mark;
}

DurableMark::~DurableMark() { close(file_); }

void DurableMark::Load() {
  std::array<char, kBytes> bytes;
  if (pread(file_, bytes.data(), kBytes, 0) != ssize_t{kBytes}) return;
  const std::string_view found(bytes.data(), kBytes);
  const std::uint64_t number = ByteReader(found).U64();
  if (found == Encode(number)) synced_ = number;
}

void DurableMark::Advance(std::uint64_t number) {
  if (number <= synced_) return;
  const std::string bytes = Encode(number);
  if (pwrite(file_, bytes.data(), kBytes, 0) == ssize_t{kBytes}) {
    synced_ = number;
  }
}

}  // namespace syncline
