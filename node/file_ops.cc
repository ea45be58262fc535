#include "node/file_ops.h"

#include <memory>
#include <utility>

#include "base/status.h"
#include "kv/file_content.h"
#include "node/file_info.h"
#include "node/paths.h"
#include "replication/state/edits.h"

namespace syncline {
namespace {

constexpr std::size_t kEffectsMax = 1024;  // Of one entry.
constexpr char kCause[] = "user";

absl::Status NothingAt(std::string_view path) {
  return NotFound("nothing is at '" + std::string(path) + "'");
}

absl::StatusOr<Row> RowAt(const Replica& replica, const std::string& path) {
  SYNCLINE_RETURN_IF_ERROR(CheckPath(path, true));
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row,
                            replica.state().Lookup(path));
  if (!row) return NothingAt(path);
  return *std::move(row);
}

absl::Status CheckFileMatch(const IfMatch& condition, const std::string& path,
                            const std::optional<Row>& row) {
  if (condition.kind == IfMatch::Kind::kAny) return absl::OkStatus();
  if (condition.kind == IfMatch::Kind::kAbsent) {
    if (!row) return absl::OkStatus();
    return FailedPrecondition("'" + path + "' is there already");
  }
  if (row && !row->IsDirectory() &&
      row->shown_sibling().head.order.dot() == condition.version) {
    return absl::OkStatus();
  }
  return FailedPrecondition("'" + path + "' has another version by now");
}

// Whether a state is being installed: `op` then comes when it is.
template <typename Op>
bool Queued(Replica& replica, Op op) {
  if (!replica.installing()) return false;
  replica.WhenReady(std::move(op));
  return true;
}

// Commits one entry; `done` may be null.
absl::Status CommitOne(Replica& replica, std::vector<Effect> effects,
                       Callback<Written> done) {
  auto written = std::make_shared<Written>();
  absl::StatusOr<Replica::Committed> committed =
      replica.Commit(std::move(effects), kCause, Durability::kDurable,
                     [written, done = std::move(done)](absl::Status status) {
                       if (!done) return;
                       if (!status.ok()) return done(status);
                       done(*written);
                     });
  SYNCLINE_RETURN_IF_ERROR(committed.status());
  written->seq = committed->seq;
  written->version = committed->dot;
  return absl::OkStatus();
}

// Makes the missing directories above `path`, one entry each.
absl::Status MakeParents(Replica& replica, const std::string& path) {
  const std::string parent(DirOf(path));
  if (parent.empty()) return absl::OkStatus();
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row,
                            replica.state().Lookup(parent));
  if (row && row->IsDirectory()) return absl::OkStatus();
  if (row) return FailedPrecondition("'" + parent + "' is no directory");
  SYNCLINE_RETURN_IF_ERROR(MakeParents(replica, parent));
  SYNCLINE_ASSIGN_OR_RETURN(
      std::vector<Effect> effects,
      CreateEffects(replica.state(), parent, ItemKind::kDirectory, {}, {}, 0));
  return CommitOne(replica, std::move(effects), nullptr);
}

void SetAttr(Attrs& attrs, std::string_view key, std::string value) {
  attrs.emplace_back(std::string(key), std::move(value));
}

// Attributes of a put, sorted by key.
Attrs AttrsOf(const PutOptions& options, bool creates) {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  Attrs attrs;
  if (options.exec && (*options.exec || !creates)) {
    SetAttr(attrs, kExecAttr, *options.exec ? "1" : "");
  }
  if (options.mtime_ms != 0) {
    SetAttr(attrs, kMtimeAttr, std::to_string(options.mtime_ms * kNsPerMs));
  }
  return attrs;
}

bool SameAsShown(const Row& row, const std::string& payload, ItemKind kind,
                 const PutOptions& options) {
  return row.kind == kind && !row.conflict() &&
         row.shown_sibling().payload() == payload &&
         (!options.exec || *options.exec == InfoOfRow("-", row).exec);
}

