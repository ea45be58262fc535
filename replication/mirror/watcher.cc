#include "replication/mirror/watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "replication/mirror/ignore_rules.h"

namespace syncline {
namespace asio = boost::asio;
namespace {

constexpr std::uint32_t kMask = IN_CREATE | IN_DELETE | IN_MODIFY |
                                IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |
                                IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                IN_ONLYDIR | IN_EXCL_UNLINK;

// Paths in the order of trees, so that what is below one stands together.
struct PathLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const {
    return ComparePaths(a, b) < 0;
  }
};

// The watches of one inotify instance, and which directory each is on.
// Thread-safe: scans add watches while the executor reads events.
class WatchTable {
 public:
  explicit WatchTable(int inotify) : inotify_(inotify) {}

  // Watches what `link` leads to under the name `path`. Gives an errno.
  int Add(std::string_view path, const char* link) {
    const absl::MutexLock lock(&mutex_);
    const int watch = ::inotify_add_watch(inotify_, link, kMask);
    if (watch < 0) return errno;
    // A watch is on the inode: one that is known already has been renamed.
    const auto known = by_watch_.find(watch);
    if (known != by_watch_.end()) {
      if (known->second->first == path) return 0;
      by_path_.erase(known->second);
      by_watch_.erase(known);
    }
    const auto [at, added] = by_path_.try_emplace(std::string(path), watch);
    if (!added) {  // Another directory stood here.
      by_watch_.erase(at->second);
      ::inotify_rm_watch(inotify_, at->second);
      at->second = watch;
    }
    by_watch_[watch] = at;
    return 0;
  }

  void RemoveTree(std::string_view path) {
    const absl::MutexLock lock(&mutex_);
    auto at = by_path_.lower_bound(path);
    while (at != by_path_.end() && IsAtOrBelow(at->first, path)) {
      ::inotify_rm_watch(inotify_, at->second);
      by_watch_.erase(at->second);
      at = by_path_.erase(at);
    }
  }

  // The watch has ended by itself.
  void Forget(int watch) {
    const absl::MutexLock lock(&mutex_);
    const auto known = by_watch_.find(watch);
    if (known == by_watch_.end()) return;
    by_path_.erase(known->second);
    by_watch_.erase(known);
  }

  // False if the watch is on nothing that is of interest any more.
  bool PathOf(int watch, std::string& path) const {
    const absl::MutexLock lock(&mutex_);
    const auto known = by_watch_.find(watch);
    if (known == by_watch_.end()) return false;
    path = known->second->first;
    return true;
  }

  bool Contains(std::string_view path) const {
    const absl::MutexLock lock(&mutex_);
    return by_path_.find(path) != by_path_.end();
  }

  std::size_t size() const {
    const absl::MutexLock lock(&mutex_);
    return by_path_.size();
  }

 private:
  using ByPath = std::map<std::string, int, PathLess>;
  const int inotify_;
  mutable absl::Mutex mutex_;
  ByPath by_path_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<int, ByPath::iterator> by_watch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct Watcher::Impl : std::enable_shared_from_this<Watcher::Impl> {
  Impl(const asio::any_io_executor& executor, int fd, const RootDir& root_dir,
       const Options& given, Callback given_callback)
      : root(root_dir),
        options(given),
        callback(std::move(given_callback)),
        inotify(executor, fd),
        table(fd),
        quiet(executor),
        latest(executor) {}

  const RootDir& root;
  const Options options;
  Callback callback;
  bool closed = false;
  asio::posix::stream_descriptor inotify;
  WatchTable table;
  asio::steady_timer quiet;   // Since the last event.
  asio::steady_timer latest;  // Since the first that waits.
  bool waiting = false;
  bool everything = false;
  struct Dirty {
    std::set<std::string> names;  // None: all.
    bool rules = false;
  };
  std::map<std::string, Dirty, PathLess> dirty;
  std::set<std::string, PathLess> fresh;
  std::atomic<std::uint64_t> unwatched = 0;
  std::uint64_t overflows = 0;
  std::uint64_t events = 0;
  mutable absl::Mutex health_mutex;
  absl::Status health ABSL_GUARDED_BY(health_mutex);

  void Degrade(absl::StatusCode code, std::string_view why) {
    const absl::MutexLock lock(&health_mutex);
    // A root that is lost matters more than a limit.
    if (health.ok() || code == absl::StatusCode::kUnavailable)
      health = MakeStatus(code, why);
  }

  absl::Status AddDir(std::string_view path);
  void Wait();
  void ReadEvents();
  void OnEvent(const inotify_event& event, std::string_view name);
  void OnWatchGone(const inotify_event& event, const std::string& path);
  void MarkName(const std::string& path, std::string_view name);
  void MarkAll(const std::string& path);
  void MarkEverything();
  void Arm();
  void Flush();
};

absl::Status Watcher::Impl::AddDir(std::string_view path) {
  if (!table.Contains(path) && table.size() >= options.watches_max) {
    ++unwatched;
    Degrade(absl::StatusCode::kResourceExhausted,
            "the limit of watched directories is reached");
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      "too many watches: " + std::string(path));
  }
  SYNCLINE_ASSIGN_OR_RETURN(const UniqueFd directory, root.OpenDir(path));
  // By descriptor: by path it could follow a symlink out of the root.
  const std::string link = "/proc/self/fd/" + std::to_string(directory.get());
  const int error = table.Add(path, link.c_str());
  if (error == 0) return absl::OkStatus();
  const std::string what = "watch " + std::string(path);
  if (error == ENOSPC || error == ENOMEM) {
    ++unwatched;
    Degrade(absl::StatusCode::kResourceExhausted,
            "the system's limit of watches is reached "
            "(fs.inotify.max_user_watches)");
  }
  return ErrnoStatus(error, what);
}

void Watcher::Impl::Wait() {
  inotify.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->closed) return;
        self->ReadEvents();
        if (!self->closed) self->Wait();
      });
}

