#include <filesystem>
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "tests/mirror/mirror_rig.h"
#include "tests/testing/temporary_directory.h"

// What ignore rules leave alone on both sides, and what comes of it when they
// change.

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

using Shown = std::map<std::string, std::string>;

// A device whose folder has `build` and `src`, both synced.
struct Ignoring {
  TemporaryDirectory temp;
  Device device{temp.path() / "one", "one"};
  fs::path dir = device.dir();
  std::uint64_t head = 0;

  Ignoring() {
    fs::create_directories(dir / "build" / "deep");
    fs::create_directory(dir / "src");
    WriteFile(dir / "build" / "a", "a");
    WriteFile(dir / "build" / "deep" / "b", "b");
    WriteFile(dir / "src" / "c", "c");
    REQUIRE(device.Sweep().ok());
    head = device.head();
    REQUIRE(head == 6);
  }
  Device* operator->() { return &device; }

  void Rule(const std::string& rules) {
    WriteFile(dir / ".synclineignore", rules);
  }
  void NoRule() { fs::remove(dir / ".synclineignore"); }
  Shown Project() { return Plain(device.View()); }
  Shown OnDisk() { return Plain(device.Folder()); }
  // Nothing was told since, and a further look finds nothing to do.
  void CheckUntold() {
    REQUIRE(device.Sweep().ok());
    CHECK(device.head() == head);
    CHECK(device.mirror().status().errors.empty());
    REQUIRE(device.Sweep().ok());
    CHECK(device.head() == head);
  }
  void Put(const std::string& path, const std::string& bytes) {
    device.Put(path, bytes);
    head = device.head();
  }
};

TEST_CASE("mirror_ignore: what was ignored and then removed stays elsewhere",
          "[mirror]") {
  Ignoring one;
  const Shown project = one.Project();
  one.Rule("build/\n");
  SECTION("one after the other") {
    one.CheckUntold();
    fs::remove_all(one.dir / "build");
  }
  SECTION("at once") { fs::remove_all(one.dir / "build"); }
  SECTION("a part of it at once") { fs::remove(one.dir / "build" / "a"); }
  SECTION("while the mirror was off") {
    one->StopMirror();
    fs::remove_all(one.dir / "build");
    one->StartMirror();
    one->Settle();
  }
  one.CheckUntold();
  CHECK(one.Project() == project);
}

TEST_CASE("mirror_ignore: an edit there is not told, nor written", "[mirror]") {
  Ignoring one;
  one.Rule("build/\n*.log\n");
  one.CheckUntold();
  WriteFile(one.dir / "build" / "a", "mine");
  WriteFile(one.dir / "build" / "new", "mine");
  one.CheckUntold();
  one.Put("build/deep/b", "theirs");
  one.Put("build/theirs", "theirs");
  one.Put("src/x.log", "theirs");
  one.Put("src/c", "theirs");
  one.CheckUntold();
  CHECK(one.OnDisk() == Shown{{"build", "dir "},
                              {"build/a", "file mine"},
                              {"build/deep", "dir "},
                              {"build/deep/b", "file b"},
                              {"build/new", "file mine"},
                              {"src", "dir "},
                              {"src/c", "file theirs"}});
}

TEST_CASE("mirror_ignore: a removal elsewhere leaves what is ignored here",
          "[mirror]") {
  Ignoring one;
  one.Rule("build/\n");
  one.CheckUntold();
  one->Remove("build");
  one.head = one->head();
  one.CheckUntold();
  CHECK(one.OnDisk().contains("build/deep/b"));
}

