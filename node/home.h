#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/device_identity.h"

namespace syncline {

// The directory that a node lives in: "store", "chunks", "witness",
// "device.key" (mode 0600), "lock" and, while it serves, "control.sock".

// Keeps other processes out of a home, also before its store is there. Given
// back when destroyed, or when the process dies.
class HomeLock {
 public:
  // Makes `home` (mode 0700) if it is missing and `create` says so.
  //   kNotFound            there is no such directory
  //   kInvalidArgument     there can be none; see IsNoHome
  //   kFailedPrecondition  in use by another process; see IsInUse
  static absl::StatusOr<std::unique_ptr<HomeLock>> Take(
      const std::filesystem::path& home, bool create);
  ~HomeLock();
  HomeLock(const HomeLock&) = delete;
  HomeLock& operator=(const HomeLock&) = delete;

 private:
  explicit HomeLock(int fd) : fd_(fd) {}
  int fd_;
};

// Whether `status` says that another process has the home: worth a retry.
bool IsInUse(const absl::Status& status);

// Whether `status` says that no directory can have the name of the home.
bool IsNoHome(const absl::Status& status);

// The key pair in `home`; drawn, and made durable, if there is none.
//   kDataLoss  the file is not what it should be
absl::StatusOr<DeviceIdentity> OpenIdentity(const std::filesystem::path& home);

// What the machine is called, or "device".
std::string MachineName();

}  // namespace syncline
