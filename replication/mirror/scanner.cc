#include "replication/mirror/scanner.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace syncline {
namespace {

constexpr std::size_t kRuleFileBytes = 1u << 20;
constexpr std::string_view kReserved = ".syncline";
constexpr std::string_view kRootMarker = ".syncline-root";

using Scope = std::shared_ptr<const IgnoreScope>;

struct Child {
  std::string name;
  Fingerprint fingerprint;
};

// Rule files that were seen: they are absent only if the directory is
// changing. Others may be absent, which means that there are no such rules.
struct RulesWanted {
  bool git = false;
  bool syncline = false;
};

// What a directory holds, as far as a scan goes on.
struct Listing {
  std::vector<Child> children;  // In byte order.
  RulesWanted rules;
  bool is_other_root = false;
  std::uint64_t reserved = 0;
};

class Walk {
 public:
  Walk(const RootDir& root, const ScanOptions& options, const ScanSink& sink)
      : root_(root), options_(options), sink_(sink) {}

  absl::StatusOr<ScanCounts> Run(std::string_view path);
  absl::StatusOr<IgnoreMatch> Explain(std::string_view path, bool is_directory);

 private:
  // A directory on the way down: what is left of it to be handed over.
  struct Frame {
    std::string path;
    Scope scope;
    std::vector<Child> children;
    std::size_t next = 0;
  };
  // How entering a directory ended: frozen, or with a frame to go on with.
  struct Entered {
    ScanState state = ScanState::kPresent;
    absl::Status why;
    IgnoreMatch match;  // Of kIgnored.
    Frame frame;
  };

  absl::StatusOr<Listing> List(const std::string& path);
  absl::StatusOr<IgnoreScope::Files> ReadRules(const std::string& path,
                                               RulesWanted wanted);
  // Errors are the whole scan's; a directory's own trouble is its state.
  absl::StatusOr<Entered> Enter(const std::string& path, const Scope& parent);
  absl::Status Begin(std::string_view path, std::vector<Frame>& stack);
  absl::Status Visit(const std::string& path, const Child& child,
                     const Scope& scope, bool enter, std::vector<Frame>& stack);
  // The scope of `directory`, reading the rules of all that is above it. Null
  // if it is frozen, then `state` and `why` say how.
  absl::StatusOr<Scope> ScopeOf(std::string_view directory, Entered& found);
  absl::Status Give(std::string_view path, ScanState state,
                    const Fingerprint& fingerprint, const absl::Status& why);
  [[nodiscard]] bool stopped() const {
    return options_.stop != nullptr &&
           options_.stop->load(std::memory_order_relaxed);
  }

