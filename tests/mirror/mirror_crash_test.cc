#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include <catch2/catch.hpp>

#include "replication/state/edits.h"
#include "tests/mirror/mirror_rig.h"
#include "tests/testing/temporary_directory.h"

// Processes that die at every step of a mirror's work, in both directions, and
// what their successors make of it.

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kDied = 42;

// Runs `body` in a child; its exit code, or -1.
int InChild(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A device on a RocksDB that dies at step `die_at`; never if 0.
Device::Options Mortal(int die_at) {
  Device::Options options;
  options.rocks = true;
  const auto left = std::make_shared<std::atomic<int>>(die_at);
  options.mirror.at_step = [left](std::string_view) {
    if (left->fetch_sub(1) == 1) ::_exit(kDied);
  };
  return options;
}

// The state that each run starts from: built once in `home`.
void Build(const fs::path& home) {
  Device device(home, "one", Mortal(0));
  fs::create_directories(device.dir() / "d" / "e");
  WriteFile(device.dir() / "d" / "f", "one");
  WriteFile(device.dir() / "d" / "e" / "g", "g");
  WriteFile(device.dir() / "x", "x");
  WriteFile(device.dir() / "y", "y");
  if (!device.Sweep().ok() || device.head() != 6) ::_exit(1);
}

// Dies at step 1, 2, 3, ... of the work until it comes through, each time on a
// new copy; then `check` looks at what a restart made of it. `before` works on
// the folder, `work` on the device, `meanwhile` on the project before the
// folder is looked at again.
int ForEachStep(
    const fs::path& home,
    const std::function<void(const fs::path& dir)>& before,
    const std::function<void(Device&)>& work,
    const std::function<void(Device&)>& check,
    const std::function<void(Device&)>& meanwhile = [](Device&) {}) {
  int steps = 0;
  for (int died = kDied; died == kDied;) {
    ++steps;
    REQUIRE(steps < 500);
    CAPTURE(steps);
    fs::remove_all(home);
    REQUIRE(InChild([&] { Build(home); }) == 0);
    before(home / "folder");
    died = InChild([&] {
      Device device(home, "one", Mortal(steps));
      device.Settle();
      work(device);
    });
    REQUIRE((died == kDied || died == 0));
    const int after = InChild([&] {
      Device::Options options = Mortal(0);
      options.start = false;
      Device device(home, "one", options);
      meanwhile(device);
      device.StartMirror();
      device.Settle();
      if (!device.Sweep().ok()) ::_exit(2);
      check(device);
    });
    CHECK(after == 0);
  }
  return steps;
}

// In a child there is no Catch to tell: exit codes do.
void Expect(bool holds, int code) {
  if (!holds) ::_exit(code);
}

TEST_CASE("mirror_crash: what a user did is told once", "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run",
      [](const fs::path& dir) {
        WriteFile(dir / "d" / "f", "two");
        WriteFile(dir / "new", "new");
        fs::rename(dir / "d", dir / "n");
        fs::remove(dir / "x");
      },
      [](Device&) {},
      [](Device& device) {
        Expect(device.View() == device.Folder(), 3);
        Expect(Plain(device.Folder()) ==
                   std::map<std::string, std::string>{{"n", "dir "},
                                                      {"n/e", "dir "},
                                                      {"n/e/g", "file g"},
                                                      {"n/f", "file two"},
                                                      {"new", "file new"},
                                                      {"y", "file y"}},
               4);
        // 6 for building, then rename, update, create, remove: no more.
        Expect(device.head() == 6 + 4, 5);
      });
  CHECK(steps >= 3);
}

// 7 entries that the folder is to follow.
void ChangeProject(Device& device) {
  device.StopMirror();
  device.Put("d/f", "two");
  device.Put("new", "new");
  device.Rename("d", "n");
  device.Remove("x");
  device.Mkdir("m");
  device.Put("m/in", "in");
  device.Rename("y", "m/y");
  device.StartMirror();
  device.Settle();
}

TEST_CASE("mirror_crash: what the project wants is done once",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run", [](const fs::path&) {}, ChangeProject,
      [](Device& device) {
        // Who dies before the project was changed leaves it as it was.
        if (device.head() == 6) return;
        Expect(Plain(device.Folder()) ==
                   std::map<std::string, std::string>{{"m", "dir "},
                                                      {"m/in", "file in"},
                                                      {"m/y", "file y"},
                                                      {"n", "dir "},
                                                      {"n/e", "dir "},
                                                      {"n/e/g", "file g"},
                                                      {"n/f", "file two"},
                                                      {"new", "file new"}},
               3);
        Expect(Plain(device.View()) == Plain(device.Folder()), 4);
        Expect(device.head() == 6 + 7, 5);  // No entry of the mirror's own.
      });
  CHECK(steps >= 10);
}

