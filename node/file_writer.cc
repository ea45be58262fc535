#include "node/file_writer.h"

#include <utility>

#include "base/status.h"
#include "node/file_ops.h"
#include "node/node_core.h"

namespace syncline {
namespace {

absl::Status Gone() {
  return absl::CancelledError("the node or the project was closed");
}

}  // namespace

FileWriter::FileWriter(NodeCore& core, ProjectNumber project, std::string path,
                       const PutOptions& options)
    : core_(core.weak_from_this()),
      project_(project),
      path_(std::move(path)),
      options_(options),
      writer_(std::make_shared<ContentWriter>(core.chunks())) {}

absl::StatusOr<std::shared_ptr<FileWriter>> FileWriter::Open(
    NodeCore& core, ProjectNumber project, std::string path,
    const PutOptions& options) {
  ProjectRuntime* runtime = core.Find(project);
  if (runtime == nullptr) return Gone();
  SYNCLINE_RETURN_IF_ERROR(CheckPut(*runtime->replica, path, options));
  std::shared_ptr<FileWriter> writer(
      new FileWriter(core, project, std::move(path), options));
  if (writer->options_.mtime_ms == 0) {
    writer->options_.mtime_ms = core.time().NowMs();
  }
  return writer;
}

void FileWriter::Add(std::string bytes, StatusCallback done) {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core) return done(Gone());
  if (busy_) return done(FailedPrecondition("one piece at a time"));
  busy_ = true;
  core->OnPool<bool>(
      [writer = writer_, bytes = std::move(bytes)]() -> absl::StatusOr<bool> {
        SYNCLINE_RETURN_IF_ERROR(writer->Add(bytes));
        return true;
      },
      [self = shared_from_this(), done](absl::StatusOr<bool> added) {
        self->busy_ = false;
        done(added.status());
      });
}

void FileWriter::Finish(Callback<Written> done) {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core) return done(Gone());
  if (busy_) return done(FailedPrecondition("one piece at a time"));
  busy_ = true;  // For good.
  core->OnPool<std::string>(
      [writer = writer_,
       &chunks = core->chunks()]() -> absl::StatusOr<std::string> {
        SYNCLINE_ASSIGN_OR_RETURN(FileContent content, writer->Finish());
        SYNCLINE_RETURN_IF_ERROR(chunks.Sync());
        return content.Encode();
      },
      [self = shared_from_this(), done](absl::StatusOr<std::string> payload) {
        if (!payload.ok()) return done(payload.status());
        self->Commit(*payload, done);
      });
}

void FileWriter::Commit(const std::string& payload, Callback<Written> done) {
  const std::shared_ptr<NodeCore> core = core_.lock();
  ProjectRuntime* runtime = core ? core->Find(project_) : nullptr;
  if (runtime == nullptr) return done(Gone());
  PutPayload(*runtime->replica, path_, payload, options_, std::move(done));
}

}  // namespace syncline
