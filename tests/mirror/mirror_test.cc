#include "replication/mirror/mirror.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/mirror/mirror_rig.h"
#include "tests/testing/some_bytes.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

void Chmod(const fs::path& path, mode_t mode) {
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

void SetMtime(const fs::path& path, std::int64_t ns) {
  const timespec times[2] = {{0, UTIME_OMIT},
                             {ns / 1'000'000'000, ns % 1'000'000'000}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// A device whose folder holds a small tree that is known to the project.
struct OneDevice {
  TemporaryDirectory temp;
  fs::path home = temp.path() / "one";
  fs::path dir = home / "folder";
  std::unique_ptr<Device> device;

  explicit OneDevice(const Device::Options& options = {}) {
    fs::create_directories(dir / "d" / "e");
    fs::create_directories(dir / "empty");
    WriteFile(dir / "f", "one");
    WriteFile(dir / "d" / "g", std::string(100'000, 'x').append("tail"));
    WriteFile(dir / "d" / "e" / "h", "");
    fs::create_symlink("d/g", dir / "link");
    device = std::make_unique<Device>(home, "one", options);
    device->Settle();
  }
  Device* operator->() { return device.get(); }

  // Folder and project show the same, and stay silent.
  void CheckQuiet() {
    CHECK(device->View() == device->Folder());
    const std::uint64_t head = device->head();
    CHECK(device->Sweep().ok());
    CHECK(device->Sweep().ok());
    CHECK(device->head() == head);
    CHECK(device->ChangesSince(head).empty());
    CHECK(device->mirror().idle());
  }
};

TEST_CASE("mirror: a first sweep imports a tree with one entry for each item",
          "[mirror][e2e]") {
  OneDevice one;
  CHECK(one->ChangesSince(0) == Lines{"mkdir d", "mkdir d/e", "create d/e/h",
                                      "create d/g", "mkdir empty", "create f",
                                      "create link"});
  CHECK(one->mirror().status().scanned_files == 7);
  one.CheckQuiet();
}

TEST_CASE("mirror: odd names are carried as they are", "[mirror][e2e]") {
  OneDevice one;
  const std::string odd[] = {
      " ",   "a\nb",   "\xff\xfe",           "\"'\\", "-rf", "ä", "..a", "~",
      "CON", "a\x01z", std::string(255, 'n')};
  for (const std::string& name : odd) WriteFile(one.dir / name, name);
  REQUIRE(one->Sweep().ok());
  for (const std::string& name : odd) CHECK(one->View().contains(name));
  one.CheckQuiet();
}

TEST_CASE("mirror: an edit on the disk is one update", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  WriteFile(one.dir / "f", "two");
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) == Lines{"update f"});
  one.CheckQuiet();
}

TEST_CASE("mirror: an edit that keeps size and time is found",
          "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  struct stat before {};
  REQUIRE(::stat((one.dir / "f").c_str(), &before) == 0);
  WriteFile(one.dir / "f", "ONE");
  SetMtime(one.dir / "f",
           before.st_mtim.tv_sec * 1'000'000'000LL + before.st_mtim.tv_nsec);
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) == Lines{"update f"});
  CHECK(Plain(one->View())["f"] == "file ONE");
  one.CheckQuiet();
}

TEST_CASE("mirror: saving by rename is an edit of the same file",
          "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  WriteFile(one.dir / "f.tmp", "two");
  fs::rename(one.dir / "f", one.dir / "f~");
  fs::rename(one.dir / "f.tmp", one.dir / "f");
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) == Lines{"update f", "create f~"});
  one.CheckQuiet();
}

TEST_CASE("mirror: a renamed directory is one entry", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  fs::rename(one.dir / "d", one.dir / "empty" / "moved");
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) == Lines{"rename d empty/moved"});
  one.CheckQuiet();
}

TEST_CASE("mirror: a directory renamed and edited inside", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  fs::rename(one.dir / "d", one.dir / "n");
  WriteFile(one.dir / "n" / "g", "short");
  fs::rename(one.dir / "n" / "e", one.dir / "e2");
  WriteFile(one.dir / "n" / "new", "new");
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) ==
        Lines{"rename d/e e2", "rename d n", "update n/g", "create n/new"});
  one.CheckQuiet();
}

TEST_CASE("mirror: files that change places are one entry", "[mirror][e2e]") {
  OneDevice one;
  WriteFile(one.dir / "k", "the other");
  REQUIRE(one->Sweep().ok());
  const std::uint64_t head = one->head();
  fs::rename(one.dir / "f", one.dir / "t");
  fs::rename(one.dir / "k", one.dir / "f");
  fs::rename(one.dir / "t", one.dir / "k");
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head + 1);
  one.CheckQuiet();
}

