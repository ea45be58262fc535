#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/status.h"
#include "replication/mirror/root_impl.h"

namespace syncline {
namespace internal {

std::string MarkerText(std::string_view mirror_id) {
  return "syncline mirror 1\n" + std::string(mirror_id) + "\n";
}

namespace {

absl::Status OpenRoot(const std::string& path, UniqueFd& out) {
  out = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return out.valid() ? absl::OkStatus() : PathError(errno, "open", path);
}

// Whether the marker there is that of `mirror_id`.
absl::StatusOr<bool> IsMarkedFor(int root, std::string_view mirror_id) {
  UniqueFd file;
  // Whatever it is, a pipe say: nobody is waited for.
  if (const int error =
          OpenBeneath(root, kMarkerName, O_RDONLY | O_NONBLOCK, file))
    return PathError(error, "open", kMarkerName);
  char text[1024];
  const ssize_t count = ::read(file.get(), text, sizeof text);
  if (count < 0) return PathError(errno, "read", kMarkerName);
  return std::string_view(text, static_cast<std::size_t>(count)) ==
         MarkerText(mirror_id);
}

// Writes the marker beside its place, so that it is there whole or not.
int WriteMarker(int root, const std::string& name, std::string_view mirror_id) {
  UniqueFd file;
  if (const int error =
          OpenBeneath(root, name, O_WRONLY | O_CREAT | O_TRUNC, file, 0644))
    return error;
  if (const int error = WriteAll(file.get(), MarkerText(mirror_id), 0))
    return error;
  if (::fsync(file.get()) != 0) return errno;
  return RenameFree(root, name, root, std::string(kMarkerName), false, false);
}

}  // namespace
}  // namespace internal

absl::Status RootDir::Attach(const std::string& path,
                             std::string_view mirror_id) {
  if (mirror_id.empty() || mirror_id.size() > 200 ||
      mirror_id.find('\n') != std::string_view::npos)
    return InvalidArgument("not a legal mirror id");
  UniqueFd root;
  SYNCLINE_RETURN_IF_ERROR(internal::OpenRoot(path, root));
  const std::string name = std::string(internal::kMarkerName) + "-new";
  const int error = internal::WriteMarker(root.get(), name, mirror_id);
  if (error != 0) ::unlinkat(root.get(), name.c_str(), 0);
  if (error == EEXIST) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool same,
                              internal::IsMarkedFor(root.get(), mirror_id));
    if (same) return absl::OkStatus();
    return MakeStatus(absl::StatusCode::kAlreadyExists,
                      path + " is the root of another mirror");
  }
  if (error != 0) return internal::PathError(error, "mark", path);
  if (::fsync(root.get()) != 0)
    return internal::PathError(errno, "fsync", path);
  return absl::OkStatus();
}

absl::Status RootDir::Detach(const std::string& path,
                             std::string_view mirror_id) {
  UniqueFd root;
  SYNCLINE_RETURN_IF_ERROR(internal::OpenRoot(path, root));
  const auto same = internal::IsMarkedFor(root.get(), mirror_id);
  if (absl::IsNotFound(same.status())) return absl::OkStatus();
  if (!same.ok()) return same.status();
  if (!*same)
    return FailedPrecondition(path + " is the root of another mirror");
  const std::string name(internal::kPrivateName);
  if (::unlinkat(root.get(), name.c_str(), AT_REMOVEDIR) != 0 &&
      errno != ENOENT)
    return internal::PathError(errno, "rmdir", name);
  const std::string marker(internal::kMarkerName);
  if (::unlinkat(root.get(), marker.c_str(), 0) != 0)
    return internal::PathError(errno, "unlink", marker);
  return absl::OkStatus();
}

}  // namespace syncline
