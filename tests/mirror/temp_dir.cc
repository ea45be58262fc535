#include "tests/mirror/temp_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/check.h"

namespace syncline::testing {
namespace fs = std::filesystem;

TempDir::TempDir(const std::string& parent) {
  const char* variable = std::getenv("TMPDIR");
  path_ = !parent.empty() ? parent : variable ? variable : "/tmp";
  path_ += "/syncline-test-XXXXXX";
  SYNCLINE_CHECK(::mkdtemp(path_.data()) != nullptr, "no temporary directory");
}

TempDir::~TempDir() { RemoveAll(path_); }

std::string TempDir::operator/(std::string_view relative) const {
  return path_ + "/" + std::string(relative);
}

std::string MemoryDir() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "";
}

void MakeDirs(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  SYNCLINE_CHECK(!error, "create_directories");
}

void PutFile(const std::string& path, std::string_view content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  SYNCLINE_CHECK(fd >= 0, "open for writing");
  SYNCLINE_CHECK(::write(fd, content.data(), content.size()) ==
                     static_cast<ssize_t>(content.size()),
                 "write");
  ::close(fd);
}

void RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

std::string GetFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "(none)";
  return {std::istreambuf_iterator<char>(file), {}};
}

bool Exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

void SetMtime(const std::string& path, long long mtime_ns) {
  constexpr long long kSecond = 1'000'000'000;
  const long long part = (mtime_ns % kSecond + kSecond) % kSecond;
  const timespec time{.tv_sec = (mtime_ns - part) / kSecond, .tv_nsec = part};
  const timespec times[2] = {time, time};
  SYNCLINE_CHECK(
      ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0,
      "utimensat");
}

long long MtimeOf(const std::string& path) {
  struct stat info;
  SYNCLINE_CHECK(::lstat(path.c_str(), &info) == 0, "lstat");
  return info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
}

int WaitFor(int pid) {
  SYNCLINE_CHECK(pid > 0, "fork");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    SYNCLINE_CHECK(errno == EINTR, "waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace syncline::testing