TEST_CASE("mirror: a removed directory is one entry", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  fs::remove_all(one.dir / "d");
  fs::remove(one.dir / "f");
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head + 2);
  CHECK(Plain(one->View()) == std::map<std::string, std::string>{
                                  {"empty", "dir "}, {"link", "link d/g"}});
  one.CheckQuiet();
}

TEST_CASE("mirror: mode and time alone are attributes", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  Chmod(one.dir / "f", 0755);
  REQUIRE(one->Sweep().ok());
  CHECK(one->ChangesSince(head) == Lines{"attr f"});
  one.CheckQuiet();
  SetMtime(one.dir / "f", 86'400'123'456'789);
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head + 2);
  one.CheckQuiet();
  Chmod(one.dir / "f", 0644);
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head + 3);
  one.CheckQuiet();
}

TEST_CASE("mirror: kinds change in place", "[mirror][e2e]") {
  OneDevice one;
  fs::remove(one.dir / "f");
  fs::create_directory(one.dir / "f");
  WriteFile(one.dir / "f" / "in", "in");
  fs::remove_all(one.dir / "d");
  WriteFile(one.dir / "d", "now a file");
  fs::remove(one.dir / "link");
  WriteFile(one.dir / "link", "now a file");
  fs::remove(one.dir / "empty");
  fs::create_symlink("f/in", one.dir / "empty");
  REQUIRE(one->Sweep().ok());
  one.CheckQuiet();
}

TEST_CASE("mirror: changes of the project reach the disk", "[mirror][e2e]") {
  OneDevice one;
  one->Put("f", "from afar");
  one->Put("d/new", std::string(300'000, 'y'));
  one->Mkdir("made");
  one->Put("made/in", "in");
  one->Rename("d/e", "made/e");
  one->Remove("empty");
  one->Settle();
  const auto folder = Plain(one->Folder());
  CHECK(folder.at("f") == "file from afar");
  CHECK(folder.at("made/in") == "file in");
  CHECK(folder.at("made/e/h") == "file ");
  CHECK(folder.at("d/new").size() == 300'005);
  CHECK_FALSE(folder.contains("empty"));
  CHECK(folder == Plain(one->View()));
  const std::uint64_t head = one->head();
  REQUIRE(one->Sweep().ok());
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head);  // No echo.
}

TEST_CASE("mirror: a directory renamed in the project keeps its inodes",
          "[mirror][e2e]") {
  OneDevice one;
  struct stat before {};
  REQUIRE(::stat((one.dir / "d" / "g").c_str(), &before) == 0);
  one->Rename("d", "empty/d2");
  one->Put("empty/d2/g", "edited");
  one->Put("empty/d2/e/h2", "new");
  one->Settle();
  struct stat after {};
  REQUIRE(::stat((one.dir / "empty" / "d2" / "e" / "h").c_str(), &after) == 0);
  CHECK(Plain(one->Folder()) == Plain(one->View()));
  CHECK(Plain(one->Folder()).at("empty/d2/g") == "file edited");
  const std::uint64_t head = one->head();
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head);
}

TEST_CASE("mirror: a change on both sides is told first and kept",
          "[mirror][e2e]") {
  OneDevice one;
  WriteFile(one.dir / "f", "mine");
  one->Put("f", "theirs");  // The mirror has not looked yet.
  REQUIRE(one->Sweep().ok());
  one->Settle();
  std::vector<std::string> shown;
  for (const auto& [path, line] : Plain(one->Folder())) {
    if (path.starts_with("f")) shown.push_back(line);
  }
  std::sort(shown.begin(), shown.end());
  CHECK(shown == Lines{"file mine", "file theirs"});
  CHECK(Plain(one->Folder()) == Plain(one->View()));
}

TEST_CASE("mirror: a file made where the project wants one is kept",
          "[mirror][e2e]") {
  OneDevice one;
  WriteFile(one.dir / "new", "mine");
  one->Put("new", "theirs");
  one->Settle();
  REQUIRE(one->Sweep().ok());
  std::vector<std::string> shown;
  for (const auto& [path, line] : Plain(one->Folder())) {
    if (path.starts_with("new")) shown.push_back(line);
  }
  std::sort(shown.begin(), shown.end());
  CHECK(shown == Lines{"file mine", "file theirs"});
}

TEST_CASE("mirror: local work in a directory that the project removed stays",
          "[mirror][e2e]") {
  OneDevice one;
  WriteFile(one.dir / "d" / "mine", "mine");
  one->Remove("d");
  one->Settle();
  REQUIRE(one->Sweep().ok());
  one->Settle();
  const auto folder = Plain(one->Folder());
  CHECK(folder.at("d/mine") == "file mine");
  CHECK_FALSE(folder.contains("d/g"));
  CHECK(folder == Plain(one->View()));
}

TEST_CASE("mirror: a mass delete waits for a word", "[mirror][fault]") {
  OneDevice one;
  for (int i = 0; i < 150; ++i) {
    WriteFile(one.dir / "empty" / std::to_string(i), std::to_string(i));
  }
  REQUIRE(one->Sweep().ok());
  const std::uint64_t head = one->head();
  fs::remove_all(one.dir / "empty");
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head);
  CHECK(one->mirror().status().state == Mirror::State::kError);
  CHECK(one->mirror().status().held_deletes == 151);
  SECTION("the files come back") {
    fs::create_directory(one.dir / "empty");
    for (int i = 0; i < 150; ++i) {
      WriteFile(one.dir / "empty" / std::to_string(i), std::to_string(i));
    }
    REQUIRE(one->Sweep().ok());
    CHECK(one->mirror().status().held_deletes == 0);
    CHECK(one->View().contains("empty/7"));
    one.CheckQuiet();
  }
  SECTION("it was meant") {
    one->mirror().ConfirmDeletes();
    CHECK(one->RunUntil([&] { return one->mirror().idle(); }));
    CHECK(one->head() == head + 1);
    CHECK_FALSE(one->View().contains("empty"));
    one.CheckQuiet();
  }
}

