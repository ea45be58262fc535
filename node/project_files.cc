#include "node/project_files.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status.h"
#include "node/content_source.h"
#include "node/file_ops.h"
#include "node/file_writer.h"
#include "node/node_calls.h"

namespace syncline {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;

// Reads a whole file, piece by piece.
class WholeRead : public std::enable_shared_from_this<WholeRead> {
 public:
  WholeRead(std::shared_ptr<ContentSource> source, Callback<std::string> done)
      : source_(std::move(source)), done_(std::move(done)) {}

  void Step() {
    source_->Next(
        [self = shared_from_this()](const absl::StatusOr<std::string>& piece) {
          if (!piece.ok()) return self->done_(piece.status());
          if (piece->empty()) return self->done_(std::move(self->bytes_));
          self->bytes_ += *piece;
          self->Step();
        });
  }

 private:
  std::shared_ptr<ContentSource> source_;
  std::string bytes_;
  Callback<std::string> done_;
};

// Writes a whole file, piece by piece.
class WholeWrite : public std::enable_shared_from_this<WholeWrite> {
 public:
  WholeWrite(std::shared_ptr<FileWriter> writer, std::string bytes,
             Callback<Written> done)
      : writer_(std::move(writer)),
        bytes_(std::move(bytes)),
        done_(std::move(done)) {}

  void Step() {
    if (sent_ == bytes_.size()) return writer_->Finish(done_);
    const std::string piece = bytes_.substr(sent_, kPieceBytes);
    sent_ += piece.size();
    writer_->Add(piece, [self = shared_from_this()](const absl::Status& added) {
      if (!added.ok()) return self->done_(added);
      self->Step();
    });
  }

 private:
  std::shared_ptr<FileWriter> writer_;
  std::string bytes_;
  std::size_t sent_ = 0;
  Callback<Written> done_;
};

}  // namespace

Starter<absl::StatusOr<FileInfo>> Project::Files::StatOf(
    std::string path) const {
  return OnProject<FileInfo>(
      core_, name_,
      [path = std::move(path)](NodeCore&, ProjectRuntime& project,
                               const Callback<FileInfo>& done) {
        done(StatPath(*project.replica, path));
      });
}

Starter<absl::StatusOr<FileList>> Project::Files::ListOf(
    std::string path, std::string after) const {
  return OnProject<FileList>(
      core_, name_,
      [path = std::move(path), after = std::move(after)](
          NodeCore&, ProjectRuntime& project, const Callback<FileList>& done) {
        done(ListPath(*project.replica, path, after, 0));
      });
}

Starter<absl::StatusOr<std::string>> Project::Files::ReadOf(
    std::string path, std::uint64_t bytes_max) const {
  return OnProject<std::string>(
      core_, name_,
      [path = std::move(path), bytes_max](NodeCore& core,
                                          ProjectRuntime& project,
                                          const Callback<std::string>& done) {
        const auto at = PayloadAt(*project.replica, path, std::nullopt);
        if (!at.ok()) return done(at.status());
        if (at->first.size > bytes_max) {
          return done(absl::ResourceExhaustedError("larger than asked for"));
        }
        std::make_shared<WholeRead>(
            ContentSource::Open(core, at->first, at->second), done)
            ->Step();
      });
}

Starter<absl::StatusOr<Written>> Project::Files::PutOf(
    std::string path, std::string bytes, PutOptions options) const {
  return OnProject<Written>(
      core_, name_,
      [path = std::move(path), bytes = std::move(bytes), options](
          NodeCore& core, ProjectRuntime& project,
          const Callback<Written>& done) {
        const absl::StatusOr<std::shared_ptr<FileWriter>> writer =
            FileWriter::Open(core, project.number, path, options);
        if (!writer.ok()) return done(writer.status());
        std::make_shared<WholeWrite>(*writer, bytes, done)->Step();
      });
}

Starter<absl::StatusOr<Written>> Project::Files::RemoveOf(
    std::string path, bool recursive) const {
  return OnProject<Written>(
      core_, name_,
      [path = std::move(path), recursive](NodeCore&, ProjectRuntime& project,
                                          const Callback<Written>& done) {
        RemovePath(*project.replica, path, recursive, {}, done);
      });
}

Starter<absl::StatusOr<Written>> Project::Files::MoveOf(std::string from,
                                                        std::string to) const {
  return OnProject<Written>(
      core_, name_,
      [from = std::move(from), to = std::move(to)](
          NodeCore&, ProjectRuntime& project, const Callback<Written>& done) {
        MovePath(*project.replica, from, to, done);
      });
}

Starter<absl::StatusOr<Written>> Project::Files::MakeDirectoryOf(
    std::string path, bool parents) const {
  return OnProject<Written>(
      core_, name_,
      [path = std::move(path), parents](NodeCore&, ProjectRuntime& project,
                                        const Callback<Written>& done) {
        syncline::MakeDirectory(*project.replica, path, parents, done);
      });
}

}  // namespace syncline
