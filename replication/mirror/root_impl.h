#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/mirror/beneath.h"
#include "replication/mirror/root_dir.h"

namespace syncline {
namespace internal {

inline constexpr std::string_view kMarkerName = ".syncline-root";
inline constexpr std::string_view kPrivateName = ".syncline-tmp";

// A parent directory that is open, and a name in it.
struct Place {
  UniqueFd parent;
  std::string name;
};

}  // namespace internal

struct RootDir::Impl {
  std::string path;
  UniqueFd fd;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  const TimeSource& time;
  Options options;
  std::string run;  // Random: private names of two runs never meet.
  bool shows_mapped_stores = false;
  bool own_times = false;
  std::atomic<std::uint64_t> next_name = 0;
  std::atomic<bool> plain = false;  // Renames have no flags here.

  Impl(const TimeSource& time_source, const Options& given)
      : time(time_source), options(given), plain(given.plain_renames) {}

  [[nodiscard]] absl::Status Check() const;
  // What a failed reading call comes to: the root's own trouble goes first.
  [[nodiscard]] absl::Status ReadFailure(int error_number,
                                         std::string_view call,
                                         std::string_view of) const;
  absl::StatusOr<internal::Place> Locate(std::string_view path) const;
  // The same for a call that changes something: the root is checked first.
  absl::StatusOr<internal::Place> LocateToChange(std::string_view path) const;
  int Stat(const internal::Place& place, internal::EntryStat& out) const {
    return internal::StatAt(place.parent.get(), place.name, device, out);
  }
  // Opens a regular file to read, without moving its atime if allowed.
  static int OpenToRead(int parent, const std::string& name, UniqueFd& out);

  // The private directory, made if need be. Open to be listed.
  absl::StatusOr<UniqueFd> PrivateDir() const;
  absl::Status ListPrivate(
      const std::function<void(const std::string&)>& sink) const;
  std::string NewName(std::string_view prefix);
  void Step(std::string_view step) const {
    if (options.at_step) options.at_step(step);
  }

  absl::StatusOr<Fingerprint> InstallNew(Staged::Impl& staged,
                                         std::string_view path);
  absl::StatusOr<Fingerprint> Replace(Staged::Impl& staged,
                                      std::string_view path,
                                      const Fingerprint& expected);
  absl::StatusOr<Fingerprint> ReplacePlainly(Staged::Impl& staged,
                                             const internal::Place& place,
                                             std::string_view path,
                                             const Fingerprint& expected);
  void TakeOverAttributes(Staged::Impl& staged, int private_dir,
                          const internal::EntryStat& from) const;
  absl::StatusOr<Fingerprint> Installed(const Staged::Impl& staged,
                                        const internal::Place& place) const;
};

struct RootDir::Staged::Impl {
  RootDir::Impl* root;
  std::string name;
  Fingerprint fingerprint;
  bool consumed = false;
};

namespace internal {

// What an unfinished change has to know to be finished after a crash. Kept
// beside the private object as a symlink, because that is made in one step and
// file systems keep the order of such steps; the path is kept apart.
struct Intent {
  std::uint64_t staged_inode = 0;  // 0: nothing was to come in its place.
  Fingerprint expected = {};       // What was to be displaced; no ctime.
  std::string path = {};
};

// The private names of an object, of the intent about it, and of its path.
inline constexpr std::string_view kObjectPrefix = "obj-";
inline constexpr std::string_view kIntentPrefix = "intent-";
inline constexpr std::string_view kPathPrefix = "path-";

int WriteIntent(int private_dir, const std::string& object,
                const Intent& intent);
// One that cannot be read expects nothing that there is.
Intent ReadIntent(int private_dir, const std::string& object);
void DropIntent(int private_dir, const std::string& object);

// Holds a file still from the moment it is compared until it is displaced.
class Hold {
 public:
  Hold() = default;
  ~Hold() { Release(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  //   kAborted  it is not as expected, or is open for writing
  absl::Status Take(const RootDir::Impl& root, const Place& place,
                    std::string_view path, const Fingerprint& expected);
  // `now`, found under a private name, is what was held, and nobody has asked
  // for it to write.
  [[nodiscard]] bool Displaced(const Fingerprint& now) const;
  [[nodiscard]] const EntryStat& stat() const { return stat_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Gives the lease back by itself: a process forked meanwhile has a copy of
  // the descriptor, and closing ours would leave who wants to write waiting.
  void Release();

 private:
  EntryStat stat_;
  UniqueFd fd_;
  bool leased_ = false;
};

// Takes the object away from its public place to a private name, under an
// intent. On kAborted it is back, or given back.
absl::Status TakeAway(RootDir::Impl& root, int private_dir, const Place& place,
                      std::string_view path, const Fingerprint& expected,
                      const std::string& object);
// Unlinks an object and then its intent.
void Forget(int private_dir, const std::string& object);

// Brings a user's file from a private name back to where it was, or, if that
// is taken, to a name beside it. Returns the path where it now is.
absl::StatusOr<std::string> GiveBack(RootDir::Impl& root, int private_dir,
                                     const std::string& object,
                                     const Intent& intent);

absl::Status Changed(std::string_view path, std::string_view why);
// What the marker of a mirror's root holds.
std::string MarkerText(std::string_view mirror_id);

}  // namespace internal
}  // namespace syncline
