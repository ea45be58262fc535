#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/mirror/root_dir.h"

namespace boost::asio {
class any_io_executor;
}

namespace syncline {

// Hints that something below a root may have changed (inotify). Only stat is
// truth: hints come too often, also for our own changes, and some changes
// never cause one (stores to mapped files), so sweeps remain necessary.
//
// Watch a directory first, list it afterwards: then nothing that appears in
// between is missed. A scan does so through ScanOptions::before_list.
//
// AddDir() may be called from any thread (but not during destruction), the rest
// on the executor's, whose handlers must not run concurrently (an io_context
// with one thread, or a strand). The callback comes there too; none after the
// destructor.
class Watcher {
 public:
  struct Options {
    int quiet_ms = 100;   // Hints are held until this long after the last one,
    int latest_ms = 500;  // but not longer than this after the first.
    std::size_t watches_max = 1u << 20;
    std::size_t names_max = 64;  // More in one directory: all of it is dirty.
  };

  struct DirtyDir {
    std::string path;  // "" is the root.
    // Names in it that may have changed, in byte order; empty: any of them. A
    // new directory is hinted at by its own name only: scan it whole.
    std::vector<std::string> names;
    // An ignore file may have changed: scan the directory whole.
    bool rules = false;
  };
  struct Hints {
    bool everything = false;      // Sweep the root; `dirty` is empty.
    std::vector<DirtyDir> dirty;  // In path order.
    // Directories that were made, moved here or given another mode, also by
    // this program. What is below them is not watched until a scan of the
    // whole has done so: see Watches().
    std::vector<std::string> fresh;
  };
  using Callback = std::function<void(const Hints&)>;

  // Borrows `root` and the executor's context; both must outlive the watcher.
  //   kResourceExhausted  no inotify instance is left: do without, sweep often
  static absl::StatusOr<std::unique_ptr<Watcher>> Create(
      const boost::asio::any_io_executor& executor, const RootDir& root,
      const Options& options, Callback callback);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Watches one directory, not those below it. Repeating it is harmless; a
  // directory that was renamed is watched under its new path from then on.
  //   kResourceExhausted  the watch limit is reached: health() says so from
  //                       now on, the caller goes on and sweeps more often
  //   other               as RootDir::OpenDir
  absl::Status AddDir(std::string_view path);
  // Whether AddDir(path) is in force. From any thread.
  [[nodiscard]] bool Watches(std::string_view path) const;
  // Forgets a directory and all below it.
  void RemoveTree(std::string_view path);

  // OK, or why hints are missing: kResourceExhausted, watch limit;
  // kUnavailable, the root was unmounted, moved or removed. A queue overflow
  // is not held against it: "everything" makes up for that.
  [[nodiscard]] absl::Status health() const;

  struct Counts {
    std::uint64_t watches = 0;
    std::uint64_t unwatched = 0;  // AddDir() calls refused by a limit.
    std::uint64_t overflows = 0;
    std::uint64_t events = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Impl;
  explicit Watcher(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace syncline