absl::StatusOr<std::vector<Effect>> EffectsOfPut(const CausalState& state,
                                                 const std::string& path,
                                                 ItemKind kind,
                                                 const std::string& payload,
                                                 const PutOptions& options) {
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row, state.Lookup(path));
  SYNCLINE_RETURN_IF_ERROR(CheckFileMatch(options.if_match, path, row));
  if (!row) {
    return CreateEffects(state, path, kind, payload, AttrsOf(options, true), 0);
  }
  if (row->IsDirectory()) {
    return FailedPrecondition("'" + path + "' is a directory");
  }
  if (options.resolve) return ChooseEffects(state, path, payload);
  if (SameAsShown(*row, payload, kind, options)) return std::vector<Effect>();
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Token> token,
                            state.Read(path, false));
  if (!token) return NothingAt(path);
  if (row->kind != kind) {
    return RetypeEffects(state, *token, path, kind, payload,
                         AttrsOf(options, true));
  }
  return EditEffects(state, *token, payload, AttrsOf(options, false));
}

absl::Status PutKind(Replica& replica, const std::string& path, ItemKind kind,
                     const std::string& payload, const PutOptions& options,
                     Callback<Written>& done) {
  SYNCLINE_RETURN_IF_ERROR(CheckPut(replica, path, options));
  if (options.parents) SYNCLINE_RETURN_IF_ERROR(MakeParents(replica, path));
  SYNCLINE_ASSIGN_OR_RETURN(
      std::vector<Effect> effects,
      EffectsOfPut(replica.state(), path, kind, payload, options));
  if (effects.empty()) {
    done(Written());
    return absl::OkStatus();
  }
  return CommitOne(replica, std::move(effects), done);
}

absl::StatusOr<std::vector<std::vector<Effect>>> EntriesOfRemove(
    Replica& replica, const std::string& path, bool recursive,
    const IfMatch& if_match) {
  SYNCLINE_RETURN_IF_ERROR(CheckPath(path, false));
  SYNCLINE_ASSIGN_OR_RETURN(Row row, RowAt(replica, path));
  SYNCLINE_RETURN_IF_ERROR(CheckFileMatch(if_match, path, row));
  const CausalState& state = replica.state();
  if (!row.IsDirectory()) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Token> token,
                              state.Read(path, false));
    if (!token) return NothingAt(path);
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> effects,
                              RemoveEffects(state, *token));
    return std::vector<std::vector<Effect>>{std::move(effects)};
  }
  if (!recursive) {
    return FailedPrecondition("'" + path +
                              "' is a directory (use -r to remove it)");
  }
  return RemoveTreeEffects(state, path, kEffectsMax);
}

absl::StatusOr<std::vector<Effect>> EffectsOfMove(Replica& replica,
                                                  const std::string& from,
                                                  std::string to) {
  SYNCLINE_RETURN_IF_ERROR(CheckPath(from, false));
  SYNCLINE_RETURN_IF_ERROR(CheckPath(to, true));
  const CausalState& state = replica.state();
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Token> seen, state.Read(from, false));
  if (!seen) return NothingAt(from);
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> target, state.Lookup(to));
  if (target && target->IsDirectory() && to != from) {
    to = PathBelow(to, NameIn(from));
    SYNCLINE_ASSIGN_OR_RETURN(target, state.Lookup(to));
    if (target && target->IsDirectory()) {
      return FailedPrecondition("the directory '" + to + "' is in the way");
    }
  }
  if (to == from) return std::vector<Effect>();
  std::optional<Token> replaced;
  if (target) {
    SYNCLINE_ASSIGN_OR_RETURN(replaced, state.Read(to, false));
  }
  return RenameEffects(state, *seen, to, replaced);
}

