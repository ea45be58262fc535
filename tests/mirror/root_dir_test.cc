#include "replication/mirror/root_dir.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sched.h>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/mirror/root_rig.h"

namespace syncline {
namespace {

using testing::DeepPath;
using testing::Exists;
using testing::GetFile;
using testing::InChild;
using testing::MakeDirs;
using testing::MemoryDir;
using testing::PutFile;
using testing::RootRig;
using testing::SetMtime;
using testing::TempDir;

const ByteSink kNowhere = [](std::string_view) { return absl::OkStatus(); };

TEST_CASE("root_dir: a root belongs to the mirror that marked it", "[mirror]") {
  RootRig rig;
  const RootDir::Environment environment{rig.time, rig.random};
  CHECK(RootDir::Attach(rig.dir.path(), "rig").ok());
  CHECK(absl::IsAlreadyExists(RootDir::Attach(rig.dir.path(), "other")));
  CHECK(absl::IsInvalidArgument(RootDir::Attach(rig.dir.path(), "a\nb")));
  CHECK(absl::IsInvalidArgument(RootDir::Attach(rig.dir.path(), "")));
  CHECK(absl::IsUnavailable(
      RootDir::Open(rig.dir.path(), "other", environment, {}).status()));
  CHECK(absl::IsUnavailable(
      RootDir::Open(rig / "nothing", "rig", environment, {}).status()));
  PutFile(rig / "file", "");
  CHECK(absl::IsUnavailable(
      RootDir::Open(rig / "file", "rig", environment, {}).status()));

  rig.root.reset();
  CHECK(absl::IsFailedPrecondition(RootDir::Detach(rig.dir.path(), "other")));
  CHECK(RootDir::Detach(rig.dir.path(), "rig").ok());
  CHECK(RootDir::Detach(rig.dir.path(), "rig").ok());
  CHECK_FALSE(Exists(rig / ".syncline-root"));
  CHECK(absl::IsUnavailable(
      RootDir::Open(rig.dir.path(), "rig", environment, {}).status()));
}

// What every call says at the moment.
std::map<std::string, absl::Status> TryAll(RootDir& root,
                                           const Fingerprint& file) {
  std::map<std::string, absl::Status> said;
  said["Stat"] = root.Stat("file").status();
  said["Stat root"] = root.Stat("").status();
  said["Stat absent"] = root.Stat("absent").status();
  said["ListDir"] = root.ListDir("", [](std::string_view, const Fingerprint&) {
    return absl::OkStatus();
  });
  said["ReadFile"] = root.ReadFile("file", kNowhere).status();
  said["ReadFile absent"] = root.ReadFile("absent", kNowhere).status();
  said["ReadLink"] = root.ReadLink("link").status();
  said["OpenDir"] = root.OpenDir("absent").status();
  said["ReadSmallFile"] = root.ReadSmallFile("absent", 10).status();
  said["StageFile"] =
      root.StageFile({}, [](const ByteSink&) { return absl::OkStatus(); })
          .status();
  said["StageSymlink"] = root.StageSymlink("x", 0).status();
  said["MakeDir"] = root.MakeDir("dir").status();
  said["Remove"] = root.Remove("file", file);
  said["RemoveDir"] = root.RemoveDir("absent");
  said["Rename"] = root.Rename("file", "other", file).status();
  said["Exchange"] = root.Exchange("file", file, "link", file);
  said["SetAttributes"] = root.SetAttributes("file", file, {}).status();
  said["SyncAll"] = root.SyncAll();
  said["CleanLeftovers"] = root.CleanLeftovers().status();
  return said;
}

TEST_CASE("root_dir: a root that is lost fails every call and deletes nothing",
          "[mirror][fault]") {
  RootRig rig;
  PutFile(rig / "file", "bytes");
  REQUIRE(::symlink("x", (rig / "link").c_str()) == 0);
  const Fingerprint file = rig.Print("file");
  const std::string path = rig.dir.path();
  const std::string away = path + "-away";
  const std::string marker = rig / ".syncline-root";

  std::function<void()> lose;
  std::function<void()> find;
  SECTION("moved away") {
    lose = [&] { ::rename(path.c_str(), away.c_str()); };
    find = [&] { ::rename(away.c_str(), path.c_str()); };
  }
  SECTION("replaced by an empty directory") {
    lose = [&] {
      ::rename(path.c_str(), away.c_str());
      MakeDirs(path);
    };
    find = [&] {
      ::rmdir(path.c_str());
      ::rename(away.c_str(), path.c_str());
    };
  }
  SECTION("replaced by a copy with its marker") {
    lose = [&] {
      ::rename(path.c_str(), away.c_str());
      MakeDirs(path);
      PutFile(marker, GetFile(away + "/.syncline-root"));
    };
    find = [&] {
      ::unlink(marker.c_str());
      ::rmdir(path.c_str());
      ::rename(away.c_str(), path.c_str());
    };
  }
  SECTION("marker moved") {
    lose = [&] { ::rename(marker.c_str(), (marker + "x").c_str()); };
    find = [&] { ::rename((marker + "x").c_str(), marker.c_str()); };
  }
  SECTION("marker is a symlink") {
    lose = [&] {
      ::rename(marker.c_str(), (marker + "x").c_str());
      CHECK(::symlink(".syncline-rootx", marker.c_str()) == 0);
    };
    find = [&] { ::rename((marker + "x").c_str(), marker.c_str()); };
  }

  lose();
  for (const auto& [call, status] : TryAll(*rig.root, file)) {
    INFO(call << ": " << status);
    CHECK(absl::IsUnavailable(status));
  }
  find();
  CHECK(rig.Read("file") == "bytes");
  CHECK(rig.Print("file") == file);
  CHECK_FALSE(Exists(rig / "dir"));
}

TEST_CASE("root_dir: stat tells kinds and times and modes exactly",
          "[mirror]") {
  RootRig rig;
  PutFile(rig / "f", "12345");
  SetMtime(rig / "f", 1'234'567'890'123'456'789);
  REQUIRE(::chmod((rig / "f").c_str(), 0751) == 0);
  MakeDirs(rig / "d/e");
  REQUIRE(::symlink("d", (rig / "l").c_str()) == 0);
  REQUIRE(::mkfifo((rig / "p").c_str(), 0600) == 0);

  const Fingerprint file = rig.Print("f");
  CHECK(file.kind == DiskKind::kFile);
  CHECK(file.size == 5);
  CHECK(file.mtime_ns == 1'234'567'890'123'456'789);
  CHECK(file.mode == 0751);
  CHECK(file.executable());
  CHECK(file.device == 0);
  CHECK(rig.Print("d/e").kind == DiskKind::kDirectory);
  CHECK(rig.Print("l").kind == DiskKind::kSymlink);
  CHECK(rig.Print("p").kind == DiskKind::kSpecial);
  CHECK(rig.Print("").kind == DiskKind::kDirectory);
  CHECK(rig->ReadLink("l").value() == "d");

  SetMtime(rig / "f", -1'500'000'000);  // Before 1970.
  CHECK(rig.Print("f").mtime_ns == -1'500'000'000);
  CHECK(absl::IsNotFound(rig->Stat("none").status()));
  CHECK(absl::IsNotFound(rig->Stat("none/x").status()));
  CHECK(absl::IsFailedPrecondition(rig->Stat("f/x").status()));
  CHECK(absl::IsFailedPrecondition(rig->Stat("l/e").status()));
  CHECK(absl::IsFailedPrecondition(rig->ReadLink("f").status()));
}

TEST_CASE("root_dir: paths that could leave the root are refused",
          "[mirror][table]") {
  RootRig rig;
  const std::string path =
      GENERATE(as<std::string>(), "/etc/passwd", "..", "../x", "a/../../x",
               "a/./b", "a//b", "/", "a/", std::string("a\0b", 3),
               std::string(256, 'x'), ".syncline-root", "a/.syncline-tmp/x");
  INFO(path);
  CHECK(absl::IsInvalidArgument(rig->Stat(path).status()));
  CHECK(absl::IsInvalidArgument(rig->ReadFile(path, kNowhere).status()));
  CHECK(absl::IsInvalidArgument(rig->MakeDir(path).status()));
  CHECK(absl::IsInvalidArgument(rig.Put(path, "x").status()));
  CHECK(absl::IsInvalidArgument(rig->RemoveDir(path)));
  CHECK(absl::IsInvalidArgument(rig->Remove(path, {})));
  CHECK(absl::IsInvalidArgument(rig->Rename(path, "b", {}).status()));
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_dir: names may hold any byte", "[mirror]") {
  RootRig rig({}, GENERATE(std::string(), MemoryDir()));
  std::set<std::string> names = {
      std::string(255, '\xff'), "a\nb", " ", "-rf", "\xc3\x28", "..."};
  for (int c = 1; c < 256; ++c) {
    if (c != '/' && c != '.')
      names.insert(std::string(1, static_cast<char>(c)));
  }
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(rig.Put(name, "content of " + name).ok());
    CHECK(rig.Read(name) == "content of " + name);
  }
  std::size_t listed = 0;
  REQUIRE(rig->ListDir("",
                       [&](std::string_view name, const Fingerprint& print) {
                         listed += names.count(std::string(name));
                         if (!name.starts_with(".syncline"))
                           CHECK(rig.Print(name) == print);
                         return absl::OkStatus();
                       })
              .ok());
  CHECK(listed == names.size());
}

TEST_CASE("root_dir: paths longer than the kernel takes work", "[mirror]") {
  RootRig rig;
  const std::string deep = DeepPath(40, 200);
  REQUIRE(deep.size() > 4096);
  for (std::size_t end = 200; end <= deep.size(); end += 201)
    REQUIRE(rig->MakeDir(deep.substr(0, end)).ok());
  const std::string path = deep + "/file";
  const auto first = rig.Put(path, "first");
  REQUIRE(first.ok());
  CHECK(rig.Read(path) == "first");
  const auto second = rig.Put(path, "second", *first);
  REQUIRE(second.ok());
  const auto third = rig->Rename(path, "top", *second);
  REQUIRE(third.ok());
  CHECK(rig->Rename("top", path, *third).ok());
  CHECK(rig->Remove(path, rig.Print(path)).ok());
  CHECK(absl::IsNotFound(rig->Stat(path).status()));
  for (std::size_t end = deep.size(); end > 200; end -= 201)
    REQUIRE(rig->RemoveDir(deep.substr(0, end)).ok());
}

TEST_CASE("root_dir: a read gives all bytes of a quiet file or none",
          "[mirror]") {
  RootRig rig;
  std::string content;
  for (int i = 0; content.size() < 700'000; ++i) content += std::to_string(i);
  PutFile(rig / "f", content);
  CHECK(rig.Read("f") == content);
  const auto read = rig->ReadFile("f", kNowhere);
  REQUIRE(read.ok());
  CHECK(read->trusted);
  CHECK(read->fingerprint == rig.Print("f"));

  const auto changed_by = [&](const std::function<void()>& change) {
    bool done = false;
    return rig
        ->ReadFile("f",
                   [&](std::string_view) {
                     if (!done) change();
                     done = true;
                     return absl::OkStatus();
                   })
        .status();
  };
  CHECK(absl::IsAborted(changed_by([&] { PutFile(rig / "f", "short"); })));
  CHECK(absl::IsAborted(changed_by([&] { PutFile(rig / "f", "other"); })));
  CHECK(absl::IsAborted(changed_by([&] { SetMtime(rig / "f", 5); })));
  CHECK(absl::IsDataLoss(rig->ReadFile("f",
                                       [](std::string_view) {
                                         return absl::DataLossError(
                                             "the sink's own");
                                       })
                             .status()));
  CHECK(absl::IsNotFound(rig->ReadFile("none", kNowhere).status()));
}

TEST_CASE("root_dir: a file that was changed a moment ago is not read yet",
          "[mirror]") {
  RootRig rig;
  PutFile(rig / "f", "x");
  SetMtime(rig / "f", 1'000'000'000);  // An old mtime proves nothing.
  const std::int64_t ctime_ms = rig.Print("f").ctime_ns / 1'000'000;
  rig.time.standing_ms = ctime_ms;
  CHECK(absl::IsAborted(rig->ReadFile("f", kNowhere).status()));
  rig.time.standing_ms = ctime_ms + 499;
  CHECK(absl::IsAborted(rig->ReadFile("f", kNowhere).status()));
  rig.time.standing_ms = ctime_ms + 500;
  CHECK(rig->ReadFile("f", kNowhere).ok());
  // A clock that was set back far must not bar the file for as long.
  rig.time.standing_ms = ctime_ms - 3'600'000;
  const auto read = rig->ReadFile("f", kNowhere);
  REQUIRE(read.ok());
  CHECK(read->trusted);
}

TEST_CASE("root_dir: only regular files are opened to be read", "[mirror]") {
  RootRig rig;
  REQUIRE(::mkfifo((rig / "fifo").c_str(), 0600) == 0);
  REQUIRE(::symlink("/etc/passwd", (rig / "link").c_str()) == 0);
  MakeDirs(rig / "dir");
  for (const char* path : {"fifo", "link", "dir"}) {
    CHECK(absl::IsFailedPrecondition(rig->ReadFile(path, kNowhere).status()));
    CHECK(absl::IsFailedPrecondition(rig->ReadSmallFile(path, 100).status()));
  }
  PutFile(rig / ".synclineignore", "12345");
  CHECK(rig->ReadSmallFile(".synclineignore", 5).value() == "12345");
  CHECK(absl::IsResourceExhausted(
      rig->ReadSmallFile(".synclineignore", 4).status()));
}

// A shared mapping that keeps its file open for writing.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR);
    bytes_ = static_cast<char*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ::close(fd);
  }
  ~Mapped() { ::munmap(bytes_, 4096); }
  void Store(char value) { *const_cast<volatile char*>(bytes_) = value; }

 private:
  char* bytes_;
};

TEST_CASE("root_dir: a trusted fingerprint changes when a mapped page does",
          "[mirror][fault]") {
  const std::string parent = GENERATE(std::string(), MemoryDir());
  RootRig rig({}, parent);
  PutFile(rig / "f", std::string(4096, 'a'));
  auto mapped = std::make_unique<Mapped>(rig / "f");
  mapped->Store('b');  // The page is dirty: a second store is not seen...
  const auto read = rig->ReadFile("f", kNowhere);
  REQUIRE(read.ok());
  mapped->Store('c');
  const bool shows = rig.Print("f") != read->fingerprint;
  CHECK(read->trusted <= shows);  // ...unless the read cleaned it.
  CHECK(absl::IsAborted(rig->Remove("f", rig.Print("f"))));
  if (!parent.empty()) CHECK_FALSE(read->trusted);

  mapped.reset();
  const auto again = rig->ReadFile("f", kNowhere);
  REQUIRE(again.ok());
  CHECK(again->trusted);
}

TEST_CASE("root_dir: what may not be read is an error and not absent",
          "[mirror][fault]") {
  RootRig rig;
  PutFile(rig / "f", "x");
  MakeDirs(rig / "closed");
  PutFile(rig / "closed/f", "x");
  REQUIRE(::chmod((rig / "f").c_str(), 0) == 0);
  REQUIRE(::chmod((rig / "closed").c_str(), 0) == 0);
  REQUIRE(::chmod(rig.dir.path().c_str(), 0755) == 0);
  const int failed = InChild([&] {
    if (::setuid(65534) != 0) return 100;
    int wrong = 0;
    const auto denied = [&wrong](const absl::Status& status) {
      if (!absl::IsPermissionDenied(status)) ++wrong;
    };
    denied(rig->ReadFile("f", kNowhere).status());
    denied(rig->Stat("closed/f").status());
    denied(rig->ListDir("closed", [](std::string_view, const Fingerprint&) {
      return absl::OkStatus();
    }));
    denied(rig.Put("new", "x").status());
    denied(rig->MakeDir("new").status());
    if (!rig->Stat("f").ok()) ++wrong;
    return wrong;
  });
  CHECK(failed == 0);

  // The root itself, shut, is not a directory that lost its files.
  REQUIRE(::chmod(rig.dir.path().c_str(), 0) == 0);
  const int shut = InChild([&] {
    if (::setuid(65534) != 0) return 100;
    return absl::IsUnavailable(rig->Stat("f").status()) ? 0 : 1;
  });
  CHECK(shut == 0);
}

TEST_CASE("root_dir: what is mounted below the root is not entered",
          "[mirror]") {
  RootRig rig;
  MakeDirs(rig / "mnt");
  PutFile(rig / "outside", "");
  PutFile(rig / "bound", "");
  const int result = InChild([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", (rig / "mnt").c_str(), "tmpfs", 0, nullptr) != 0)
      return 100;
    // The same file system, mounted again: st_dev does not tell.
    if (::mount((rig / "outside").c_str(), (rig / "bound").c_str(), nullptr,
                MS_BIND, nullptr) != 0)
      return 101;
    rig.Reopen();  // The old descriptor leads to the old mounts.
    PutFile(rig / "mnt/f", "x");
    int wrong = 0;
    if (rig.Print("mnt").kind != DiskKind::kMountPoint) wrong |= 1;
    if (rig.Print("bound").kind != DiskKind::kMountPoint) wrong |= 2;
    if (!absl::IsFailedPrecondition(rig->Stat("mnt/f").status())) wrong |= 4;
    if (!absl::IsFailedPrecondition(rig.Put("mnt/g", "x").status())) wrong |= 8;
    if (!absl::IsFailedPrecondition(rig->RemoveDir("mnt"))) wrong |= 16;
    if (!absl::IsFailedPrecondition(rig->ReadFile("bound", kNowhere).status()))
      wrong |= 32;
    return wrong;
  });
  if (result >= 100) {
    WARN("no right to mount: not tested");
    return;
  }
  CHECK(result == 0);
}

}  // namespace
}  // namespace syncline
