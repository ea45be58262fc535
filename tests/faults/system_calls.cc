#include "tests/faults/system_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string>

namespace syncline::testing {
namespace {

long Raw(long number, auto... arguments) {
  return syscall(number, arguments...);
}

const char* ClassOf(std::string_view path) {
  struct Rule {
    std::string_view part;
    const char* name;
  };
  static constexpr std::array kRules = {
      Rule{"/store/MANIFEST", "manifest"},
      Rule{"/store/CURRENT", "current"},
      Rule{"/store/DURABLE", "mark"},
      Rule{".dbtmp", "dbtmp"},
      Rule{".sst", "table"},
      Rule{".log", "wal"},
      Rule{"/chunks/tmp/", "fresh-chunk"},
      Rule{"/chunks", "chunk"},
      Rule{"/home/store", "store"},
      Rule{"/home", "home"},
      Rule{"/top", "top"},
  };
  if (path.find("/top") == std::string_view::npos) return nullptr;
  if (path.find("/store/LOG") != std::string_view::npos) return nullptr;
  for (const Rule& rule : kRules) {
    if (path.find(rule.part) != std::string_view::npos) return rule.name;
  }
  return nullptr;
}

std::string PathOf(int file) {
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  std::array<char, PATH_MAX> path{};
  const ssize_t size =
      Raw(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size());
  return size < 0 ? std::string()
                  : std::string(path.data(), static_cast<std::size_t>(size));
}

struct Plan {
  std::string place;  // "KIND:CLASS".
  long number = 0;
  std::string how;
  int trace = -1;
};

Plan ReadPlan() {
  Plan plan;
  if (const char* file = std::getenv("SYNCLINE_TRACE")) {
    plan.trace = static_cast<int>(Raw(SYS_openat, AT_FDCWD, file,
                                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                                      S_IRUSR | S_IWUSR));
  }
  const char* const kill = std::getenv("SYNCLINE_KILL");
  if (kill == nullptr) return plan;
  const std::string text = kill;
  const std::size_t how = text.rfind(':');
  const std::size_t number = text.rfind(':', how - 1);
  plan.place = text.substr(0, number);
  plan.number = std::atol(text.c_str() + number + 1);
  plan.how = text.substr(how + 1);
  return plan;
}

const Plan& ThePlan() {
  static const Plan* const kPlan = new Plan(ReadPlan());
  return *kPlan;
}

[[noreturn]] void Die() {
  for (;;) Raw(SYS_kill, Raw(SYS_getpid), SIGKILL);
}

// One call that changes a file.
class Call {
 public:
  Call(const char* kind, std::string path, const char* second = "")
      : kind_(kind), path_(std::move(path)), second_(second) {
    class_ = ClassOf(*second == '\0' ? path_ : second_);
    if (class_ == nullptr) return;
    static std::atomic<long> count = 0;
    const Plan& plan = ThePlan();
    if (plan.place != std::string(kind) + ":" + class_) return;
    dies_ = ++count == plan.number;
    if (dies_ && plan.how == "before") Die();
  }

  [[nodiscard]] bool torn() const { return dies_ && ThePlan().how == "torn"; }

  // Behind the call. Keeps errno.
  void Done() const {
    const int error = errno;
    if (class_ != nullptr && ThePlan().trace >= 0) {
      NoteInTrace(std::string(kind_) + "\t" + class_ + "\t" + path_ + "\t" +
                  second_);
    }
    if (dies_) Die();
    errno = error;
  }

 private:
  const char* kind_;
  const std::string path_;
  const std::string second_;
  const char* class_ = nullptr;
  bool dies_ = false;
};

int Open(const char* path, int flags, unsigned mode) {
  if ((flags & O_CREAT) == 0 || Raw(SYS_access, path, F_OK) == 0) {
    return static_cast<int>(Raw(SYS_openat, AT_FDCWD, path, flags, mode));
  }
  const Call call("create", path);
  const int file =
      static_cast<int>(Raw(SYS_openat, AT_FDCWD, path, flags, mode));
  call.Done();
  return file;
}

ssize_t Write(int file, const void* bytes, std::size_t size, off_t offset) {
  const Call call("write", PathOf(file));
  if (call.torn()) size /= 2;
  const ssize_t written = offset < 0
                              ? Raw(SYS_write, file, bytes, size)
                              : Raw(SYS_pwrite64, file, bytes, size, offset);
  call.Done();
  return written;
}

int OnFile(const char* kind, int file, auto run) {
  const Call call(kind, PathOf(file));
  const int result = static_cast<int>(run());
  call.Done();
  return result;
}

}  // namespace

void NoteInTrace(std::string_view line) {
  if (ThePlan().trace >= 0) {
    WriteUnseen(ThePlan().trace, std::string(line) + "\n");
  }
}

void WriteUnseen(int file, std::string_view bytes) {
  if (Raw(SYS_write, file, bytes.data(), bytes.size()) !=
      static_cast<long>(bytes.size())) {
    std::_Exit(3);
  }
}

}  // namespace syncline::testing

using syncline::testing::Call;
using syncline::testing::OnFile;
using syncline::testing::Raw;

extern "C" {

#define SYNCLINE_OPEN(NAME)                            \
  int NAME(const char* path, int flags, ...) {         \
    va_list list;                                      \
    va_start(list, flags);                             \
    const auto mode = va_arg(list, unsigned);          \
    va_end(list);                                      \
    return syncline::testing::Open(path, flags, mode); \
  }
SYNCLINE_OPEN(open)
SYNCLINE_OPEN(open64)
#undef SYNCLINE_OPEN

ssize_t write(int file, const void* bytes, std::size_t size) {
  return syncline::testing::Write(file, bytes, size, -1);
}
ssize_t pwrite(int file, const void* bytes, std::size_t size, off_t offset) {
  return syncline::testing::Write(file, bytes, size, offset);
}
ssize_t pwrite64(int file, const void* bytes, std::size_t size,
                 off64_t offset) {
  return syncline::testing::Write(file, bytes, size, offset);
}
int fsync(int file) {
  return OnFile("sync", file, [&] { return Raw(SYS_fsync, file); });
}
int fdatasync(int file) {
  return OnFile("sync", file, [&] { return Raw(SYS_fdatasync, file); });
}
int syncfs(int file) noexcept {
  const int result =
      OnFile("sync", file, [&] { return Raw(SYS_syncfs, file); });
  syncline::testing::NoteInTrace("syncfs");
  return result;
}
int ftruncate(int file, off_t size) noexcept {
  return OnFile("truncate", file,
                [&] { return Raw(SYS_ftruncate, file, size); });
}
int ftruncate64(int file, off64_t size) noexcept {
  return OnFile("truncate", file,
                [&] { return Raw(SYS_ftruncate, file, size); });
}
int rename(const char* from, const char* to) noexcept {
  const Call call("rename", from, to);
  const int result = static_cast<int>(Raw(SYS_rename, from, to));
  call.Done();
  return result;
}
int unlink(const char* path) noexcept {
  const Call call("unlink", path);
  const int result = static_cast<int>(Raw(SYS_unlink, path));
  call.Done();
  return result;
}
int mkdir(const char* path, mode_t mode) noexcept {
  const Call call("mkdir", path);
  const int result = static_cast<int>(Raw(SYS_mkdir, path, mode));
  call.Done();
  return result;
}

}  // extern "C"