  const RootDir& root_;
  const ScanOptions& options_;
  const ScanSink& sink_;
  ScanCounts counts_;
};

absl::Status Walk::Give(std::string_view path, ScanState state,
                        const Fingerprint& fingerprint,
                        const absl::Status& why) {
  switch (state) {
    case ScanState::kPresent:
      if (fingerprint.kind == DiskKind::kFile) ++counts_.files;
      if (fingerprint.kind == DiskKind::kDirectory) ++counts_.directories;
      if (fingerprint.kind == DiskKind::kSymlink) ++counts_.symlinks;
      break;
    case ScanState::kIgnored:
      ++counts_.ignored;
      break;
    case ScanState::kSpecial:
      ++counts_.special;
      break;
    default:
      ++counts_.frozen;
  }
  return sink_({path, state, fingerprint, why});
}

absl::StatusOr<Listing> Walk::List(const std::string& path) {
  Listing listing;
  SYNCLINE_RETURN_IF_ERROR(root_.ListDir(
      path, [&](std::string_view name, const Fingerprint& fingerprint) {
        const bool is_file = fingerprint.kind == DiskKind::kFile;
        listing.rules.git |= is_file && name == kGitIgnoreName;
        listing.rules.syncline |= is_file && name == kSynclineIgnoreName;
        listing.is_other_root |= !path.empty() && name == kRootMarker;
        if (name.starts_with(kReserved))
          ++listing.reserved;
        else
          listing.children.push_back({std::string(name), fingerprint});
        return stopped() ? absl::CancelledError("scan stopped")
                         : absl::OkStatus();
      }));
  std::sort(listing.children.begin(), listing.children.end(),
            [](const Child& a, const Child& b) { return a.name < b.name; });
  return listing;
}

absl::StatusOr<IgnoreScope::Files> Walk::ReadRules(const std::string& path,
                                                   RulesWanted wanted) {
  IgnoreScope::Files files;
  const auto read =
      [&](std::string_view name,
          bool want) -> absl::StatusOr<std::shared_ptr<const IgnoreFile>> {
    const auto text =
        root_.ReadSmallFile(ChildPath(path, name), kRuleFileBytes);
    // Absent, or no regular file: such rules git does not read either.
    if (!want && (absl::IsNotFound(text.status()) ||
                  absl::IsFailedPrecondition(text.status())))
      return nullptr;
    if (!text.ok()) return text.status();
    auto rules = std::make_shared<const IgnoreFile>(*text);
    return rules->empty() ? nullptr : rules;
  };
  if (options_.honour_gitignore) {
    SYNCLINE_ASSIGN_OR_RETURN(files.git, read(kGitIgnoreName, wanted.git));
  }
  SYNCLINE_ASSIGN_OR_RETURN(files.syncline,
                            read(kSynclineIgnoreName, wanted.syncline));
  return files;
}

// What the failure to look into a directory says of it, unless EndsScan().
ScanState StateOf(const absl::Status& failure) {
  switch (failure.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:  // No directory any more.
      return ScanState::kVanished;
    default:
      return ScanState::kUnreadable;
  }
}

bool EndsScan(const absl::Status& failure) {
  return absl::IsUnavailable(failure) || absl::IsCancelled(failure);
}

absl::StatusOr<Walk::Entered> Walk::Enter(const std::string& path,
                                          const Scope& parent) {
  if (stopped()) return absl::CancelledError("scan stopped");
  if (options_.before_list) options_.before_list(path);
  Entered result;
  const auto fail = [&result](const absl::Status& failure) {
    result.state = StateOf(failure);
    result.why = failure;
    return result;
  };
  auto listing = List(path);
  if (!listing.ok()) {
    if (EndsScan(listing.status())) return listing.status();
    return fail(listing.status());
  }
  if (listing->is_other_root) {
    result.state = ScanState::kOtherMirror;
    return result;
  }
  absl::StatusOr<IgnoreScope::Files> files{IgnoreScope::Files()};
  if (listing->rules.git || listing->rules.syncline)
    files = ReadRules(path, listing->rules);
  if (!files.ok()) {
    // What the rules would have left out must not be synced for want of them.
    if (EndsScan(files.status())) return files.status();
    return fail(files.status());
  }
  if (options_.on_rules) options_.on_rules(path, *files);
  counts_.reserved += listing->reserved;
  result.frame.path = path;
  result.frame.scope =
      parent ? IgnoreScope::Enter(parent, LastName(path), *std::move(files))
             : IgnoreScope::Root(*std::move(files), options_.local_rules);
  result.frame.children = std::move(listing->children);
  return result;
}

absl::Status Walk::Visit(const std::string& path, const Child& child,
                         const Scope& scope, bool enter,
                         std::vector<Frame>& stack) {
  const bool is_directory = child.fingerprint.kind == DiskKind::kDirectory;
  if (scope->Ignores(child.name, is_directory))
    return Give(path, ScanState::kIgnored, child.fingerprint, {});
  if (child.fingerprint.kind == DiskKind::kSpecial)
    return Give(path, ScanState::kSpecial, child.fingerprint, {});
  if (child.fingerprint.kind == DiskKind::kMountPoint)
    return Give(path, ScanState::kMountPoint, child.fingerprint, {});
  if (!is_directory || !enter)
    return Give(path, ScanState::kPresent, child.fingerprint, {});
  // Listed before it is handed over: its state may depend on that.
  SYNCLINE_ASSIGN_OR_RETURN(Entered entered, Enter(path, scope));
  SYNCLINE_RETURN_IF_ERROR(
      Give(path, entered.state, child.fingerprint, entered.why));
  if (entered.state == ScanState::kPresent)
    stack.push_back(std::move(entered.frame));
  return absl::OkStatus();
}

absl::StatusOr<Scope> Walk::ScopeOf(std::string_view directory,
                                    Entered& found) {
  Scope scope;
  std::string path;
  while (true) {
    const auto marked =
        path.empty()
            ? absl::StatusOr<std::string>(
                  absl::NotFoundError("the root itself"))
            : root_.ReadSmallFile(ChildPath(path, kRootMarker), kRuleFileBytes);
    if (absl::IsUnavailable(marked.status())) return marked.status();
    if (marked.ok()) {
      found.state = ScanState::kOtherMirror;
      return Scope();
    }
    auto files = ReadRules(path, {});
    if (!files.ok()) {
      if (EndsScan(files.status())) return files.status();
      found.state = StateOf(files.status());
      found.why = files.status();
      return Scope();
    }
    if (options_.on_rules) options_.on_rules(path, *files);
    scope = scope ? IgnoreScope::Enter(scope, LastName(path), *std::move(files))
                  : IgnoreScope::Root(*std::move(files), options_.local_rules);
    if (path.size() == directory.size()) return scope;
    const std::size_t begin = path.empty() ? 0 : path.size() + 1;
    const std::string name(
        directory.substr(begin, directory.find('/', begin) - begin));
    path = ChildPath(path, name);
    if (scope->Ignores(name, true)) {
      found.state = ScanState::kIgnored;
      found.match = scope->Explain(name, true);
      return Scope();
    }
  }
}

absl::Status Walk::Begin(std::string_view path, std::vector<Frame>& stack) {
  const bool enter = options_.depth != ScanDepth::kSelf;
  if (path.empty()) {
    SYNCLINE_RETURN_IF_ERROR(root_.Check());
    if (!enter) return absl::OkStatus();
    SYNCLINE_ASSIGN_OR_RETURN(Entered entered, Enter("", nullptr));
    if (entered.state != ScanState::kPresent)
      return MakeStatus(absl::StatusCode::kUnavailable,
                        FromAbsl(entered.why.message()));
    stack.push_back(std::move(entered.frame));
    return absl::OkStatus();
  }
  const auto stat = root_.Stat(path);
  if (absl::IsNotFound(stat.status())) return absl::OkStatus();
  if (EndsScan(stat.status()) || absl::IsInvalidArgument(stat.status()))
    return stat.status();
  if (!stat.ok()) return Give(path, StateOf(stat.status()), {}, stat.status());
  Entered found;
  SYNCLINE_ASSIGN_OR_RETURN(const Scope scope,
                            ScopeOf(ParentPath(path), found));
  if (!scope) return Give(path, found.state, *stat, found.why);
  return Visit(std::string(path), {std::string(LastName(path)), *stat}, scope,
               enter, stack);
}

absl::StatusOr<ScanCounts> Walk::Run(std::string_view path) {
  std::vector<Frame> stack;
  SYNCLINE_RETURN_IF_ERROR(Begin(path, stack));
  const bool whole = options_.depth == ScanDepth::kTree;
  while (!stack.empty()) {
    if (stopped()) return absl::CancelledError("scan stopped");
    Frame& top = stack.back();
    if (top.next == top.children.size()) {
      stack.pop_back();
      continue;
    }
    // Taken out of the frame, which moves when Visit() pushes another.
    const Child child = std::move(top.children[top.next++]);
    const Scope scope = top.scope;
    SYNCLINE_RETURN_IF_ERROR(
        Visit(ChildPath(top.path, child.name), child, scope, whole, stack));
  }
  return counts_;
}

absl::StatusOr<IgnoreMatch> Walk::Explain(std::string_view path,
                                          bool is_directory) {
  Entered found;
  SYNCLINE_ASSIGN_OR_RETURN(const Scope scope,
                            ScopeOf(ParentPath(path), found));
  if (scope) return scope->Explain(LastName(path), is_directory);
  if (found.state == ScanState::kIgnored) return found.match;
  return found.why.ok() ? FailedPrecondition("in another mirror") : found.why;
}

}  // namespace

absl::StatusOr<ScanCounts> Scan(const RootDir& root, std::string_view path,
                                const ScanOptions& options,
                                const ScanSink& sink) {
  return Walk(root, options, sink).Run(path);
}

absl::StatusOr<IgnoreMatch> ExplainIgnore(const RootDir& root,
                                          std::string_view path,
                                          bool is_directory,
                                          const ScanOptions& options) {
  if (!IsLegalPath(path))
    return InvalidArgument("not a legal path: " + std::string(path));
  const ScanSink none;
  return Walk(root, options, none).Explain(path, is_directory);
}

}  // namespace syncline