void Finish(Replica& replica, absl::StatusOr<std::vector<Effect>> effects,
            Callback<Written> done) {
  if (!effects.ok()) return done(effects.status());
  std::vector<std::vector<Effect>> entries;
  if (!effects->empty()) entries.push_back(*std::move(effects));
  CommitAll(replica, std::move(entries), std::move(done));
}

}  // namespace

absl::StatusOr<IfMatch> IfMatch::FromText(std::string_view text) {
  if (text.empty()) return IfMatch();
  if (text == "none") return IfMatch{Kind::kAbsent, {}};
  const std::optional<Dot> dot = Dot::FromText(text);
  if (!dot) {
    return InvalidArgument("'" + std::string(text) + "' is no version");
  }
  return IfMatch{Kind::kVersion, *dot};
}

absl::StatusOr<FileInfo> StatPath(Replica& replica, const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(Row row, RowAt(replica, path));
  FileInfo info = InfoOfRow(path, row);
  if (info.kind == ItemKind::kFile && replica.wants().size() > 0) {
    SYNCLINE_ASSIGN_OR_RETURN(
        FileContent content,
        FileContent::Decode(row.shown_sibling().payload()));
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<FileContent::Ref> missing,
                              MissingChunks(replica.chunks(), content));
    info.present = missing.empty();
  }
  return info;
}

absl::StatusOr<FileList> ListPath(Replica& replica, const std::string& path,
                                  const std::string& after, std::size_t limit) {
  SYNCLINE_ASSIGN_OR_RETURN(Row row, RowAt(replica, path));
  if (limit == 0 || limit > kListMax) limit = kListMax;
  SYNCLINE_ASSIGN_OR_RETURN(auto children,
                            replica.state().List(path, after, limit));
  FileList list;
  list.more = children.size() == limit;
  for (const auto& [name, child] : children) {
    list.entries.push_back(InfoOfRow(PathBelow(path, name), child));
  }
  return list;
}

absl::StatusOr<std::pair<FileInfo, std::string>> PayloadAt(
    Replica& replica, const std::string& path,
    const std::optional<Dot>& version) {
  SYNCLINE_ASSIGN_OR_RETURN(Row row, RowAt(replica, path));
  if (row.IsDirectory()) {
    return FailedPrecondition("'" + path + "' is a directory");
  }
  FileInfo info = InfoOfRow(path, row);
  if (!version || *version == info.version) {
    return std::pair(info, row.shown_sibling().payload());
  }
  for (const Sibling& sibling : row.siblings) {
    if (sibling.head.order.dot() != *version) continue;
    info.version = version;
    info.kind = sibling.reg.item.kind;
    DescribePayload(sibling.payload(), info.kind, info.size, info.hash);
    return std::pair(info, sibling.payload());
  }
  return NotFound("'" + path + "' has no version " + version->ToText());
}

absl::Status CheckPut(Replica& replica, const std::string& path,
                      const PutOptions& options) {
  SYNCLINE_RETURN_IF_ERROR(CheckPath(path, false));
  const CausalState& state = replica.state();
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row, state.Lookup(path));
  SYNCLINE_RETURN_IF_ERROR(CheckFileMatch(options.if_match, path, row));
  if (row && row->IsDirectory()) {
    return FailedPrecondition("'" + path + "' is a directory");
  }
  if (options.resolve && (!row || !row->conflict())) {
    return NotFound("no open conflict is at '" + path + "'");
  }
  if (row || options.parents) return absl::OkStatus();
  const std::string parent(DirOf(path));
  SYNCLINE_ASSIGN_OR_RETURN(row, state.Lookup(parent));
  if (!row) return NotFound("no directory '" + parent + "'");
  if (row->IsDirectory()) return absl::OkStatus();
  return FailedPrecondition("'" + parent + "' is no directory");
}

void PutPayload(Replica& replica, const std::string& path,
                const std::string& payload, const PutOptions& options,
                Callback<Written> done) {
  if (Queued(replica, [&replica, path, payload, options, done] {
        PutPayload(replica, path, payload, options, done);
      })) {
    return;
  }
  const absl::Status status =
      PutKind(replica, path, ItemKind::kFile, payload, options, done);
  if (!status.ok()) done(status);
}