TEST_CASE("mirror_ignore: without the rule it is as at a first look",
          "[mirror]") {
  Ignoring one;
  const std::string rules = "build/\n";
  one.Rule(rules);
  one.CheckUntold();
  const auto change = [&] {
    one.Put("build/deep/b", "theirs");
    one.Put("build/new", "new");
    fs::remove(one.dir / "build" / "a");  // Not a deletion.
    WriteFile(one.dir / "build" / "mine", "mine");
  };
  SECTION("while it looks") {
    change();
    one.CheckUntold();
    one.NoRule();
  }
  SECTION("while the mirror was off") {
    one->StopMirror();
    change();
    one.NoRule();
    one->StartMirror();
    one->Settle();
  }
  SECTION("after a crash of a sort") {  // Base knows of the rule, not of more.
    change();
    one.CheckUntold();
    one->Restart();
    one.NoRule();
    one->Settle();
  }
  REQUIRE(one->Sweep().ok());
  const Shown disk = one.OnDisk();
  CHECK(disk == one.Project());
  CHECK(disk.at("build/a") == "file a");
  CHECK(disk.at("build/new") == "file new");
  CHECK(disk.at("build/mine") == "file mine");
  int both = 0;  // Different content: kept both.
  for (const auto& [path, line] : disk) {
    if (!path.starts_with("build/deep/b")) continue;
    both += line == "file theirs" ? 1 : line == "file b" ? 10 : 100;
  }
  CHECK(both == 11);
  one.head = one->head();
  one.CheckUntold();
}

TEST_CASE("mirror_ignore: what is equal is adopted without a word",
          "[mirror]") {
  Ignoring one;
  one.Rule("build/\n");
  one.CheckUntold();
  one.NoRule();
  one.CheckUntold();
  fs::remove(one.dir / "build" / "a");  // That is one again.
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == one.head + 1);
  CHECK_FALSE(one.Project().contains("build/a"));
}

TEST_CASE("mirror_ignore: a directory that is nowhere on the disk comes back",
          "[mirror]") {
  Ignoring one;
  one.Rule("build/\n");
  fs::remove_all(one.dir / "build");
  one.CheckUntold();
  SECTION("no rule") { one.NoRule(); }
  SECTION("an exception") { one.Rule("build/*\n!build/deep\n"); }
  one.CheckUntold();
  CHECK(one.OnDisk().at("build/deep/b") == "file b");
  CHECK(one.OnDisk().contains("build/a") ==
        !fs::exists(one.dir / ".synclineignore"));
}

TEST_CASE("mirror_ignore: moves elsewhere into and out of what is ignored",
          "[mirror]") {
  Ignoring one;
  one.Rule("build/\n");
  one.CheckUntold();
  WriteFile(one.dir / "build" / "a", "mine");
  one->Rename("src", "build/src");
  one->Rename("build/deep", "deep");
  one->Rename("build/a", "a");
  one.head = one->head();
  one.CheckUntold();
  CHECK(one.OnDisk() == Shown{{"a", "file a"},
                              {"build", "dir "},
                              {"build/a", "file mine"},
                              {"build/deep", "dir "},
                              {"build/deep/b", "file b"},
                              {"deep", "dir "},
                              {"deep/b", "file b"}});
}

TEST_CASE("mirror_ignore: rules from elsewhere hold for what comes with them",
          "[mirror]") {
  Ignoring one;
  TemporaryDirectory temp;
  Device two(temp.path(), "two");
  two.Settle();
  WriteFile(one.dir / ".gitignore", "*.o\n");
  WriteFile(one.dir / "src" / ".gitignore", "/generated\n");
  REQUIRE(one->Sweep().ok());
  one->Put("src/a.o", "object");  // Put there without a folder.
  one->Put("src/generated", "generated");
  one->Put("src/deep", "deep");
  two.PullFrom(one.device);
  two.Settle();
  REQUIRE(two.Sweep().ok());
  CHECK(two.head() == one->head());
  const Shown there = Plain(two.Folder());
  CHECK(there.contains("src/deep"));
  CHECK(there.contains("build/deep/b"));
  CHECK_FALSE(there.contains("src/a.o"));
  CHECK_FALSE(there.contains("src/generated"));
  // And go away as they came.
  one->Remove("src/.gitignore");
  two.PullFrom(one.device);
  two.Settle();
  REQUIRE(two.Sweep().ok());
  CHECK(two.head() == one->head());
  CHECK(Plain(two.Folder()).at("src/generated") == "file generated");
  CHECK_FALSE(Plain(two.Folder()).contains("src/a.o"));
}

