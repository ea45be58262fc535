// tree.

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <utility>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/listing.h"
#include "node/cli/output.h"
#include "node/paths.h"

namespace syncline::cli {
namespace {

// Walks depth first; prints as it goes, so that nothing grows with the tree
// but its depth and the directory at hand.
class Walk {
 public:
  // `heading` stands above it, if it is anywhere.
  Walk(Session& session, std::string project, bool json, std::string heading)
      : session_(session),
        project_(std::move(project)),
        json_(json),
        heading_(std::move(heading)) {}

  absl::Status Below(const std::string& path, const std::string& indent) {
    struct Child {
      std::string path;
      std::string line;
      bool dir;
    };
    std::vector<Child> children;
    SYNCLINE_RETURN_IF_ERROR(
        ListAll(session_, project_, path,
                [&](control::FileInfo::Reader info) -> absl::Status {
                  const std::string child = FromKj(info.getPath());
                  const bool dir = info.getKind() == "dir";
                  children.push_back({child, Line(info, child), dir});
                  return absl::OkStatus();
                }));
    if (!heading_.empty()) PrintLine(std::exchange(heading_, {}));
    for (std::size_t i = 0; i < children.size(); ++i) {
      const bool last = i + 1 == children.size();
      const Child& child = children[i];
      if (json_) {
        PrintLine(child.line);
      } else {
        PrintLine(indent + (last ? "`-- " : "|-- ") + child.line);
      }
      (child.dir ? dirs_ : files_) += 1;
      if (!child.dir) continue;
      SYNCLINE_RETURN_IF_ERROR(
          Below(child.path, indent + (last ? "    " : "|   ")));
    }
    return absl::OkStatus();
  }

  [[nodiscard]] std::string Summary() const {
    return fmt::format("{} directories, {} files", dirs_, files_);
  }

 private:
  [[nodiscard]] std::string Line(control::FileInfo::Reader info,
                                 const std::string& path) const {
    if (json_) return boost::json::serialize(ToJson(info));
    std::string line = Shown(NameIn(path));
    if (info.getKind() == "dir") return Paint(Tone::kStrong, line) + "/";
    if (info.getKind() == "symlink") {
      line += " -> " + Shown(FromKj(info.getTarget()));
    }
    if (info.getConflict()) line += Paint(Tone::kWarning, "  (conflict)");
    return line;
  }

  Session& session_;
  std::string project_;
  bool json_;
  std::string heading_;  // Printed once it is known that there is something.
  std::uint64_t dirs_ = 0;
  std::uint64_t files_ = 0;
};

absl::StatusOr<ExitCode> Tree(const Invocation& in, const std::string& project,
                              const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  const std::string heading = Shown(path.empty() ? project : path);
  Walk walk(*session, project, in.json, in.json ? "" : heading);
  SYNCLINE_RETURN_IF_ERROR(walk.Below(path, ""));
  if (!in.json) PrintLine(walk.Summary());
  return ExitCode::kDone;
}

}  // namespace

void AddTreeCommands(CLI::App& app, Invocation& in) {
  CLI::App* tree = AddCommand(app, "tree", "A directory with all below it",
                              "syncline tree notes\n"
                              "syncline tree notes drafts --json");
  auto project = std::make_shared<std::string>();
  auto path = std::make_shared<std::string>();
  tree->add_option("PROJECT", *project, "The project")->required();
  tree->add_option("PATH", *path, "Where to start (default: the root)");
  tree->callback([&in, project, path] {
    in.what = "tree " + *project + (path->empty() ? "" : " " + *path);
    in.run = [&in, project, path] { return Tree(in, *project, *path); };
  });
}

}  // namespace syncline::cli
