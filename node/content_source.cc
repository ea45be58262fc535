#include "node/content_source.h"

#include <utility>

#include "base/status.h"
#include "kv/content_list.h"
#include "node/node_core.h"

namespace syncline {

ContentSource::ContentSource(NodeCore& core)
    : core_(core.weak_from_this()), cursor_(std::make_shared<Cursor>()) {}

std::shared_ptr<ContentSource> ContentSource::Open(NodeCore& core,
                                                   const FileInfo& info,
                                                   std::string payload) {
  std::shared_ptr<ContentSource> source(new ContentSource(core));
  source->opened_ = source->Start(info, payload);
  return source;
}

absl::Status ContentSource::Start(const FileInfo& info,
                                  const std::string& payload) {
  if (info.kind == ItemKind::kSymlink) {
    SYNCLINE_ASSIGN_OR_RETURN(cursor_->target, DecodeSymlinkPayload(payload));
    return absl::OkStatus();
  }
  SYNCLINE_ASSIGN_OR_RETURN(FileContent content, FileContent::Decode(payload));
  cursor_->Push(content.refs, content.level, true);
  return absl::OkStatus();
}

void ContentSource::Cursor::Push(const std::vector<FileContent::Ref>& refs,
                                 int level, bool last) {
  for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
    steps.push_back({*ref, level, last && ref == refs.rbegin()});
  }
}

absl::StatusOr<std::string> ContentSource::Cursor::Next(
    const ChunkStore& chunks) {
  if (!target.empty()) return std::exchange(target, {});
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    absl::StatusOr<std::string> bytes = chunks.Get(step.ref.hash);
    if (absl::IsNotFound(bytes.status())) {
      return absl::UnavailableError("its content is not on this node yet");
    }
    if (!bytes.ok() || step.level == 0) return bytes;
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<FileContent::Ref> refs,
                              DecodeList(*bytes, step.level - 1, step.last));
    Push(refs, step.level - 1, step.last);
  }
  return std::string();
}

void ContentSource::Next(Callback<std::string> done) {
  const std::shared_ptr<NodeCore> core = core_.lock();
  if (!core) return done(NodeClosed());
  if (!opened_.ok()) return done(opened_);
  if (busy_) return done(FailedPrecondition("one piece at a time"));
  busy_ = true;
  core->OnPool<std::string>(
      [cursor = cursor_, &chunks = core->chunks()] {
        return cursor->Next(chunks);
      },
      [self = shared_from_this(), done](absl::StatusOr<std::string> bytes) {
        self->busy_ = false;
        done(std::move(bytes));
      });
}

}  // namespace syncline
