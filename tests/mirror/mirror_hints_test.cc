#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "tests/mirror/mirror_rig.h"
#include "tests/testing/temporary_directory.h"

// What a mirror learns between sweeps, from hints and retries alone.

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMinuteMs = 60'000;

std::string RandomBytes(std::size_t count) {
  std::mt19937 random(1);
  std::string bytes(count, 0);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A device whose folder is watched, and how often it came to a step.
struct Watched {
  TemporaryDirectory temp;
  fs::path dir = temp.path() / "one" / "folder";
  std::shared_ptr<std::atomic<int>> scans =
      std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<int>> reads =
      std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<Device> device;

  explicit Watched(Device::Options options = {}) {
    options.mirror.watch = true;
    options.mirror.at_step = [scans = scans,
                              reads = reads](std::string_view step) {
      if (step == "scan") ++*scans;
      if (step == "emit") ++*reads;
    };
    device = std::make_unique<Device>(temp.path() / "one", "one", options);
    device->Settle();
  }
  Device* operator->() { return device.get(); }

  bool SoonShows(const std::string& path, std::string_view line) {
    return device->RunUntil([&] {
      const auto view = Plain(device->View());
      const auto row = view.find(path);
      return row != view.end() && row->second == line;
    });
  }
  bool SoonHas(const std::string& path, std::string_view bytes) {
    return device->RunUntil([&] {
      return device->mirror().idle() && ReadWhole(dir / path) == bytes;
    });
  }
};

TEST_CASE("mirror_hints: a directory that the project made is watched",
          "[mirror][e2e]") {
  Watched one;
  one->Mkdir("n");
  one->Mkdir("n/m");
  one->Put("n/m/theirs", "theirs");
  REQUIRE(one.SoonHas("n/m/theirs", "theirs"));
  WriteFile(one.dir / "n" / "m" / "theirs", "mine");
  WriteFile(one.dir / "n" / "new", "new");
  CHECK(one.SoonShows("n/m/theirs", "file mine"));
  CHECK(one.SoonShows("n/new", "file new"));
}

TEST_CASE("mirror_hints: a directory that the project moved is watched",
          "[mirror][e2e]") {
  Watched one;
  fs::create_directories(one.dir / "d" / "e");
  WriteFile(one.dir / "d" / "e" / "f", "one");
  REQUIRE(one->Sweep().ok());
  one->Rename("d", "moved");
  REQUIRE(one.SoonHas("moved/e/f", "one"));
  WriteFile(one.dir / "moved" / "e" / "f", "two");
  CHECK(one.SoonShows("moved/e/f", "file two"));
}

TEST_CASE("mirror_hints: a directory made anew while somebody is in the old",
          "[mirror][e2e]") {
  Watched one;
  fs::create_directory(one.dir / "d");
  REQUIRE(one->Sweep().ok());
  const int inside = ::open((one.dir / "d").c_str(), O_RDONLY | O_DIRECTORY);
  one->Remove("d");
  REQUIRE(one->RunUntil([&] { return !fs::exists(one.dir / "d"); }));
  one->Settle();
  one->Mkdir("d");
  REQUIRE(one->RunUntil([&] { return fs::exists(one.dir / "d"); }));
  one->Settle();
  WriteFile(one.dir / "d" / "f", "f");
  CHECK(one.SoonShows("d/f", "file f"));
  ::close(inside);
}

TEST_CASE("mirror_hints: an edit of the node's own rules is no trouble",
          "[mirror][e2e]") {
  Watched one;
  WriteFile(one.dir / "a.o", "object");
  REQUIRE(one.SoonShows("a.o", "file object"));
  const int before = *one.scans;
  WriteFile(one.dir / ".synclineignore", "*.o\n");
  bool lost = false;
  REQUIRE(one->RunUntil([&] {
    lost = lost || one->mirror().status().state == Mirror::State::kError;
    return *one.scans > before && one->mirror().idle();
  }));
  CHECK_FALSE(lost);
  WriteFile(one.dir / "b.o", "object");
  WriteFile(one.dir / "b", "b");
  CHECK(one.SoonShows("b", "file b"));
  CHECK_FALSE(one->View().contains("b.o"));
}

TEST_CASE("mirror_hints: a file that goes before it was read is not awaited",
          "[mirror][e2e]") {
  Device::Options options;
  options.mirror.settle_ms = kMinuteMs;
  Watched one(options);
  WriteFile(one.dir / "temporary", "x");
  REQUIRE(one->RunUntil([&] { return *one.reads > 0; }));
  fs::remove(one.dir / "temporary");
  CHECK(one->RunUntil([&] { return one->mirror().idle(); }));
}

TEST_CASE("mirror_hints: a file that is written all the time is waited for",
          "[mirror][e2e]") {
  Device::Options options;
  options.mirror.settle_ms = kMinuteMs;
  Watched one(options);
  WriteFile(one.dir / "busy", "x");
  int seen = 0;
  bool idle = false;
  REQUIRE(one->RunUntil([&] {
    if (*one.reads == seen) return false;
    seen = *one.reads;
    idle = idle || one->mirror().idle();
    one->mirror().Scan(nullptr);
    return seen >= 20;
  }));
  CHECK_FALSE(idle);
  const Mirror::Status status = one->mirror().status();
  CHECK(status.unsettled.contains("busy"));
  CHECK(status.errors.empty());
  one->time().wall_ms += 2 * kMinuteMs;
  CHECK(one.SoonShows("busy", "file x"));
  CHECK(one->RunUntil([&] { return one->mirror().idle(); }));
  CHECK(one->mirror().status().unsettled.empty());
}

TEST_CASE("mirror_hints: what a program has open is replaced once it is closed",
          "[mirror][e2e]") {
  Watched one;
  WriteFile(one.dir / "f", "one");
  REQUIRE(one->Sweep().ok());
  const int writer = ::open((one.dir / "f").c_str(), O_WRONLY);
  REQUIRE(writer >= 0);
  one->Put("f", "two");
  // Until it gives up: a few retries, each later than the one before.
  int turns = 0;
  REQUIRE(one->RunUntil([&] {
    if (one->mirror().idle() && one->mirror().status().pending > 0) return true;
    if (++turns % 20 == 0) {
      one->time().steady_ms += kMinuteMs;
      one->mirror().Scan(nullptr);
    }
    return false;
  }));
  CHECK(one->mirror().status().errors.contains("f"));
  CHECK(ReadWhole(one.dir / "f") == "one");
  ::close(writer);
  CHECK(one.SoonHas("f", "two"));
  CHECK(one->mirror().status().errors.empty());
}

TEST_CASE("mirror_hints: edits arrive in files from before the clock was set",
          "[mirror][fault]") {
  Device::Options options;
  options.mirror.settle_ms = 100;
  TemporaryDirectory temp;
  Device device(temp.path(), "one", options);
  device.time().wall_ms = -60 * kMinuteMs;  // Set back by an hour.
  WriteFile(device.dir() / "f", "one");
  REQUIRE(device.Sweep().ok());
  device.Put("f", "two");
  device.Settle();
  CHECK(device.mirror().status().errors.empty());
  CHECK(ReadWhole(device.dir() / "f") == "two");
}

// Runs until the mirror, which has not run yet, lets go of what it was given.
bool LetsGo(Device& device) {
  auto hold = std::make_shared<const int>();
  const std::weak_ptr<const int> held = hold;
  device.mirror().KeepUntilTold(std::move(hold));
  CHECK_FALSE(held.expired());
  return device.RunUntil([&] { return held.expired(); });
}

TEST_CASE("mirror_hints: what was edited before the start is told first",
          "[mirror]") {
  TemporaryDirectory temp;
  Device::Options options;
  SECTION("long before") {}
  SECTION("a moment before") { options.mirror.settle_ms = 400; }
  Device device(temp.path(), "one", options);
  device.StopMirror();
  WriteFile(device.dir() / "f", "mine");
  device.StartMirror();
  CHECK(LetsGo(device));
  CHECK(Plain(device.View()).contains("f"));
}

TEST_CASE("mirror_hints: who cannot look, or in vain, holds nothing up",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  Device::Options options;
  options.mirror.settle_ms = kMinuteMs;
  Device device(temp.path(), "one", options);
  WriteFile(device.dir() / "f", "mine");
  SECTION("a file does not come to rest") {}
  SECTION("paused") { device.mirror().Pause(); }
  SECTION("gone") {
    device.StopMirror();
    fs::rename(device.dir(), temp.path() / "away");
    device.StartMirror();
  }
  CHECK(LetsGo(device));
  CHECK_FALSE(Plain(device.View()).contains("f"));
}

TEST_CASE("mirror_hints: a home that was full takes what was written meanwhile",
          "[mirror][fault]") {
  if (::geteuid() != 0) return;  // Who may not mount has no full disk.
  TemporaryDirectory temp;
  const fs::path chunks = temp.path() / "one" / "chunks";
  fs::create_directories(chunks);
  REQUIRE(::mount("none", chunks.c_str(), "tmpfs", 0, "size=1m") == 0);
  {
    Device device(temp.path() / "one", "one");
    device.Settle();
    const std::string big = RandomBytes(3'000'000);
    WriteFile(device.dir() / "big", big);
    CHECK(absl::IsResourceExhausted(device.Sweep()));
    CHECK(device.mirror().status().state == Mirror::State::kError);
    WriteFile(device.dir() / "small", "small");
    CHECK(::mount("none", chunks.c_str(), "tmpfs", MS_REMOUNT, "size=99m") ==
          0);
    CHECK(device.RunUntil([&] { return device.mirror().idle(); }));
    CHECK(device.View() == device.Folder());
  }
  CHECK(::umount2(chunks.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("mirror_hints: what had no space and is not wanted any more",
          "[mirror][fault]") {
  if (::geteuid() != 0) return;  // Who may not mount has no full disk.
  TemporaryDirectory temp;
  const fs::path folder = temp.path() / "one" / "folder";
  fs::create_directories(folder);
  REQUIRE(::mount("none", folder.c_str(), "tmpfs", 0, "size=1m") == 0);
  {
    Device device(temp.path() / "one", "one");
    device.Settle();
    device.Put("big", RandomBytes(3'000'000));
    CHECK(device.RunUntil([&] {
      return device.mirror().status().state == Mirror::State::kError;
    }));
    device.Remove("big");
    CHECK(device.RunUntil([&] { return device.mirror().idle(); }));
  }
  CHECK(::umount2(folder.c_str(), MNT_DETACH) == 0);
}

}  // namespace
}  // namespace syncline::testing
