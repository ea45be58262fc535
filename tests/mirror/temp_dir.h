#pragma once

#include <string>
#include <string_view>

namespace syncline::testing {

// A fresh directory, removed with all that is in it at the end.
class TempDir {
 public:
  // Under $TMPDIR, else /tmp; or under `parent`.
  explicit TempDir(const std::string& parent = "");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // The absolute path of something in it.
  [[nodiscard]] std::string operator/(std::string_view relative) const;

 private:
  std::string path_;
};

// A directory in memory, where file systems behave differently; "" if the
// machine has none.
std::string MemoryDir();

// These abort the test when the file system does not do as it is told.
void MakeDirs(const std::string& path);
void PutFile(const std::string& path, std::string_view content);
void RemoveAll(const std::string& path);
// The content, or "(none)".
std::string GetFile(const std::string& path);
bool Exists(const std::string& path);

// Moves atime and mtime, in nanoseconds since 1970.
void SetMtime(const std::string& path, long long mtime_ns);
long long MtimeOf(const std::string& path);

// Runs `body` in a forked child and returns its exit code, or minus the
// signal that ended it.
template <typename Body>
int InChild(const Body& body);
int WaitFor(int pid);

}  // namespace syncline::testing

#include <unistd.h>

namespace syncline::testing {

template <typename Body>
int InChild(const Body& body) {
  const int pid = ::fork();
  if (pid == 0) ::_exit(body());
  return WaitFor(pid);
}

}  // namespace syncline::testing
