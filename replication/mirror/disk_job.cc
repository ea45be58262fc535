#include "replication/mirror/disk_job.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/status.h"
#include "kv/file_content.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

absl::Status ReadFileInto(const RootDir& root, ChunkStore& chunks, LocalOp& op,
                          absl::Status& store_error) {
  ContentWriter writer(chunks);
  SYNCLINE_ASSIGN_OR_RETURN(
      const RootDir::FileRead read,
      root.ReadFile(op.step.path, [&](std::string_view bytes) {
        store_error.Update(writer.Add(bytes));
        return store_error;
      }));
  const auto content = writer.Finish();
  if (!content.ok()) {
    store_error = content.status();
    return store_error;
  }
  op.payload = content->Encode();
  op.disk = read.fingerprint;
  if (!read.trusted) op.disk->ctime_ns = 0;  // Look again at every sweep.
  return absl::OkStatus();
}

absl::Status ReadLinkInto(const RootDir& root, LocalOp& op) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::string target,
                            root.ReadLink(op.step.path));
  SYNCLINE_ASSIGN_OR_RETURN(const Fingerprint now, root.Stat(op.step.path));
  if (now != *op.disk) return absl::AbortedError("changed while it was read");
  op.payload = EncodeSymlinkPayload(target);
  return absl::OkStatus();
}

RootDir::FileAttributes AttributesOf(const Attrs& attrs) {
  RootDir::FileAttributes attributes;
  attributes.executable = AttrOf(attrs, "exec") == "1";
  const std::string_view mtime = AttrOf(attrs, "mtime");
  std::int64_t ns = 0;
  const auto [end, error] =
      std::from_chars(mtime.data(), mtime.data() + mtime.size(), ns);
  if (error == std::errc() && !mtime.empty()) attributes.mtime_ns = ns;
  return attributes;
}

class Runner {
 public:
  Runner(RootDir& root, ChunkStore& chunks, const std::vector<DiskOp>& ops,
         const std::atomic<bool>& stop)
      : root_(root), chunks_(chunks), ops_(ops), stop_(stop) {}