void Watcher::Impl::ReadEvents() {
  alignas(inotify_event) char buffer[64u << 10];
  const ssize_t count = ::read(inotify.native_handle(), buffer, sizeof buffer);
  if (count <= 0) return;  // EAGAIN: the wait comes again.
  const char* const end = buffer + count;
  for (const char* at = buffer; at < end;) {
    inotify_event event;
    std::memcpy(&event, at, sizeof event);
    const char* const name = at + sizeof event;
    OnEvent(event, {name, ::strnlen(name, event.len)});
    at = name + event.len;
  }
  if (everything || !dirty.empty()) Arm();
}

void Watcher::Impl::OnEvent(const inotify_event& event, std::string_view name) {
  ++events;
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    ++overflows;
    MarkEverything();
    return;
  }
  std::string path;
  if (!table.PathOf(event.wd, path)) return;
  if ((event.mask &
       (IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
    OnWatchGone(event, path);
    return;
  }
  if (name.starts_with(".syncline") && !IsIgnoreFileName(name)) {
    // Our own files; but not to be missed when the root's marker goes.
    if (path.empty() && (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
      MarkEverything();
    return;
  }
  if (name.empty()) {  // The directory itself: its mode, say.
    if (path.empty())
      MarkAll(path);
    else
      MarkName(std::string(ParentPath(path)), LastName(path));
    return;
  }
  if ((event.mask & IN_ISDIR) != 0) {
    // A directory that moved away takes its watches along, one that somebody
    // is in is not gone yet: under that name another is to be added anew.
    const std::string child = ChildPath(path, name);
    if ((event.mask & (IN_MOVED_FROM | IN_DELETE)) != 0)
      table.RemoveTree(child);
    else if (!everything)
      fresh.insert(child);
  }
  MarkName(path, name);
}

void Watcher::Impl::OnWatchGone(const inotify_event& event,
                                const std::string& path) {
  if (path.empty()) {
    Degrade(absl::StatusCode::kUnavailable,
            (event.mask & IN_UNMOUNT) != 0 ? "the root was unmounted"
                                           : "the root was moved or removed");
    if ((event.mask & IN_IGNORED) != 0) table.Forget(event.wd);
    MarkEverything();
    return;
  }
  if ((event.mask & IN_UNMOUNT) != 0) MarkEverything();
  // A move is told by the parent's events as well, which know more.
  if ((event.mask & IN_MOVE_SELF) == 0) table.Forget(event.wd);
  MarkName(std::string(ParentPath(path)), LastName(path));
}

void Watcher::Impl::MarkName(const std::string& path, std::string_view name) {
  if (!everything) {
    const auto [at, added] = dirty.try_emplace(path);
    at->second.rules |= IsIgnoreFileName(name);
    std::set<std::string>& names = at->second.names;
    if (added || !names.empty()) {
      names.emplace(name);
      if (names.size() > options.names_max) names.clear();
    }
  }
}

void Watcher::Impl::MarkAll(const std::string& path) {
  if (!everything) dirty[path].names.clear();
}

void Watcher::Impl::MarkEverything() {
  everything = true;
  dirty.clear();
  fresh.clear();
}

void Watcher::Impl::Arm() {
  const auto handler =
      [self = shared_from_this()](const boost::system::error_code& error) {
        if (!error && !self->closed && self->waiting) self->Flush();
      };
  if (!waiting) {
    waiting = true;
    latest.expires_after(std::chrono::milliseconds(options.latest_ms));
    latest.async_wait(handler);
  }
  quiet.expires_after(std::chrono::milliseconds(options.quiet_ms));
  quiet.async_wait(handler);
}

void Watcher::Impl::Flush() {
  waiting = false;
  quiet.cancel();
  latest.cancel();
  Hints hints;
  hints.everything = std::exchange(everything, false);
  for (const auto& [path, what] : dirty) {
    DirtyDir& directory = hints.dirty.emplace_back();
    directory.path = path;
    directory.names.assign(what.names.begin(), what.names.end());
    directory.rules = what.rules;
  }
  dirty.clear();
  hints.fresh.assign(fresh.begin(), fresh.end());
  fresh.clear();
  // A copy: the callback may destroy the watcher.
  const Callback call = callback;
  call(hints);
}

absl::StatusOr<std::unique_ptr<Watcher>> Watcher::Create(
    const asio::any_io_executor& executor, const RootDir& root,
    const Options& options, Callback callback) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "inotify_init1");
  auto impl =
      std::make_shared<Impl>(executor, fd, root, options, std::move(callback));
  impl->Wait();
  return std::unique_ptr<Watcher>(new Watcher(std::move(impl)));
}

Watcher::Watcher(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Watcher::~Watcher() {
  impl_->closed = true;
  impl_->callback = nullptr;
  boost::system::error_code ignored;
  impl_->inotify.close(ignored);
  impl_->quiet.cancel();
  impl_->latest.cancel();
}

absl::Status Watcher::AddDir(std::string_view path) {
  return impl_->AddDir(path);
}

bool Watcher::Watches(std::string_view path) const {
  return impl_->table.Contains(path);
}

void Watcher::RemoveTree(std::string_view path) {
  impl_->table.RemoveTree(path);
}

absl::Status Watcher::health() const {
  const absl::MutexLock lock(&impl_->health_mutex);
  return impl_->health;
}

Watcher::Counts Watcher::counts() const {
  return {.watches = impl_->table.size(),
          .unwatched = impl_->unwatched,
          .overflows = impl_->overflows,
          .events = impl_->events};
}

}  // namespace syncline
