// put.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/cli/put.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

namespace fs = std::filesystem;

struct PutArgs {
  std::string project;
  std::string path;
  std::string source;  // Empty or "-": stdin.
  std::string if_match;
  bool recursive = false;
  bool parents = false;
};

struct Tally {
  std::uint64_t files = 0;
  std::uint64_t failed = 0;
};

absl::Status MakeDirectory(Session& session, const std::string& project,
                           const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  return session
      .Call([&](auto& client) {
        auto request = client.makeDirectoryRequest();
        request.setProject(ToKj(project));
        request.setPath(ToKj(path));
        request.setParents(true);
        return request.send();
      })
      .status();
}

absl::Status MakeSymlink(Session& session, const std::string& project,
                         const std::string& path, const std::string& target) {
  return session
      .Call([&](auto& client) {
        auto request = client.makeSymlinkRequest();
        request.setProject(ToKj(project));
        request.setPath(ToKj(path));
        request.setTarget(ToKj(target));
        return request.send();
      })
      .status();
}

// One file, link or directory (without what is in it) of a tree.
absl::Status PutOne(Session& session, const PutArgs& args,
                    const fs::path& source, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(source, error);
  if (error) return ErrnoStatus(error.value(), "stat " + source.string());
  if (fs::is_directory(status)) {
    return MakeDirectory(session, args.project, path);
  }
  if (fs::is_symlink(status)) {
    const fs::path target = fs::read_symlink(source, error);
    if (error) return ErrnoStatus(error.value(), "read " + source.string());
    return MakeSymlink(session, args.project, path, target.string());
  }
  if (!fs::is_regular_file(status)) {
    return FailedPrecondition(source.string() + " is no file");
  }
  PutTarget target;
  target.project = args.project;
  target.path = path;
  return PutFile(session, target, source.string(), true).status();
}

// No use in going on with the next file.
bool EndsAll(const absl::Status& put) {
  return absl::IsUnavailable(put) || absl::IsResourceExhausted(put);
}

absl::Status PutTree(Session& session, const PutArgs& args,
                     const fs::path& source, const std::string& path,
                     Tally& tally) {
  const absl::Status put = PutOne(session, args, source, path);
  std::error_code error;
  const bool dir = fs::is_directory(fs::symlink_status(source, error));
  if (!put.ok() && (dir || EndsAll(put))) return put;
  if (!dir) tally.files += 1;
  if (!put.ok()) {
    tally.failed += 1;
    PrintError("put " + Shown(path), Explain(put));
  }
  if (!dir) return absl::OkStatus();
  std::vector<fs::path> children;
  for (fs::directory_iterator it(source, error), end; !error && it != end;
       it.increment(error)) {
    children.push_back(it->path());
  }
  if (error) return ErrnoStatus(error.value(), "read " + source.string());
  std::sort(children.begin(), children.end());
  for (const fs::path& child : children) {
    SYNCLINE_RETURN_IF_ERROR(PutTree(session, args, child,
                                     PathBelow(path, child.filename().string()),
                                     tally));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> PutRecursive(const Invocation& in,
                                      const PutArgs& args) {
  if (args.source.empty() || args.source == "-") {
    return InvalidArgument("-r needs a folder to read");
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  Tally tally;
  SYNCLINE_RETURN_IF_ERROR(
      PutTree(*session, args, args.source, args.path, tally));
  if (in.json) PrintJson({{"files", tally.files}, {"failed", tally.failed}});
  return tally.failed == 0 ? ExitCode::kDone : ExitCode::kAttention;
}

absl::StatusOr<ExitCode> PutFiles(const Invocation& in, const PutArgs& args) {
  if (args.recursive) return PutRecursive(in, args);
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  PutTarget target;
  target.project = args.project;
  target.path = args.path;
  target.if_match = args.if_match;
  target.parents = args.parents;
  const bool from_stdin = args.source.empty() || args.source == "-";
  SYNCLINE_ASSIGN_OR_RETURN(
      PutResult result, from_stdin
                            ? PutFrom(*session, target, STDIN_FILENO, "stdin")
                            : PutFile(*session, target, args.source, true));
  if (in.json) {
    PrintJson({{"seq", result.seq}, {"version", result.version}});
  }
  return ExitCode::kDone;
}

}  // namespace

void AddPutCommand(CLI::App& app, Invocation& in) {
  CLI::App* put = AddCommand(app, "put", "Write a file, from stdin or a file",
                             "echo hello | syncline put notes hello.txt\n"
                             "syncline put notes photo.jpg ~/photo.jpg\n"
                             "syncline put notes -r drafts ~/drafts\n"
                             "syncline put notes a.txt --if-match none");
  auto args = std::make_shared<PutArgs>();
  put->add_option("PROJECT", args->project, "The project")->required();
  put->add_option("PATH", args->path, "Where it goes, like a/b")->required();
  put->add_option("FILE", args->source, "What to read (default: stdin)");
  put->add_flag("-r,--recursive", args->recursive,
                "FILE is a folder: put all that is in it");
  put->add_flag("-p,--parents", args->parents,
                "Make missing directories above PATH");
  put->add_option("--if-match", args->if_match,
                  "Refuse unless this is the version; 'none': unless nothing "
                  "is there (exit 5)")
      ->type_name("VERSION");
  put->callback([&in, args] {
    in.what = "put " + args->project + " " + Shown(args->path);
    in.run = [&in, args] { return PutFiles(in, *args); };
  });
}

}  // namespace syncline::cli