void PutSymlink(Replica& replica, const std::string& path,
                const std::string& target, bool parents,
                Callback<Written> done) {
  if (Queued(replica, [&replica, path, target, parents, done] {
        PutSymlink(replica, path, target, parents, done);
      })) {
    return;
  }
  PutOptions options;
  options.parents = parents;
  const absl::Status status =
      PutKind(replica, path, ItemKind::kSymlink, EncodeSymlinkPayload(target),
              options, done);
  if (!status.ok()) done(status);
}

void MakeDirectory(Replica& replica, const std::string& path, bool parents,
                   Callback<Written> done) {
  if (Queued(replica, [&replica, path, parents, done] {
        MakeDirectory(replica, path, parents, done);
      })) {
    return;
  }
  const auto plan = [&]() -> absl::StatusOr<std::vector<Effect>> {
    SYNCLINE_RETURN_IF_ERROR(CheckPath(path, false));
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row,
                              replica.state().Lookup(path));
    if (row && row->IsDirectory() && parents) return std::vector<Effect>();
    if (row) {
      return FailedPrecondition("'" + path + "' is there already");
    }
    if (parents) SYNCLINE_RETURN_IF_ERROR(MakeParents(replica, path));
    return CreateEffects(replica.state(), path, ItemKind::kDirectory, {}, {},
                         0);
  };
  Finish(replica, plan(), std::move(done));
}

void RemovePath(Replica& replica, const std::string& path, bool recursive,
                const IfMatch& if_match, Callback<Written> done) {
  if (Queued(replica, [&replica, path, recursive, if_match, done] {
        RemovePath(replica, path, recursive, if_match, done);
      })) {
    return;
  }
  absl::StatusOr<std::vector<std::vector<Effect>>> entries =
      EntriesOfRemove(replica, path, recursive, if_match);
  if (!entries.ok()) return done(entries.status());
  CommitAll(replica, *std::move(entries), std::move(done));
}

void MovePath(Replica& replica, const std::string& from, std::string to,
              Callback<Written> done) {
  if (Queued(replica, [&replica, from, to, done] {
        MovePath(replica, from, to, done);
      })) {
    return;
  }
  Finish(replica, EffectsOfMove(replica, from, std::move(to)), std::move(done));
}

void CommitAll(Replica& replica, std::vector<std::vector<Effect>> entries,
               Callback<Written> done) {
  std::erase_if(entries, [](const auto& entry) { return entry.empty(); });
  if (entries.empty()) return done(Written());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool last = i + 1 == entries.size();
    const absl::Status status = CommitOne(replica, std::move(entries[i]),
                                          last ? done : Callback<Written>());
    if (!status.ok()) return done(status);
  }
}

absl::StatusOr<std::uint64_t> SumBytes(const CausalState& state,
                                       std::vector<std::string>& dirs,
                                       std::size_t limit) {
  std::uint64_t sum = 0;
  std::size_t seen = 0;
  while (!dirs.empty() && seen < limit) {
    const std::string dir = std::move(dirs.back());
    dirs.pop_back();
    std::string after;
    for (bool more = true; more;) {
      absl::StatusOr<std::vector<std::pair<std::string, Row>>> children =
          state.List(dir, after, kListMax);
      if (absl::IsNotFound(children.status())) break;  // Gone meanwhile.
      SYNCLINE_RETURN_IF_ERROR(children.status());
      for (const auto& [name, row] : *children) {
        if (row.IsDirectory()) {
          dirs.push_back(PathBelow(dir, name));
        } else {
          sum += InfoOfRow(name, row).size;
        }
      }
      seen += children->size() + 1;
      more = children->size() == kListMax;
      if (more) after = children->back().first;
    }
  }
  return sum;
}

}  // namespace syncline