TEST_CASE("mirror: a missing root is an error and nothing is deleted",
          "[mirror][fault]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  const auto view = one->View();
  fs::rename(one.dir, one.home / "away");
  SECTION("gone") {}
  SECTION("an empty directory is in its place") {
    fs::create_directory(one.dir);
  }
  CHECK_FALSE(one->Sweep().ok());
  CHECK(one->mirror().status().state == Mirror::State::kError);
  CHECK_FALSE(one->mirror().status().error.empty());
  CHECK(one->head() == head);
  CHECK(one->View() == view);
  fs::remove(one.dir);
  fs::rename(one.home / "away", one.dir);
  REQUIRE(one->RunUntil([&] { return one->mirror().idle(); }));
  CHECK(one->head() == head);
  one.CheckQuiet();
}

// Root can read everything, so this runs as somebody else, in a child; there,
// exit codes tell what went wrong.
TEST_CASE("mirror: what cannot be read is reported and not deleted",
          "[mirror][fault]") {
  TemporaryDirectory temp;
  Chmod(temp.path(), 0777);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto expect = [](bool holds, int code) {
      if (!holds) ::_exit(code);
    };
    expect(::geteuid() != 0 || ::setuid(65534) == 0, 1);
    Device one(temp.path() / "one", "one");
    const fs::path dir = one.dir();
    fs::create_directory(dir / "d");
    WriteFile(dir / "d" / "g", "g");
    expect(one.Sweep().ok(), 2);
    const std::uint64_t head = one.head();
    ::chmod((dir / "d").c_str(), 0);
    WriteFile(dir / "secret", "s");
    ::chmod((dir / "secret").c_str(), 0);
    expect(one.Sweep().ok() && one.head() == head, 3);
    expect(one.View().contains("d/g"), 4);
    expect(one.mirror().status().errors.contains("d"), 5);
    expect(one.mirror().status().errors.contains("secret"), 6);
    expect(one.mirror().idle(), 7);
    one.Put("d/new", "cannot be written yet");
    one.Settle();
    expect(one.mirror().status().errors.contains("d/new"), 8);
    ::chmod((dir / "d").c_str(), 0755);
    ::chmod((dir / "secret").c_str(), 0644);
    expect(one.Sweep().ok() && one.Sweep().ok(), 9);
    expect(one.mirror().status().errors.empty(), 10);
    expect(Plain(one.View()) == Plain(one.Folder()), 11);
    expect(ReadWhole(dir / "d" / "new") == "cannot be written yet", 12);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("mirror: content that is not here yet leaves the old version",
          "[mirror][e2e]") {
  OneDevice one;
  TemporaryDirectory temp;
  Device two(temp.path() / "two", "two");
  two.Settle();
  two.PullFrom(*one.device);
  two.Settle();
  one->Put("f", "newer");
  two.PullFrom(*one.device, /*with_chunks=*/false);
  two.RunUntil([&] { return two.mirror().status().pending > 0; });
  CHECK(Plain(two.Folder()).at("f") == "file one");
  CHECK_FALSE(two.mirror().idle());
  two.Restart();  // It is remembered.
  CHECK(two.RunUntil([&] { return two.mirror().status().pending > 0; }));
  two.FetchChunks(*one.device);
  CHECK(two.RunUntil([&] { return two.mirror().idle(); }));
  CHECK(Plain(two.Folder()).at("f") == "file newer");
}

TEST_CASE("mirror: content that was damaged is fetched again",
          "[mirror][fault]") {
  OneDevice one;
  TemporaryDirectory temp;
  Device two(temp.path() / "two", "two");
  two.Settle();
  two.mirror().Pause();
  const std::string bytes = SomeBytes(1, 100'000);
  one->Put("f", bytes);
  two.PullFrom(*one.device);
  REQUIRE(two.replica().wants().size() == 0);
  for (const auto& file : fs::recursive_directory_iterator(temp.path())) {
    if (!file.is_regular_file() || file.file_size() < 32u << 10) continue;
    fs::permissions(file.path(), fs::perms::owner_write, fs::perm_options::add);
    WriteFile(file.path(), "damaged");
  }
  two.mirror().Resume();
  REQUIRE(two.RunUntil([&] { return two.replica().wants().size() > 0; }));
  CHECK_FALSE(two.mirror().idle());
  CHECK(Plain(two.Folder()).count("f") == 0);
  two.FetchChunks(*one.device);
  REQUIRE(two.RunUntil([&] { return two.mirror().idle(); }));
  CHECK((ReadWhole(two.dir() / "f") == bytes));
  CHECK(two.mirror().status().errors.empty());
}

TEST_CASE("mirror: another mirror's folder inside is left alone and told",
          "[mirror]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  fs::create_directory(one.dir / "other");
  WriteFile(one.dir / "other" / ".syncline-root", "syncline mirror 1\nx\n");
  WriteFile(one.dir / "other" / "theirs", "x");
  REQUIRE(one->Sweep().ok());
  CHECK(one->head() == head);
  const auto errors = one->mirror().status().errors;
  REQUIRE(errors.size() == 1);
  CHECK(errors.at("other").find("another mirror") != std::string::npos);
  // By a rule nobody is told of it.
  WriteFile(one.dir / ".synclineignore", "other\n");
  REQUIRE(one->Sweep().ok());
  CHECK(one->mirror().status().errors.empty());
  fs::remove(one.dir / ".synclineignore");
  fs::remove(one.dir / "other" / ".syncline-root");
  REQUIRE(one->Sweep().ok());
  CHECK(one->mirror().status().errors.empty());
  CHECK(one->View().contains("other/theirs"));
}

TEST_CASE("mirror: pausing stops both directions", "[mirror]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  one->mirror().Pause();
  WriteFile(one.dir / "f", "two");
  one->Put("d/new", "new");
  CHECK_FALSE(one->mirror().idle());
  CHECK(one->mirror().status().state == Mirror::State::kPaused);
  bool refused = false;
  one->mirror().Scan([&](const absl::Status& status) {
    refused = absl::IsFailedPrecondition(status);
  });
  CHECK(refused);
  one->RunUntil([] { return false; }, 50);
  CHECK(one->head() == head + 1);
  CHECK_FALSE(fs::exists(one.dir / "d" / "new"));
  one->mirror().Resume();
  CHECK(one->RunUntil([&] { return one->mirror().idle(); }));
  CHECK(one->head() == head + 2);
  CHECK(ReadWhole(one.dir / "d" / "new") == "new");
}

TEST_CASE("mirror: hints are enough", "[mirror][e2e]") {
  Device::Options options;
  options.mirror.watch = true;
  OneDevice one(options);
  WriteFile(one.dir / "f", "two");
  fs::create_directories(one.dir / "n" / "m");
  WriteFile(one.dir / "n" / "m" / "deep", "deep");
  fs::rename(one.dir / "d", one.dir / "d2");
  CHECK(one->RunUntil(
      [&] { return one->mirror().idle() && one->View() == one->Folder(); }));
  one->Put("n/m/back", "back");
  CHECK(one->RunUntil([&] {
    return fs::exists(one.dir / "n" / "m" / "back") && one->mirror().idle();
  }));
}

TEST_CASE("mirror: a restart writes nothing", "[mirror][e2e]") {
  OneDevice one;
  const std::uint64_t head = one->head();
  one->Restart();
  one->Settle();
  CHECK(one->head() == head);
  one->StopMirror();
  WriteFile(one.dir / "f", "while it was down");
  one->Put("d/new", "new");
  one->StartMirror();
  one->Settle();
  CHECK(one->head() == head + 2);
  CHECK(Plain(one->View()) == Plain(one->Folder()));
}

TEST_CASE("mirror: a folder is refused to a second mirror", "[mirror][fault]") {
  OneDevice one;
  Device::Options options;
  options.start = false;
  TemporaryDirectory temp;
  Device two(temp.path(), "two", options);
  Mirror::Options mirror;
  mirror.dir = one.dir.string();
  mirror.id = 2;
  CHECK(two.TryMirror(mirror).code() == absl::StatusCode::kAlreadyExists);
  mirror.dir = (temp.path() / "missing").string();
  CHECK(two.TryMirror(mirror).code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace syncline::testing
