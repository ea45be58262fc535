#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include <catch2/catch.hpp>

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
// the folder, `work` on the device.
int ForEachStep(const fs::path& home,
                const std::function<void(const fs::path& dir)>& before,
                const std::function<void(Device&)>& work,
                const std::function<void(Device&)>& check) {
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
      Device device(home, "one", Mortal(0));
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

TEST_CASE("mirror_crash: what the project wants is done once",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  const int steps = ForEachStep(
      temp.path() / "run", [](const fs::path&) {},
      [&](Device& device) {
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
      },
      [&](Device& device) {
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

}  // namespace
}  // namespace syncline::testing