TEST_CASE("mirror_ignore: a directory moves with its rules", "[mirror]") {
  Ignoring one;
  WriteFile(one.dir / "src" / ".gitignore", "*.o\n");
  REQUIRE(one->Sweep().ok());
  WriteFile(one.dir / "src" / "c.o", "mine");
  one->Put("src/c.o", "theirs");
  one->Put("src/d.o", "theirs");
  one->Settle();
  // All of it at once: what is planned goes by rules of the old place.
  one->Rename("src", "lib");
  one->Put("lib/c.o", "theirs, too");
  one->Put("lib/d.o", "theirs, too");
  one->Put("lib/e", "e");
  one.head = one->head();
  one.CheckUntold();
  CHECK(ReadWhole(one.dir / "lib" / "c.o") == "mine");
  CHECK(one.OnDisk().contains("lib/e"));
  fs::remove(one.dir / "lib" / "c.o");
  one.CheckUntold();
  CHECK(one.Project().at("lib/c.o") == "file theirs, too");
  CHECK(one.Project().at("lib/d.o") == "file theirs, too");
}

TEST_CASE("mirror_ignore: a removed directory says what keeps it",
          "[mirror][e2e]") {
  TemporaryDirectory temp;
  Device::Options options;
  options.mirror.watch = true;
  Device one(temp.path(), "one", options);
  const fs::path sub = one.dir() / "d" / "sub";
  fs::create_directories(sub);
  WriteFile(sub / "a", "a");
  WriteFile(sub / "a.o", "mine");
  WriteFile(one.dir() / ".synclineignore", "*.o\n");
  REQUIRE(one.Sweep().ok());
  REQUIRE(Plain(one.View()).size() == 3);
  one.Remove("d");
  // At once: nothing that is tried again would help.
  one.Settle();
  const std::map<std::string, std::string> errors =
      one.mirror().status().errors;
  REQUIRE(errors.size() == 2);
  CHECK(errors.at("d/sub") ==
        "deleted elsewhere, but kept here for what is in it: d/sub/a.o is "
        "ignored");
  CHECK(errors.at("d") ==
        "deleted elsewhere, but kept here for what is in it: d/sub");
  CHECK(ReadWhole(sub / "a.o") == "mine");
  CHECK(!fs::exists(sub / "a"));
  CHECK(one.View().empty());  // Nothing of it came back.
  // It goes with what had kept it, without a sweep.
  fs::remove(sub / "a.o");
  REQUIRE(one.RunUntil([&] { return !fs::exists(one.dir() / "d"); }));
  one.Settle();
  CHECK(one.mirror().status().errors.empty());
  CHECK(one.View().empty());
}

TEST_CASE("mirror_ignore: hints are enough", "[mirror][e2e]") {
  TemporaryDirectory temp;
  Device::Options options;
  options.mirror.watch = true;
  Device one(temp.path(), "one", options);
  fs::create_directory(one.dir() / "build");
  WriteFile(one.dir() / "build" / "a", "a");
  REQUIRE(one.Sweep().ok());
  const std::uint64_t head = one.head();
  WriteFile(one.dir() / ".synclineignore", "build/\n");
  fs::remove_all(one.dir() / "build");
  WriteFile(one.dir() / "last", "last");
  REQUIRE(one.RunUntil([&] { return one.View().contains("last"); }));
  one.Settle();
  CHECK(one.head() == head + 1);
  CHECK(one.View().contains("build/a"));
  fs::remove(one.dir() / ".synclineignore");
  REQUIRE(one.RunUntil([&] { return fs::exists(one.dir() / "build" / "a"); }));
  one.Settle();
  CHECK(one.head() == head + 1);
}

}  // namespace
}  // namespace syncline::testing