  absl::StatusOr<std::vector<DiskResult>> Run(
      const std::function<absl::Status()>& ready) {
    results_.resize(ops_.size());
    staged_.resize(ops_.size());
    bool any = false;
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      if (stop_) return absl::CancelledError("stopped");
      if (!HasContent(ops_[i])) continue;
      results_[i].status = Stage(ops_[i], staged_[i], results_[i].missing);
      any = any || staged_[i].has_value();
      if (absl::IsUnavailable(results_[i].status)) return results_[i].status;
    }
    if (any) SYNCLINE_RETURN_IF_ERROR(root_.SyncAll());
    SYNCLINE_RETURN_IF_ERROR(ready());
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      if (stop_) return absl::CancelledError("stopped");
      DiskResult& result = results_[i];
      if (result.status.ok() && Relies(ops_[i])) {
        result.status = absl::AbortedError("waits for another path");
      }
      if (result.status.ok()) result.status = Do(i);
      if (absl::IsUnavailable(result.status)) return result.status;
      if (!result.status.ok()) undone_.push_back(&ops_[i]);
    }
    SYNCLINE_RETURN_IF_ERROR(root_.SyncAll());
    return std::move(results_);
  }

 private:
  static bool HasContent(const DiskOp& op) {
    return (op.type == DiskOp::Type::kInstall ||
            op.type == DiskOp::Type::kRetype) &&
           op.next.kind != ItemKind::kDirectory;
  }

  // `op` was planned for a disk on which an op that has failed had worked.
  bool Relies(const DiskOp& op) const {
    return std::any_of(
        undone_.begin(), undone_.end(), [&](const DiskOp* undone) {
          return IsAtOrBelow(op.path, undone->path) ||
                 (!undone->from.empty() &&
                  IsAtOrBelow(op.path, undone->from)) ||
                 (!op.from.empty() && IsAtOrBelow(op.from, undone->path));
        });
  }

  absl::Status Stage(const DiskOp& op, std::optional<RootDir::Staged>& staged,
                     std::optional<Hash>& missing) {
    if (op.next.kind == ItemKind::kSymlink) {
      SYNCLINE_ASSIGN_OR_RETURN(const std::string target,
                                DecodeSymlinkPayload(op.next.payload));
      SYNCLINE_ASSIGN_OR_RETURN(staged,
                                root_.StageSymlink(target, std::nullopt));
      return absl::OkStatus();
    }
    SYNCLINE_ASSIGN_OR_RETURN(const FileContent content,
                              FileContent::Decode(op.next.payload));
    SYNCLINE_ASSIGN_OR_RETURN(const auto lacking,
                              MissingChunks(chunks_, content));
    if (!lacking.empty()) {
      missing = lacking.front().hash;
      return NotFound("content is not here yet");
    }
    auto file =
        root_.StageFile(AttributesOf(op.next.attrs), [&](const ByteSink& sink) {
          return ReadContent(chunks_, content, sink);
        });
    if (absl::IsDataLoss(file.status())) {
      SYNCLINE_ASSIGN_OR_RETURN(const auto damaged,
                                DiscardDamaged(chunks_, content));
      if (!damaged.empty()) missing = damaged.front().hash;
    }
    SYNCLINE_RETURN_IF_ERROR(file.status());
    staged = *std::move(file);
    return absl::OkStatus();
  }

  // What Base expects at `path`, or what an op of this job has put there.
  Fingerprint Expected(const std::string& path, const Fingerprint& base) const {
    const auto moved = now_.find(path);
    return moved == now_.end() ? base : moved->second;
  }

  absl::Status Do(std::size_t i) {
    const DiskOp& op = ops_[i];
    DiskResult& result = results_[i];
    switch (op.type) {
      case DiskOp::Type::kAccept:
        result.fingerprint = Expected(op.path, op.next.fingerprint);
        return absl::OkStatus();
      case DiskOp::Type::kMkdir:
        return Mkdir(op, result);
      case DiskOp::Type::kInstall:
        return Install(i);
      case DiskOp::Type::kAttributes: {
        SYNCLINE_ASSIGN_OR_RETURN(
            result.fingerprint,
            root_.SetAttributes(op.path, Expected(op.path, *op.expected),
                                AttributesOf(op.next.attrs)));
        return absl::OkStatus();
      }
      case DiskOp::Type::kRename:
        return Rename(op, result);
      case DiskOp::Type::kExchange:
        return Exchange(op, result);
      case DiskOp::Type::kRemove:
        return Remove(op, result);
      case DiskOp::Type::kRetype:
        SYNCLINE_RETURN_IF_ERROR(Remove(op, result));
        if (op.next.kind == ItemKind::kDirectory) return Mkdir(op, result);
        return Install(i);
    }
    return absl::OkStatus();
  }

  absl::Status Mkdir(const DiskOp& op, DiskResult& result) {
    SYNCLINE_ASSIGN_OR_RETURN(result.fingerprint, root_.MakeDir(op.path));
    return absl::OkStatus();
  }

  absl::Status Install(std::size_t i) {
    const DiskOp& op = ops_[i];
    std::optional<Fingerprint> expected;
    if (op.type == DiskOp::Type::kInstall && op.expected) {
      expected = Expected(op.path, *op.expected);
    }
    auto installed = root_.Install(*std::move(staged_[i]), op.path, expected);
    if (!installed.ok()) return installed.status();
    results_[i].fingerprint = *installed;
    return absl::OkStatus();
  }

  // What is gone already has been removed.
  absl::Status Remove(const DiskOp& op, DiskResult& result) {
    const Fingerprint expected = Expected(op.path, *op.expected);
    const bool directory = expected.kind == DiskKind::kDirectory;
    absl::Status status =
        directory ? root_.RemoveDir(op.path) : root_.Remove(op.path, expected);
    if (absl::IsNotFound(status)) return absl::OkStatus();
    if (!directory || !absl::IsFailedPrecondition(status)) return status;
    // Whatever comes first: people look for themselves then.
    root_
        .ListDir(op.path,
                 [&](std::string_view name, const Fingerprint& print) {
                   result.holds.emplace(name,
                                        print.kind == DiskKind::kDirectory);
                   return absl::CancelledError("one is enough");
                 })
        .IgnoreError();
    return status;
  }

  absl::Status Rename(const DiskOp& op, DiskResult& result) {
    SYNCLINE_ASSIGN_OR_RETURN(
        result.fingerprint,
        root_.Rename(op.from, op.path, Expected(op.from, *op.expected)));
    std::map<std::string, Fingerprint> now;
    for (auto& [path, print] : now_) {
      now[IsAtOrBelow(path, op.from) ? Rebase(path, op.from, op.path) : path] =
          print;
    }
    now_ = std::move(now);
    now_[op.path] = result.fingerprint;
    return absl::OkStatus();
  }

  absl::Status Exchange(const DiskOp& op, DiskResult& result) {
    const Fingerprint from = Expected(op.from, *op.expected);
    const Fingerprint path = Expected(op.path, *op.expected_other);
    SYNCLINE_RETURN_IF_ERROR(root_.Exchange(op.from, from, op.path, path));
    const auto after = [&](const std::string& at, Fingerprint moved) {
      const auto stat = root_.Stat(at);
      if (stat.ok() && stat->SameButCtime(moved)) return *stat;
      moved.ctime_ns = 0;  // Somebody was there: the next scan looks.
      return moved;
    };
    result.fingerprint = after(op.path, from);
    result.other = after(op.from, path);
    now_[op.path] = result.fingerprint;
    now_[op.from] = result.other;
    return absl::OkStatus();
  }

  RootDir& root_;
  ChunkStore& chunks_;
  const std::vector<DiskOp>& ops_;
  const std::atomic<bool>& stop_;
  std::vector<DiskResult> results_;
  std::vector<std::optional<RootDir::Staged>> staged_;
  std::vector<const DiskOp*> undone_;
  std::map<std::string, Fingerprint> now_;  // Moved by this job.
};

}  // namespace

absl::StatusOr<std::size_t> ReadLocal(const RootDir& root, ChunkStore& chunks,
                                      std::vector<LocalOp>& ops,
                                      std::size_t begin,
                                      const ReadLimits& limits,
                                      const std::atomic<bool>& stop) {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  std::size_t at = begin;
  bool stored = false;
  for (; at < ops.size() && files < limits.files && bytes < limits.bytes;
       ++at) {
    if (stop) return absl::CancelledError("stopped");
    ++files;
    LocalOp& op = ops[at];
    if (!op.read) continue;
    absl::Status store_error;
    if (op.step.kind == ItemKind::kSymlink) {
      op.problem = ReadLinkInto(root, op);
    } else {
      op.problem = ReadFileInto(root, chunks, op, store_error);
      stored = true;
      bytes += op.disk->size;
    }
    SYNCLINE_RETURN_IF_ERROR(store_error);
    if (absl::IsUnavailable(op.problem)) return op.problem;
  }
  if (stored) SYNCLINE_RETURN_IF_ERROR(chunks.Sync());
  return at;
}

absl::StatusOr<std::vector<DiskResult>> RunDiskOps(
    RootDir& root, ChunkStore& chunks, const std::vector<DiskOp>& ops,
    const std::function<absl::Status()>& ready, const std::atomic<bool>& stop) {
  return Runner(root, chunks, ops, stop).Run(ready);
}

}  // namespace syncline
