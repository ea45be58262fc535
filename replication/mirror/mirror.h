#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "replication/mirror/scanner.h"
#include "replication/replica.h"

namespace syncline {

// Keeps a directory on disk and a project's tree equal, both ways.
//
// What differs on the disk from what this mirror last saw there becomes
// entries, which supersede just that; what differs in the project from it is
// put on the disk. A change on both sides is told first: the conflict then
// shows in the project. A quiet system writes no entries, and a crash at any
// point leaves the same result as none (README.md says why).
//
// What ignore rules exclude is neither told nor written.
//
// Nothing on the disk counts as deleted unless its directory could be read; a
// missing or foreign root, a full disk and a mass delete are states in which
// the mirror waits, see Status. It recovers by itself but for the last.
//
// Bound to the replica's executor; callbacks come there. Scanning, hashing and
// writing run on `workers`, one job at a time.
class Mirror {
 public:
  // Borrowed, all of it; must outlive the mirror. `workers` may be the
  // executor of a thread pool, or of the replica's own loop (which then waits).
  struct Environment {
    Replica& replica;
    Store& store;
    RandomSource& random;
    const TimeSource& time;
    boost::asio::any_io_executor executor;  // The replica's.
    boost::asio::any_io_executor workers;
  };

  struct Options {
    std::string dir;       // Absolute.
    std::uint32_t id = 0;  // Distinct among the project's mirrors here.
    bool create = false;   // Make the directory if it is missing.
    bool honour_gitignore = true;
    bool watch = true;  // Otherwise changes are found by sweeps only.
    std::int64_t sweep_ms = 600'000;
    std::int64_t settle_ms = 500;  // Younger files are not read yet.
    std::size_t batch_files = 256;
    std::uint64_t batch_bytes = 32u << 20;
    // Called before each step of a change on the disk (RootDir::Options), and
    // before each phase of the mirror's own: tests of crashes hook in here.
    std::function<void(std::string_view step)> at_step;
  };

  enum class State : std::uint8_t {
    kScanning,  // The first sweep, or one that was asked for.
    kIdle,      // Disk and project are equal, but for Status::errors.
    kSyncing,
    kPaused,
    kError,  // Waits; Status::error says for what.
  };

  struct Status {
    std::string dir;
    State state = State::kIdle;
    std::uint64_t scanned_files = 0;  // Items seen by the last sweep.
    std::uint64_t pending = 0;        // Paths still to be put on the disk.
    std::string error;
    // Deletions that wait for ConfirmDeletes().
    std::uint64_t held_deletes = 0;
    // Paths that could not be read or written, and why. Retried at sweeps.
    std::map<std::string, std::string> errors;
    // Files that somebody keeps writing, and how that was seen. They are looked
    // at until they rest, and keep the mirror from being idle.
    std::map<std::string, std::string> unsettled;
  };

  // Marks the directory as this mirror's (when it is new) and starts. Blocks
  // on a few system calls.
  //   kNotFound, kFailedPrecondition  no such directory
  //   kAlreadyExists  the directory is another mirror's
  //   kDataLoss       the mirror's rows cannot be read
  // A root that was attached before and is missing now is no error here.
  static absl::StatusOr<std::unique_ptr<Mirror>> Open(
      const Environment& environment, const Options& options);

  // Forgets mirror `id`: removes its rows, and its marks in `dir` if that is
  // there. Files stay. No Mirror of it may be open.
  static absl::Status Forget(Store& store, ProjectNumber project,
                             std::uint32_t id, const std::string& dir);

  // Waits for a job under way to notice, at most the time of one file. No
  // callback comes after it.
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  [[nodiscard]] Status status() const;
  // Nothing to do that this mirror knows of; not while paused or in error.
  [[nodiscard]] bool idle() const;
  // Called whenever the mirror becomes idle. Replaces an earlier one.
  void OnIdle(std::function<void()> idle);

  // Sweeps the whole directory now. `done` once all that was found is durable
  // in the project, or with why it could not be looked at.
  void Scan(std::function<void(absl::Status)> done);
  // Keeps `hold` until what was edited before the start is in the project: the
  // first sweep, and files that were too young for it, but not for long if they
  // do not come to rest. Lets go of it if the mirror cannot look (paused, in
  // error), and with the mirror.
  void KeepUntilTold(std::shared_ptr<const void> hold);
  // Lets the deletions that are held back be told. Sweeps again.
  void ConfirmDeletes();

  void Pause();
  void Resume();

 private:
  struct Impl;
  explicit Mirror(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "scanning", "idle", "syncing", "paused", "error".
std::string_view MirrorStateName(Mirror::State state);

}  // namespace syncline
