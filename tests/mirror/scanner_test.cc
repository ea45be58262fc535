#include "replication/mirror/scanner.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/mirror/root_rig.h"

namespace syncline {
namespace {

using testing::DeepPath;
using testing::InChild;
using testing::MakeDirs;
using testing::PutFile;
using testing::RootRig;

struct Seen {
  std::string path;
  ScanState state;
  Fingerprint fingerprint;
};

struct Result {
  absl::StatusOr<ScanCounts> counts = absl::UnknownError("not run");
  std::vector<Seen> items;

  // "path" of what is present, "path=state" of the rest, joined.
  [[nodiscard]] std::string Text() const {
    static const char* const kStates[] = {"present",    "ignored", "special",
                                          "unreadable", "mount",   "mirror",
                                          "vanished"};
    std::string text;
    for (const Seen& item : items) {
      if (!text.empty()) text += ' ';
      text += item.path;
      if (item.state != ScanState::kPresent)
        text += std::string("=") + kStates[static_cast<int>(item.state)];
    }
    return text;
  }
};

Result RunScan(const RootDir& root, std::string_view path = "",
               const ScanOptions& options = {}) {
  Result result;
  result.counts = Scan(root, path, options, [&](const ScanItem& item) {
    result.items.push_back(
        {std::string(item.path), item.state, item.fingerprint});
    CHECK((item.state == ScanState::kUnreadable) <= !item.why.ok());
    return absl::OkStatus();
  });
  return result;
}

TEST_CASE("scanner: everything comes once and in the order of paths",
          "[mirror]") {
  RootRig rig;
  MakeDirs(rig / "a/b/c");
  MakeDirs(rig / "a-b");
  MakeDirs(rig / ".git/objects");
  for (const char* path : {"a/z", "a/b/f", "a.txt", "a-b/x", "b", "\xff",
                           "a/\n", ".git/HEAD", ".gitignore"})
    PutFile(rig / path, "12");
  REQUIRE(::symlink("a", (rig / "link").c_str()) == 0);
  REQUIRE(::mkfifo((rig / "fifo").c_str(), 0600) == 0);
  PutFile(rig / "a/.syncline-x", "");
  PutFile(rig / ".synclineignore", "");

  const Result result = RunScan(*rig.root);
  REQUIRE(result.counts.ok());
  CHECK(result.Text() ==
        ".git .git/HEAD .git/objects .gitignore a a/\n a/b a/b/c a/b/f a/z "
        "a-b a-b/x a.txt b fifo=special link \xff");
  CHECK(result.counts->files == 9);
  CHECK(result.counts->directories == 6);
  CHECK(result.counts->symlinks == 1);
  CHECK(result.counts->special == 1);
  CHECK(result.counts->reserved == 3);
  CHECK(std::is_sorted(result.items.begin(), result.items.end(),
                       [](const Seen& x, const Seen& y) {
                         return ComparePaths(x.path, y.path) < 0;
                       }));
  for (const Seen& item : result.items)
    CHECK(item.fingerprint == rig.Print(item.path));
}

TEST_CASE("scanner: a part of the root can be scanned", "[mirror]") {
  RootRig rig;
  MakeDirs(rig / "a/b/c");
  PutFile(rig / "a/f", "");
  PutFile(rig / "a/b/g", "");
  PutFile(rig / "z", "");
  const auto at = [&](std::string_view path, ScanDepth depth) {
    ScanOptions options;
    options.depth = depth;
    return RunScan(*rig.root, path, options).Text();
  };
  CHECK(at("a", ScanDepth::kTree) == "a a/b a/b/c a/b/g a/f");
  CHECK(at("a", ScanDepth::kChildren) == "a a/b a/f");
  CHECK(at("a", ScanDepth::kSelf) == "a");
  CHECK(at("", ScanDepth::kChildren) == "a z");
  CHECK(at("", ScanDepth::kSelf).empty());
  CHECK(at("a/f", ScanDepth::kTree) == "a/f");
  CHECK(at("none", ScanDepth::kTree).empty());
  CHECK(at("none/deeper", ScanDepth::kTree).empty());
  CHECK(absl::IsInvalidArgument(RunScan(*rig.root, "a/../z").counts.status()));
}

TEST_CASE("scanner: what rules leave out is reported once and not entered",
          "[mirror]") {
  RootRig rig;
  MakeDirs(rig / "build/deep/er");
  MakeDirs(rig / "src/gen");
  PutFile(rig / ".gitignore", "build/\n*.o\n");
  PutFile(rig / "src/.gitignore", "!keep.o\n");
  PutFile(rig / "src/.synclineignore", "gen\n");
  for (const char* path : {"a.o", "src/a.o", "src/keep.o", "src/a.c",
                           "build/keep", "src/gen/x", "local.tmp"})
    PutFile(rig / path, "");
  ScanOptions options;
  options.local_rules = std::make_shared<const IgnoreFile>("*.tmp\n");
  std::vector<std::string> listed;
  options.before_list = [&](std::string_view directory) {
    listed.emplace_back(directory);
  };
  const Result result = RunScan(*rig.root, "", options);
  CHECK(result.Text() ==
        ".gitignore a.o=ignored build=ignored local.tmp=ignored src "
        "src/.gitignore src/a.c src/a.o=ignored src/gen=ignored src/keep.o");
  CHECK(listed == std::vector<std::string>{"", "src"});
  CHECK(result.counts->ignored == 5);

  // The rules above hold when a scan starts below them.
  CHECK(RunScan(*rig.root, "src/a.o", options).Text() == "src/a.o=ignored");
  CHECK(RunScan(*rig.root, "src/keep.o", options).Text() == "src/keep.o");
  CHECK(RunScan(*rig.root, "build/deep/er", options).Text() ==
        "build/deep/er=ignored");
  CHECK(RunScan(*rig.root, "src/gen/x", options).Text() == "src/gen/x=ignored");

  const auto why = ExplainIgnore(*rig.root, "build/deep", true, options);
  REQUIRE(why.ok());
  CHECK(why->ignored);
  CHECK(why->file == ".gitignore");
  CHECK(why->line == 1);
  CHECK_FALSE(ExplainIgnore(*rig.root, "src/keep.o", false, options)->ignored);
  CHECK(ExplainIgnore(*rig.root, "none/yet/b.o", false, options)->ignored);

  options.honour_gitignore = false;
  CHECK(RunScan(*rig.root, "build", options).Text() ==
        "build build/deep build/deep/er build/keep");
  CHECK(RunScan(*rig.root, "src/gen", options).Text() == "src/gen=ignored");
}

TEST_CASE("scanner: rules that cannot be read freeze their directory",
          "[mirror][fault]") {
  RootRig rig;
  MakeDirs(rig / "d/e");
  PutFile(rig / "d/secret", "");
  PutFile(rig / "d/.synclineignore", std::string((1 << 20) + 1, '#'));
  MakeDirs(rig / "odd/.gitignore");
  PutFile(rig / "odd/f", "");
  CHECK(RunScan(*rig.root).Text() == "d=unreadable odd odd/.gitignore odd/f");
  CHECK(RunScan(*rig.root, "d/secret").Text() == "d/secret=unreadable");
  CHECK(RunScan(*rig.root, "odd/f").Text() == "odd/f");
  CHECK_FALSE(ExplainIgnore(*rig.root, "d/x", false, {}).ok());
}

TEST_CASE("scanner: what cannot be listed is frozen and never absent",
          "[mirror][fault]") {
  RootRig rig;
  MakeDirs(rig / "closed");
  MakeDirs(rig / "listable");
  PutFile(rig / "closed/f", "");
  PutFile(rig / "listable/f", "");
  PutFile(rig / "open", "");
  REQUIRE(::chmod(rig.dir.path().c_str(), 0755) == 0);
  REQUIRE(::chmod((rig / "closed").c_str(), 0) == 0);
  REQUIRE(::chmod((rig / "listable").c_str(), 0744) == 0);
  const int result = InChild([&] {
    if (::setuid(65534) != 0) return 100;
    int wrong = 0;
    if (RunScan(*rig.root).Text() !=
        "closed=unreadable listable=unreadable open")
      wrong |= 1;
    if (RunScan(*rig.root, "closed/f").Text() != "closed/f=unreadable")
      wrong |= 2;
    return wrong;
  });
  CHECK(result == 0);
  REQUIRE(::chmod(rig.dir.path().c_str(), 0) == 0);
  const int shut = InChild([&] {
    if (::setuid(65534) != 0) return 100;
    const Result all = RunScan(*rig.root);
    return absl::IsUnavailable(all.counts.status()) && all.items.empty() ? 0
                                                                         : 1;
  });
  CHECK(shut == 0);
}

TEST_CASE("scanner: other roots and mounts are opaque", "[mirror]") {
  RootRig rig;
  MakeDirs(rig / "d/inner/x");
  REQUIRE(RootDir::Attach(rig / "d/inner", "other").ok());
  CHECK(RunScan(*rig.root).Text() == "d d/inner=mirror");
  CHECK(RunScan(*rig.root, "d/inner/x").Text() == "d/inner/x=mirror");

  MakeDirs(rig / "mnt");
  const int result = InChild([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", (rig / "mnt").c_str(), "tmpfs", 0, nullptr) != 0)
      return 100;
    rig.Reopen();
    PutFile(rig / "mnt/f", "");
    return RunScan(*rig.root).Text() == "d d/inner=mirror mnt=mount" ? 0 : 1;
  });
  if (result == 100)
    WARN("no right to mount: not tested");
  else
    CHECK(result == 0);
}

TEST_CASE("scanner: a directory that moves away while scanned is frozen",
          "[mirror][fault]") {
  RootRig rig;
  MakeDirs(rig / "a");
  MakeDirs(rig / "z");
  PutFile(rig / "z/f", "");
  ScanOptions options;
  options.before_list = [&](std::string_view directory) {
    if (directory == "z") ::rename((rig / "z").c_str(), (rig / "a/z").c_str());
  };
  CHECK(RunScan(*rig.root, "", options).Text() == "a z=vanished");
  PutFile(rig / "f", "");
  options.before_list = [&](std::string_view directory) {
    if (directory != "a") return;
    std::filesystem::remove_all(rig / "a");
    PutFile(rig / "a", "a file now");
  };
  CHECK(RunScan(*rig.root, "", options).Text() == "a=vanished f");
}

TEST_CASE("scanner: a root that goes away ends the scan with an error",
          "[mirror][fault]") {
  RootRig rig;
  MakeDirs(rig / "a");
  MakeDirs(rig / "b");
  const std::string away = rig.dir.path() + "-away";
  ScanOptions options;
  options.before_list = [&](std::string_view directory) {
    if (directory == "b") ::rename(rig.dir.path().c_str(), away.c_str());
  };
  const Result result = RunScan(*rig.root, "", options);
  ::rename(away.c_str(), rig.dir.path().c_str());
  CHECK(absl::IsUnavailable(result.counts.status()));
  CHECK(result.Text() == "a");
}

TEST_CASE("scanner: a scan can be stopped from outside and by its sink",
          "[mirror]") {
  RootRig rig;
  for (int i = 0; i < 20; ++i) MakeDirs(rig / ("d" + std::to_string(i)));
  std::atomic<bool> stop = false;
  ScanOptions options;
  options.stop = &stop;
  int items = 0;
  const auto counts = Scan(*rig.root, "", options, [&](const ScanItem&) {
    stop = ++items == 5;
    return absl::OkStatus();
  });
  CHECK(absl::IsCancelled(counts.status()));
  CHECK(items == 5);
  const auto refused = Scan(*rig.root, "", {}, [](const ScanItem&) {
    return absl::DataLossError("the sink's own");
  });
  CHECK(absl::IsDataLoss(refused.status()));
}

TEST_CASE("scanner: depth is limited by nothing", "[mirror]") {
  RootRig rig;
  const std::string deep = DeepPath(60, 120);
  for (std::size_t end = 120; end <= deep.size(); end += 121)
    REQUIRE(rig->MakeDir(deep.substr(0, end)).ok());
  const Result result = RunScan(*rig.root);
  REQUIRE(result.counts.ok());
  CHECK(result.counts->directories == 60);
  CHECK(result.items.back().path == deep);
  CHECK(RunScan(*rig.root, deep).items.size() == 1);
  for (std::size_t end = deep.size(); end >= 120; end -= 121) {
    REQUIRE(rig->RemoveDir(deep.substr(0, end)).ok());
    if (end == 120) break;
  }
}

}  // namespace
}  // namespace syncline