// What was done to the disk and not noted down must not pass for a user's doing
// when the project wants something else by then.
TEST_CASE("mirror_crash: what the project wants next is no conflict",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run", [](const fs::path&) {}, ChangeProject,
      [](Device& device) {
        if (device.head() == 6) return;
        Expect(Plain(device.Folder()) ==
                   std::map<std::string, std::string>{{"m", "dir "},
                                                      {"new", "file newer"},
                                                      {"o", "dir "},
                                                      {"o/e", "dir "},
                                                      {"o/e/g", "file g"},
                                                      {"o/f", "file three"},
                                                      {"x", "file again"},
                                                      {"z", "file y"}},
               3);
        Expect(Plain(device.View()) == Plain(device.Folder()), 4);
        Expect(device.head() == 6 + 7 + 6, 5);  // No entry of the mirror's own.
      },
      [](Device& device) {
        if (device.head() == 6) return;
        device.Put("n/f", "three");
        device.Put("new", "newer");
        device.Rename("n", "o");
        device.Rename("m/y", "z");
        device.Remove("m/in");
        device.Put("x", "again");
      });
  CHECK(steps >= 10);
}

void SetExec(Device& device, const std::string& path, const char* value) {
  const CausalState& state = device.replica().state();
  const auto seen = state.Read(path, false);
  Expect(seen.ok() && seen->has_value(), 6);
  auto effects = AttrEffects(state, **seen, "exec", value);
  Expect(effects.ok(), 7);
  device.Commit(*std::move(effects));
}

TEST_CASE("mirror_crash: swaps, kinds and modes are no conflicts either",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run", [](const fs::path&) {},
      [](Device& device) {
        device.StopMirror();
        device.Rename("x", "t");
        device.Rename("y", "x");
        device.Rename("t", "y");
        device.Remove("d/e");
        device.Put("d/e", "now a file");
        SetExec(device, "d/f", "1");
        device.StartMirror();
        device.Settle();
      },
      [](Device& device) {
        if (device.head() == 6) return;
        Expect(Plain(device.Folder()) ==
                   std::map<std::string, std::string>{{"d", "dir "},
                                                      {"d/e", "dir "},
                                                      {"d/f", "file one"},
                                                      {"v", "file y"},
                                                      {"y", "file newer x"}},
               3);
        Expect(Plain(device.View()) == Plain(device.Folder()), 4);
        Expect(device.head() == 6 + 6 + 5, 5);  // No entry of the mirror's own.
      },
      [](Device& device) {
        if (device.head() == 6) return;
        device.Rename("x", "v");
        device.Put("y", "newer x");
        device.Remove("d/e");
        device.Mkdir("d/e");
        SetExec(device, "d/f", "");
      });
  CHECK(steps >= 10);
}

TEST_CASE("mirror_crash: an edit elsewhere after a crash is no conflict",
          "[mirror][fault]") {
  // Also of a file that is too young to be read at first.
  const int settle_ms = GENERATE(0, 300);
  TemporaryDirectory temp;
  const int first = InChild([&] {
    Device one(temp.path() / "one", "one", Mortal(0));
    WriteFile(one.dir() / "f", "first");
    Expect(one.Sweep().ok(), 1);
    Device::Options options;
    options.rocks = true;
    const fs::path there = temp.path() / "two" / "folder" / "f";
    options.mirror.at_step = [there](std::string_view step) {
      if (step == "accept" && fs::exists(there)) ::_exit(kDied);
    };
    Device two(temp.path() / "two", "two", options);
    two.Settle();
    two.PullFrom(one);
    two.Settle();
  });
  REQUIRE(first == kDied);
  const int second = InChild([&] {
    Device one(temp.path() / "one", "one", Mortal(0));
    one.Settle();
    WriteFile(one.dir() / "f", "other");
    Expect(one.Sweep().ok(), 1);
    Device::Options options = Mortal(0);
    options.start = false;
    options.mirror.settle_ms = settle_ms;
    Device two(temp.path() / "two", "two", options);
    two.PullFrom(one);
    two.StartMirror();
    two.Settle();
    Expect(two.Sweep().ok(), 2);
    Expect(Plain(two.Folder()) ==
               std::map<std::string, std::string>{{"f", "file other"}},
           3);
    Expect(two.head() == 2, 4);
    // From now on that is a user's edit as any other.
    WriteFile(two.dir() / "f", "first");
    Expect(two.Sweep().ok(), 5);
    Expect(two.head() == 3, 6);
    Expect(two.Folder() == two.View(), 7);
  });
  CHECK(second == 0);
}

TEST_CASE("mirror_crash: a user's edit after a crash is told",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run", [](const fs::path&) {},
      [](Device& device) {
        device.StopMirror();
        device.Put("x", "two");
        device.StartMirror();
        device.Settle();
      },
      [](Device& device) {
        Expect(device.View() == device.Folder(), 3);
        int mine = 0;
        for (const auto& [path, line] : Plain(device.View())) {
          mine += line == "file mine" ? 1 : 0;
        }
        Expect(mine == 1, 4);
      },
      [](Device& device) { WriteFile(device.dir() / "x", "mine"); });
  CHECK(steps >= 5);
}

TEST_CASE("mirror_crash: a rule that came and went leaves nothing out",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run",
      [](const fs::path& dir) {
        WriteFile(dir / ".synclineignore", "d/\n");
        fs::remove_all(dir / "d");
      },
      [](Device& device) { device.Sweep().IgnoreError(); },
      // Told as removed if the rule was not seen, else back again.
      [](Device& device) { Expect(device.View() == device.Folder(), 3); },
      [](Device& device) { fs::remove(device.dir() / ".synclineignore"); });
  CHECK(steps >= 4);
}

}  // namespace
}  // namespace syncline::testing
