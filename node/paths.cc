#include "node/paths.h"

#include <filesystem>
#include <system_error>

#include "base/status.h"
#include "replication/mirror/disk_entry.h"

namespace syncline {
namespace {

absl::Status CheckName(std::string_view name) {
  if (name.empty()) return InvalidArgument("a path has no empty names");
  if (name == "." || name == "..") {
    return InvalidArgument("a path has no '.' and no '..'");
  }
  if (IsLegalName(name)) return absl::OkStatus();
  return InvalidArgument(
      "a name has at most 255 bytes and does not start with '.syncline'");
}

}  // namespace

absl::Status CheckPath(std::string_view path, bool root_allowed) {
  if (path.empty()) {
    return root_allowed ? absl::OkStatus()
                        : InvalidArgument("the root cannot be meant here");
  }
  if (path.find('\0') != std::string_view::npos) {
    return InvalidArgument("a path has no NUL");
  }
  if (path.front() == '/') {
    return InvalidArgument("a path in a project does not start with '/'");
  }
  for (std::size_t start = 0; start <= path.size();) {
    std::size_t end = path.find('/', start);
    if (end == std::string_view::npos) end = path.size();
    SYNCLINE_RETURN_IF_ERROR(CheckName(path.substr(start, end - start)));
    start = end + 1;
  }
  return absl::OkStatus();
}

std::string_view DirOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view()
                                         : path.substr(0, slash);
}

std::string_view NameIn(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string PathBelow(std::string_view dir, std::string_view name) {
  if (dir.empty()) return std::string(name);
  std::string path(dir);
  path += '/';
  path += name;
  return path;
}

std::string CanonicalDir(std::string_view dir) {
  std::error_code error;
  const std::filesystem::path absolute =
      std::filesystem::absolute(std::filesystem::path(dir), error);
  std::filesystem::path result =
      std::filesystem::weakly_canonical(absolute, error);
  if (error) result = absolute.lexically_normal();
  std::string text = result.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace syncline
