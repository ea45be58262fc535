#include "node/home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/cord.h"
#include "base/status.h"
#include "kv/durable_files.h"

namespace syncline {
namespace {

constexpr char kInUseUrl[] = "syncline/in-use";
constexpr char kNoHomeUrl[] = "syncline/no-home";
constexpr char kKeyName[] = "device.key";

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::Status MakeHome(const std::filesystem::path& home) {
  const absl::Status made = MakeDurableDirectory(home);
  if (!absl::IsInvalidArgument(made)) return made;
  absl::Status status = InvalidArgument(std::string(FromAbsl(made.message())) +
                                        " (choose another home)");
  status.SetPayload(kNoHomeUrl, absl::Cord("1"));
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HomeLock>> HomeLock::Take(
    const std::filesystem::path& home, bool create) {
  if (create) SYNCLINE_RETURN_IF_ERROR(MakeHome(home));
  const std::filesystem::path path = home / "lock";
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.get() < 0) return ErrnoStatus(errno, "open " + home.string());
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return ErrnoStatus(errno, "lock " + path.string());
    absl::Status status = FailedPrecondition(
        home.string() + " is in use by another process (end it first)");
    status.SetPayload(kInUseUrl, absl::Cord("1"));
    return status;
  }
  return std::unique_ptr<HomeLock>(new HomeLock(file.Release()));
}

HomeLock::~HomeLock() { close(fd_); }

bool IsInUse(const absl::Status& status) {
  return status.GetPayload(kInUseUrl).has_value();
}

bool IsNoHome(const absl::Status& status) {
  return status.GetPayload(kNoHomeUrl).has_value();
}

absl::StatusOr<DeviceIdentity> OpenIdentity(const std::filesystem::path& home) {
  const Fd file(open((home / kKeyName).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "open the device key");
  }
  if (file.get() < 0) {
    SYNCLINE_ASSIGN_OR_RETURN(DeviceIdentity identity,
                              DeviceIdentity::Generate());
    SYNCLINE_RETURN_IF_ERROR(
        WriteDurableFile(home / kKeyName, identity.Secret()));
    return identity;
  }
  constexpr std::size_t kMore = kDeviceKeyBytes + 1;
  std::string secret(kMore, '\0');
  const ssize_t got = read(file.get(), secret.data(), secret.size());
  if (got < 0) return ErrnoStatus(errno, "read the device key");
  secret.resize(static_cast<std::size_t>(got));
  absl::StatusOr<DeviceIdentity> identity = DeviceIdentity::FromSecret(secret);
  if (!identity.ok()) return DataLoss("the device key cannot be read");
  return identity;
}

std::string MachineName() {
  constexpr std::size_t kBytesMax = 256;
  std::array<char, kBytesMax> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') {
    return "device";
  }
  return name.data();
}

}  // namespace syncline
