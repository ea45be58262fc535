#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "replication/mirror/disk_entry.h"
#include "replication/mirror/unique_fd.h"

// The system calls that root_dir is made of. They give an errno, 0 for
// success: what a failure means depends on the step that met it. Names are
// resolved below a directory descriptor, through no symlink and no mount.
namespace syncline::internal {

// The status of a failed call on `path`, in RootDir's terms.
absl::Status PathError(int error_number, std::string_view call,
                       std::string_view path);

// openat2 beneath `directory`; "" opens it anew. Longer than PATH_MAX works.
int OpenBeneath(int directory, std::string_view path, int flags, UniqueFd& out,
                unsigned mode = 0);

struct EntryStat {
  Fingerprint fingerprint;
  std::uint64_t raw_device = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
// lstat of `name` in `directory`, or of the descriptor itself if it is "".
// Fingerprints leave `root_device` out: see Fingerprint::device.
int StatAt(int directory, const std::string& name, std::uint64_t root_device,
           EntryStat& out);

// Renames where the target is free, or swaps; `plain` does without the flags.
//   EEXIST  the target is there
//   ENOSYS  not possible on this file system without a race
int RenameFree(int from_dir, const std::string& from, int to_dir,
               const std::string& to, bool directory, bool plain);
int RenameSwap(int a_dir, const std::string& a, int b_dir, const std::string& b,
               bool plain);

// Whether nobody has a file open for writing or mapped so.
enum class Lease {
  kGranted,  // Nobody has; who now opens it waits until the lease is gone.
  kBusy,     // Somebody has.
  kUnsupported,
};
// Takes a read lease on a descriptor opened O_RDONLY; closing it gives the
// lease back. Hold it for a moment only: others wait for it.
Lease TakeLease(int fd);
void DropLease(int fd);
// Nobody has come to wait for it.
bool LeaseUnbroken(int fd);

// Writes all of it at `offset`.
int WriteAll(int fd, std::string_view bytes, std::int64_t offset);

}  // namespace syncline::internal
