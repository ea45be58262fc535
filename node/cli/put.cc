#include "node/cli/put.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/status.h"

namespace syncline::cli {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;

// Fills `buffer` as far as there are bytes; 0 at the end.
absl::StatusOr<std::size_t> ReadSome(int fd, std::string& buffer,
                                     const std::string& name) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const ssize_t got =
        read(fd, buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read " + name);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

absl::Status SendAll(Session& session, control::ByteSink::Client& sink, int fd,
                     const std::string& name) {
  std::string buffer(kPieceBytes, '\0');
  while (true) {
    SYNCLINE_ASSIGN_OR_RETURN(std::size_t bytes, ReadSome(fd, buffer, name));
    if (bytes == 0) return absl::OkStatus();
    SYNCLINE_RETURN_IF_ERROR(
        session
            .CallOn(sink,
                    [&](auto& target) {
                      auto request = target.addRequest();
                      request.setBytes(capnp::Data::Reader(
                          reinterpret_cast<const kj::byte*>(buffer.data()),
                          bytes));
                      return request.send();
                    })
            .status());
  }
}

std::int64_t MsOf(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1000 +
         time.tv_nsec / 1'000'000;
}

}  // namespace

absl::StatusOr<PutResult> PutFrom(Session& session, const PutTarget& target,
                                  int fd, const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(auto opened, session.Call([&](auto& client) {
    auto request = client.putRequest();
    request.setProject(ToKj(target.project));
    request.setPath(ToKj(target.path));
    request.setIfMatch(ToKj(target.if_match));
    request.setParents(target.parents);
    request.setResolve(target.resolve);
    request.setExec(target.exec);
    request.setMtimeMs(target.mtime_ms);
    return request.send();
  }));
  std::optional<control::ByteSink::Client> sink;
  session.loop().Enter(
      [&] { sink = opened->getResult().getValue().getSink(); });
  InLoop<control::ByteSink::Client> held(session.loop(), kj::mv(*sink));
  session.loop().Enter([&] { sink.reset(); });
  SYNCLINE_RETURN_IF_ERROR(SendAll(session, *held, fd, name));
  SYNCLINE_ASSIGN_OR_RETURN(auto finished,
                            session.CallOn(*held, [](auto& sink_client) {
                              return sink_client.finishRequest().send();
                            }));
  const auto written = finished->getResult().getValue();
  return PutResult{written.getSeq(), FromKj(written.getVersion())};
}

absl::StatusOr<PutResult> PutFile(Session& session, PutTarget target,
                                  const std::string& file, bool attributes) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + file);
  struct stat info {};
  absl::Status status;
  if (fstat(fd, &info) != 0) status = ErrnoStatus(errno, "stat " + file);
  if (status.ok() && S_ISDIR(info.st_mode)) {
    status = FailedPrecondition(file + " is a directory (use -r)");
  }
  if (!status.ok()) {
    close(fd);
    return status;
  }
  if (attributes) {
    target.exec =
        (info.st_mode & S_IXUSR) != 0 ? control::Bit::SET : control::Bit::CLEAR;
    target.mtime_ms = MsOf(info.st_mtim);
  }
  absl::StatusOr<PutResult> result = PutFrom(session, target, fd, file);
  close(fd);
  return result;
}

}  // namespace syncline::cli
