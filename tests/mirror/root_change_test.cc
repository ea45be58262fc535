#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "replication/mirror/root_dir.h"
#include "tests/mirror/root_rig.h"

namespace syncline {
namespace {

using testing::Exists;
using testing::GetFile;
using testing::InChild;
using testing::MakeDirs;
using testing::MemoryDir;
using testing::MtimeOf;
using testing::PutFile;
using testing::RootRig;
using testing::SetMtime;
using testing::TempDir;

RootDir::Options Plain(bool plain) {
  RootDir::Options options;
  options.plain_renames = plain;
  return options;
}

struct stat Lstat(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

TEST_CASE("root_change: a new file has its bytes and time and mode",
          "[mirror]") {
  RootRig rig(Plain(GENERATE(false, true)),
              GENERATE(std::string(), MemoryDir()));
  const mode_t before = ::umask(027);
  const auto file =
      rig.Put("f", "bytes", {}, {.mtime_ns = 1'111'111'111'123'456'789});
  const auto program = rig.Put("x", "", {}, {.executable = true});
  const auto old = rig.Put("old", "", {}, {.mtime_ns = -1});
  ::umask(before);
  REQUIRE(file.ok());
  CHECK(GetFile(rig / "f") == "bytes");
  CHECK(MtimeOf(rig / "f") == 1'111'111'111'123'456'789);
  CHECK(Lstat(rig / "f").st_mode == (S_IFREG | 0640));
  CHECK(*file == rig.Print("f"));
  REQUIRE(program.ok());
  CHECK(Lstat(rig / "x").st_mode == (S_IFREG | 0750));
  REQUIRE(old.ok());
  CHECK(MtimeOf(rig / "old") == -1);

  CHECK(absl::IsAlreadyExists(rig.Put("f", "other").status()));
  MakeDirs(rig / "d");
  CHECK(absl::IsAlreadyExists(rig.Put("d", "other").status()));
  CHECK(absl::IsNotFound(rig.Put("none/f", "other").status()));
  CHECK(absl::IsFailedPrecondition(rig.Put("f/f", "other").status()));
  CHECK(GetFile(rig / "f") == "bytes");
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_change: a replaced file keeps its permissions but not more",
          "[mirror]") {
  RootRig rig(Plain(GENERATE(false, true)),
              GENERATE(std::string(), MemoryDir()));
  PutFile(rig / "f", "old");
  REQUIRE(::chmod((rig / "f").c_str(), 04600) == 0);
  const bool root = ::geteuid() == 0;
  if (root) REQUIRE(::chown((rig / "f").c_str(), 65534, 65534) == 0);
  if (root) REQUIRE(::chmod((rig / "f").c_str(), 04600) == 0);
  const auto print = rig.Put("f", "new", rig.Print("f"), {.executable = true});
  REQUIRE(print.ok());
  CHECK(GetFile(rig / "f") == "new");
  CHECK(Lstat(rig / "f").st_mode == (S_IFREG | 0700));
  if (root) CHECK(Lstat(rig / "f").st_uid == 65534);
  CHECK(*print == rig.Print("f"));
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_change: symlinks are made and replaced and never followed",
          "[mirror]") {
  RootRig rig(Plain(GENERATE(false, true)));
  TempDir outside;
  PutFile(outside / "target", "untouched");
  auto staged = rig->StageSymlink(outside / "target", 7'000'000'001);
  REQUIRE(staged.ok());
  const auto link = rig->Install(*std::move(staged), "l", std::nullopt);
  REQUIRE(link.ok());
  CHECK(rig->ReadLink("l").value() == outside / "target");
  CHECK(MtimeOf(rig / "l") == 7'000'000'001);

  const auto file = rig.Put("l", "a file now", *link);
  REQUIRE(file.ok());
  CHECK(file->kind == DiskKind::kFile);
  auto again = rig->StageSymlink("x\xff\n", std::nullopt);
  const auto second = rig->Install(*std::move(again), "l", *file);
  REQUIRE(second.ok());
  CHECK(rig->ReadLink("l").value() == "x\xff\n");
  CHECK(rig->Remove("l", *second).ok());
  CHECK_FALSE(Exists(rig / "l"));
  CHECK(absl::IsInvalidArgument(rig->StageSymlink("", 0).status()));
  CHECK(GetFile(outside / "target") == "untouched");
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_change: what is staged and not installed leaves no trace",
          "[mirror]") {
  RootRig rig;
  {
    auto staged =
        rig->StageFile({}, [](const ByteSink& sink) { return sink("abc"); });
    REQUIRE(staged.ok());
    CHECK(staged->Sync().ok());
    CHECK(staged->fingerprint().size == 3);
    CHECK(rig.PrivateNames().size() == 1);
    auto link = rig->StageSymlink("x", 0);
    REQUIRE(link.ok());
    CHECK(link->Sync().ok());
    RootDir::Staged moved = *std::move(link);
    moved = *std::move(staged);
  }
  CHECK(rig.PrivateNames().empty());
  CHECK(absl::IsDataLoss(rig->StageFile({},
                                        [](const ByteSink& sink) {
                                          (void)sink("half");
                                          return absl::DataLossError(
                                              "the content's own");
                                        })
                             .status()));
  CHECK(rig.PrivateNames().empty());
  CHECK(rig->SyncAll().ok());
}

TEST_CASE("root_change: runs of zeros become holes", "[mirror]") {
  RootRig rig;
  const std::string zeros(1 << 20, '\0');
  auto staged = rig->StageFile({}, [&](const ByteSink& sink) {
    for (const std::string& piece : {zeros, std::string("middle"), zeros}) {
      if (absl::Status status = sink(piece); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
  REQUIRE(rig->Install(*std::move(staged), "f", std::nullopt).ok());
  CHECK(GetFile(rig / "f") == zeros + "middle" + zeros);
  CHECK(Lstat(rig / "f").st_blocks * 512 < 100'000);
}

TEST_CASE("root_change: a file that does not fit is never seen",
          "[mirror][fault]") {
  RootRig rig;
  PutFile(rig / "f", "old");
  const int result = InChild([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 100;
    const auto put = rig.Put("f", std::string(5000, 'x'), rig.Print("f"));
    return absl::IsResourceExhausted(put.status()) ? 0 : 1;
  });
  CHECK(result == 0);
  CHECK(GetFile(rig / "f") == "old");
  CHECK(rig.PrivateNames().empty());
}

// Runs `body` in a child while it goes on here; `ready` once the child says.
class Rival {
 public:
  explicit Rival(const std::function<void(int ready)>& body) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      body(pipe[1]);
      ::_exit(0);
    }
    ::close(pipe[1]);
    char byte;
    (void)!::read(pipe[0], &byte, 1);
    ::close(pipe[0]);
  }
  ~Rival() { testing::WaitFor(pid_); }

 private:
  int pid_;
};

// What a user may do between two steps, and where his bytes must be then.
struct Meddling {
  const char* why;
  std::function<void(const RootRig&)> act;
  std::string survivor;  // This content must be somewhere in the root.
};

std::vector<Meddling> Meddlings() {
  return {
      {"rename over",
       [](const RootRig& rig) {
         PutFile(rig / "mine", "mine");
         ::rename((rig / "mine").c_str(), (rig / "f").c_str());
       },
       "mine"},
      {"rename over with equal size and time",
       [](const RootRig& rig) {
         const long long mtime = MtimeOf(rig / "f");
         PutFile(rig / "mine", "OLD");
         SetMtime(rig / "mine", mtime);
         ::rename((rig / "mine").c_str(), (rig / "f").c_str());
       },
       "OLD"},
      {"open for writing and write later",
       [](const RootRig& rig) {
         static std::vector<std::unique_ptr<Rival>> rivals;
         rivals.clear();
         rivals.push_back(std::make_unique<Rival>([&rig](int ready) {
           const std::string path = rig / "f";
           const int first =
               ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_APPEND);
           if (first >= 0) ::_exit(1);  // The lease made it wait.
           (void)!::write(ready, "x", 1);
           const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND);
           ::_exit(fd >= 0 ? 0 : 1);
         }));
       },
       "old"},
  };
}

TEST_CASE("root_change: an edit at the last moment wins over a change",
          "[mirror][fault]") {
  const bool plain = GENERATE(false, true);
  const bool removes = GENERATE(false, true);
  const std::size_t index = GENERATE(0u, 1u, 2u);
  const Meddling meddling = Meddlings()[index];
  const std::string step = removes || plain ? "take away" : "exchange";
  INFO(meddling.why << " plain " << plain << " removes " << removes);

  bool armed = true;
  RootRig* at = nullptr;
  RootDir::Options options = Plain(plain);
  options.at_step = [&](std::string_view now) {
    if (now == step && std::exchange(armed, false)) meddling.act(*at);
  };
  RootRig rig(options, GENERATE(std::string(), MemoryDir()));
  at = &rig;
  PutFile(rig / "f", "old");
  const Fingerprint old = rig.Print("f");
  const absl::Status status =
      removes ? rig->Remove("f", old) : rig.Put("f", "new", old).status();
  INFO(status);
  CHECK(absl::IsAborted(status));
  CHECK_FALSE(armed);
  CHECK(GetFile(rig / "f") == meddling.survivor);
  CHECK(rig.AllContents().size() == 1);
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_change: two edits at the last moment both survive",
          "[mirror][fault]") {
  const bool plain = GENERATE(false, true);
  const bool removes = GENERATE(false, true);
  RootDir::Options options = Plain(plain);
  RootRig* at = nullptr;
  options.at_step = [&](std::string_view step) {
    const bool before = step == "exchange" || step == "take away";
    if (!before && step != "verify") return;
    const std::string name = before ? "first" : "second";
    PutFile(*at / name, name);
    ::rename((*at / name).c_str(), (*at / "f").c_str());
  };
  RootRig rig(options);
  at = &rig;
  PutFile(rig / "f", "old");
  const Fingerprint old = rig.Print("f");
  const absl::Status status =
      removes ? rig->Remove("f", old) : rig.Put("f", "new", old).status();
  CHECK(absl::IsAborted(status));
  CHECK(GetFile(rig / "f") == "second");
  const std::vector<std::string> contents = rig.AllContents();
  CHECK(std::count(contents.begin(), contents.end(), "first") == 1);
  CHECK(contents.size() == 2);
  CHECK(rig.PrivateNames().empty());
}

TEST_CASE("root_change: a file that is not as expected is left alone",
          "[mirror][fault]") {
  RootRig rig(Plain(GENERATE(false, true)));
  PutFile(rig / "f", "old");
  const Fingerprint old = rig.Print("f");
  const auto all_refuse = [&](const Fingerprint& expected) {
    CHECK(absl::IsAborted(rig.Put("f", "new", expected).status()));
    CHECK(absl::IsAborted(rig->Remove("f", expected)));
    CHECK(absl::IsAborted(rig->SetAttributes("f", expected, {}).status()));
    CHECK(rig.PrivateNames().empty());
  };
  SECTION("same size and time but a later ctime") {
    const long long mtime = MtimeOf(rig / "f");
    PutFile(rig / "f", "OLD");
    SetMtime(rig / "f", mtime);
    all_refuse(old);
    CHECK(absl::IsAborted(rig->Rename("f", "g", old).status()));
    CHECK(GetFile(rig / "f") == "OLD");
  }
  SECTION("a directory now") {
    ::unlink((rig / "f").c_str());
    MakeDirs(rig / "f/d");
    all_refuse(old);
    CHECK(Exists(rig / "f/d"));
  }
  SECTION("open for writing") {
    const int fd = ::open((rig / "f").c_str(), O_WRONLY);
    all_refuse(rig.Print("f"));
    ::close(fd);
    CHECK(rig->Remove("f", rig.Print("f")).ok());
  }
  SECTION("a fingerprint that was never on disk") {
    Fingerprint stale = old;
    stale.ctime_ns = 0;
    all_refuse(stale);
  }
  SECTION("gone") {
    ::unlink((rig / "f").c_str());
    CHECK(absl::IsNotFound(rig.Put("f", "new", old).status()));
    CHECK(absl::IsNotFound(rig->Remove("f", old)));
    CHECK_FALSE(Exists(rig / "f"));
  }
}

TEST_CASE("root_change: an edit right after a change is not taken for ours",
          "[mirror][fault]") {
  RootDir::Options options = Plain(GENERATE(false, true));
  RootRig* at = nullptr;
  options.at_step = [&](std::string_view step) {
    if (step == "installed") PutFile(*at / "f", "user");
  };
  RootRig rig(options);
  at = &rig;
  const auto first = rig.Put("f", "one!");
  REQUIRE(first.ok());
  CHECK(first->ctime_ns == 0);
  const auto second = rig.Put("f", "two!", rig.Print("f"));
  REQUIRE(second.ok());
  CHECK(second->ctime_ns == 0);
  CHECK(GetFile(rig / "f") == "user");
}

TEST_CASE("root_change: directories are made and removed only when empty",
          "[mirror]") {
  RootRig rig;
  const auto made = rig->MakeDir("d");
  REQUIRE(made.ok());
  CHECK(*made == rig.Print("d"));
  CHECK(absl::IsAlreadyExists(rig->MakeDir("d").status()));
  CHECK(absl::IsNotFound(rig->MakeDir("none/d").status()));
  REQUIRE(rig.Put("d/f", "x").ok());
  CHECK(absl::IsFailedPrecondition(rig->RemoveDir("d")));
  CHECK(absl::IsFailedPrecondition(rig->RemoveDir("d/f")));
  CHECK(absl::IsInvalidArgument(rig->Remove("d", *made)));
  REQUIRE(rig->Remove("d/f", rig.Print("d/f")).ok());
  CHECK(rig->RemoveDir("d").ok());
  CHECK(absl::IsNotFound(rig->RemoveDir("d")));
}

TEST_CASE("root_change: renames move exactly what was expected",
          "[mirror][fault]") {
  RootDir::Options options = Plain(GENERATE(false, true));
  std::function<void()> meddle;
  options.at_step = [&](std::string_view step) {
    if (step == "rename" && meddle) std::exchange(meddle, nullptr)();
  };
  RootRig rig(options);
  MakeDirs(rig / "d/e");
  MakeDirs(rig / "to");
  PutFile(rig / "d/e/f", "deep");
  PutFile(rig / "f", "bytes");

  const auto moved = rig->Rename("d", "to/d", rig.Print("d"));
  REQUIRE(moved.ok());
  CHECK(*moved == rig.Print("to/d"));
  CHECK(GetFile(rig / "to/d/e/f") == "deep");
  const auto file = rig->Rename("f", "to/g", rig.Print("f"));
  REQUIRE(file.ok());
  CHECK(*file == rig.Print("to/g"));

  PutFile(rig / "taken", "user");
  CHECK(absl::IsAlreadyExists(rig->Rename("to/g", "taken", *file).status()));
  MakeDirs(rig / "taken-dir");
  CHECK(
      absl::IsAlreadyExists(rig->Rename("to/d", "taken-dir", *moved).status()));
  CHECK(absl::IsAborted(rig->Rename("taken", "new", *file).status()));
  CHECK(absl::IsAborted(rig->Rename("taken-dir", "new", *moved).status()));

  meddle = [&] {
    PutFile(rig / "mine", "mine");
    ::rename((rig / "mine").c_str(), (rig / "to/g").c_str());
  };
  CHECK(absl::IsAborted(rig->Rename("to/g", "h", *file).status()));
  CHECK(GetFile(rig / "to/g") == "mine");
  CHECK_FALSE(Exists(rig / "h"));
}

TEST_CASE("root_change: two paths change places or none does",
          "[mirror][fault]") {
  RootDir::Options options;
  std::function<void()> meddle;
  options.at_step = [&](std::string_view step) {
    if (step == "exchange" && meddle) std::exchange(meddle, nullptr)();
  };
  RootRig rig(options);
  PutFile(rig / "a", "a");
  MakeDirs(rig / "b/x");
  const Fingerprint a = rig.Print("a");
  const Fingerprint b = rig.Print("b");
  REQUIRE(rig->Exchange("a", a, "b", b).ok());
  CHECK(GetFile(rig / "b") == "a");
  CHECK(Exists(rig / "a/x"));
  CHECK(absl::IsAborted(rig->Exchange("a", a, "b", b)));
  meddle = [&] {
    PutFile(rig / "mine", "mine");
    ::rename((rig / "mine").c_str(), (rig / "b").c_str());
  };
  CHECK(absl::IsAborted(rig->Exchange("a", b, "b", a)));
  CHECK(GetFile(rig / "b") == "mine");
  CHECK(Exists(rig / "a/x"));
}

TEST_CASE("root_change: mode and time change without the bytes", "[mirror]") {
  RootRig rig({}, GENERATE(std::string(), MemoryDir()));
  PutFile(rig / "f", "x");
  REQUIRE(::chmod((rig / "f").c_str(), 0640) == 0);
  const auto print = rig->SetAttributes(
      "f", rig.Print("f"),
      {.executable = true, .mtime_ns = 1'000'000'000'000'000'007});
  REQUIRE(print.ok());
  CHECK(*print == rig.Print("f"));
  CHECK(print->mode == 0750);
  CHECK(print->mtime_ns == 1'000'000'000'000'000'007);
  const auto back = rig->SetAttributes("f", *print, {.executable = false});
  REQUIRE(back.ok());
  CHECK(back->mode == 0640);
  CHECK(back->mtime_ns == print->mtime_ns);
}

// A program with a node inside may fork at any moment.
TEST_CASE("root_change: a lease does not outlive its change in a forked child",
          "[mirror][fault]") {
  std::unique_ptr<Rival> child;
  int wait[2];
  REQUIRE(::pipe(wait) == 0);
  RootDir::Options options;
  options.at_step = [&](std::string_view step) {
    if (step != "set attributes") return;
    child = std::make_unique<Rival>([&](int ready) {
      (void)!::write(ready, "x", 1);
      ::close(wait[1]);
      char byte;
      (void)!::read(wait[0], &byte, 1);  // Until the test is over.
    });
  };
  RootRig rig(options);
  PutFile(rig / "f", "x");
  CHECK(rig->SetAttributes("f", rig.Print("f"), {.executable = true}).ok());
  REQUIRE(child);
  const int writer = ::open((rig / "f").c_str(), O_WRONLY | O_NONBLOCK);
  CHECK(writer >= 0);
  ::close(writer);
  ::close(wait[1]);
  ::close(wait[0]);
}

}  // namespace
}  // namespace syncline
