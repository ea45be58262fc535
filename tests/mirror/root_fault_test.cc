#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "replication/mirror/root_dir.h"
#include "tests/mirror/root_rig.h"

namespace syncline {
namespace {

using testing::Exists;
using testing::GetFile;
using testing::InChild;
using testing::MakeDirs;
using testing::PutFile;
using testing::RootRig;
using testing::TempDir;

// A change to a root that holds "f" = "old" and "d/g".
struct Change {
  const char* what;
  bool plain;
  std::function<void(RootRig&)> run;
  std::set<std::string> allowed;  // What "f" may hold after the crash.
};

std::vector<Change> Changes() {
  const auto replace = [](RootRig& rig) {
    (void)rig.Put("f", "new", rig.Print("f"));
  };
  const auto remove = [](RootRig& rig) {
    (void)rig->Remove("f", rig.Print("f"));
  };
  return {
      {"replace", false, replace, {"old", "new"}},
      {"replace plainly", true, replace, {"old", "new"}},
      {"remove", false, remove, {"old", "(none)"}},
      {"rename",
       false,
       [](RootRig& rig) { (void)rig->Rename("f", "f2", rig.Print("f")); },
       {"old", "(none)"}},
      {"create",
       false,
       [](RootRig& rig) { (void)rig.Put("n", "new"); },
       {"old"}},
  };
}

// Runs `change` in a child that dies at its step number `death`, the user
// doing `meddle` at step `meddle_at`. False once there is no such step.
bool Crash(RootRig& rig, const Change& change, int death, int meddle_at,
           const std::function<void()>& meddle) {
  const int code = InChild([&] {
    int step = 0;
    RootDir::Options options;
    options.plain_renames = change.plain;
    options.at_step = [&](std::string_view) {
      if (step == meddle_at) meddle();
      if (step++ == death) ::_exit(77);
    };
    rig.Reopen(options);
    change.run(rig);
    ::_exit(0);
    return 0;
  });
  REQUIRE((code == 77 || code == 0));
  return code == 77;
}

TEST_CASE("root_fault: a crash at any step leaves the old or the new",
          "[mirror][fault]") {
  for (const Change& change : Changes()) {
    int death = 0;
    for (bool crashed = true; crashed; ++death) {
      INFO(change.what << " dies at step " << death);
      RootRig rig;
      PutFile(rig / "f", "old");
      crashed = Crash(rig, change, death, -1, nullptr);
      rig.Reopen();
      const auto leftovers = rig->CleanLeftovers();
      REQUIRE(leftovers.ok());
      const std::string now = GetFile(rig / "f");
      CHECK(change.allowed.contains(now));
      CHECK(rig.PrivateNames().empty());
      // Nothing else has come to be: no copy that nobody asked for.
      const std::size_t files = rig.AllContents().size();
      CHECK(files == (Exists(rig / "f") ? 1u : 0u) +
                         (Exists(rig / "f2") ? 1u : 0u) +
                         (Exists(rig / "n") ? 1u : 0u));
      if (change.allowed.contains("new")) CHECK(files == 1);
    }
    CHECK(death > 2);
  }
}

TEST_CASE("root_fault: a crash after an edit keeps the edit",
          "[mirror][fault]") {
  for (const Change& change : Changes()) {
    for (int meddle_at = 0; meddle_at < 4; ++meddle_at) {
      for (int death = meddle_at; death < 6; ++death) {
        INFO(change.what << " edited at " << meddle_at << " dies at " << death);
        RootRig rig;
        PutFile(rig / "f", "old");
        TempDir witness;
        const auto edit = [&] {
          PutFile(witness / "edited", "");
          PutFile(rig / "mine", "mine");
          ::rename((rig / "mine").c_str(), (rig / "f").c_str());
        };
        Crash(rig, change, death, meddle_at, edit);
        rig.Reopen();
        const auto leftovers = rig->CleanLeftovers();
        REQUIRE(leftovers.ok());
        CHECK(rig.PrivateNames().empty());
        const std::vector<std::string> contents = rig.AllContents();
        const auto edits = std::count(contents.begin(), contents.end(), "mine");
        // A change with fewer steps was over before it could be edited.
        CHECK(edits == (Exists(witness / "edited") ? 1 : 0));
        for (const std::string& path : leftovers->restored)
          CHECK(Exists(rig / path));
      }
    }
  }
}

TEST_CASE("root_fault: recovery gives a displaced file its name or one beside",
          "[mirror][fault]") {
  RootRig rig;
  const std::string long_name(250, 'n');
  const std::string path = "d/" + long_name;
  MakeDirs(rig / "d");
  PutFile(rig / path, "user");
  RootDir::Options options;
  // A rename: a lease would make one who opens the file wait.
  options.at_step = [&](std::string_view step) {
    if (step == "take away") {
      PutFile(rig / "u", "USER");
      ::rename((rig / "u").c_str(), (rig / path).c_str());
    }
    if (step == "verify") ::_exit(77);
  };
  const auto crash = [&] {
    return InChild([&] {
      rig.Reopen(options);
      (void)rig->Remove(path, rig.Print(path));
      return 0;
    });
  };
  REQUIRE(crash() == 77);
  REQUIRE_FALSE(Exists(rig / path));
  SECTION("its own") {
    const auto leftovers = rig->CleanLeftovers();
    REQUIRE(leftovers.ok());
    CHECK(leftovers->restored == std::vector<std::string>{path});
    CHECK(GetFile(rig / path) == "USER");
  }
  SECTION("beside another file") {
    PutFile(rig / path, "newer");
    const auto leftovers = rig->CleanLeftovers();
    REQUIRE(leftovers.ok());
    REQUIRE(leftovers->restored.size() == 1);
    CHECK(leftovers->restored[0].starts_with("d/nnn"));
    CHECK(leftovers->restored[0].find(".recovered-") != std::string::npos);
    CHECK(GetFile(rig / leftovers->restored[0]) == "USER");
    CHECK(GetFile(rig / path) == "newer");
  }
  SECTION("at the top when its directory is gone") {
    ::rmdir((rig / "d").c_str());
    const auto leftovers = rig->CleanLeftovers();
    REQUIRE(leftovers.ok());
    REQUIRE(leftovers->restored.size() == 1);
    CHECK(GetFile(rig / leftovers->restored[0]) == "USER");
  }
  CHECK(rig.PrivateNames().empty());
  CHECK(rig->CleanLeftovers()->restored.empty());
}

// A thread that does one thing over and over until it is told to stop.
class Loop {
 public:
  explicit Loop(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          while (!stop_) body();
        }) {}
  ~Loop() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST_CASE("root_fault: a directory that turns into a symlink leads nowhere",
          "[mirror][fault]") {
  RootRig rig;
  TempDir outside;
  PutFile(outside / "f", "auditor");
  MakeDirs(outside / "sub");
  struct stat before {};
  REQUIRE(::stat(outside.path().c_str(), &before) == 0);
  const long long sub_before = testing::MtimeOf(outside / "sub");
  MakeDirs(rig / "d/sub");
  REQUIRE(::symlink(outside.path().c_str(), (rig / "e").c_str()) == 0);

  std::atomic<int> swaps = 0;
  Loop attacker([&] {
    ::renameat2(AT_FDCWD, (rig / "d").c_str(), AT_FDCWD, (rig / "e").c_str(),
                RENAME_EXCHANGE);
    ++swaps;
  });
  int done = 0;
  int refused = 0;
  const auto count = [&](const absl::Status& status) {
    ++(status.ok() ? done : refused);
  };
  for (int i = 0; i < 1500 || done < 300 || refused < 300; ++i) {
    const std::string name = "d/sub/n" + std::to_string(i);
    const auto put = rig.Put(name, "x");
    count(put.status());
    count(rig.Put("d/f", "x").status());
    count(rig->MakeDir("d/m" + std::to_string(i % 50)).status());
    count(rig->RemoveDir("d/m" + std::to_string(i % 50)));
    if (put.ok()) {
      count(rig.Put(name, "y", *put).status());
      count(rig->Remove(name, *put));
    }
    if (const auto f = rig->Stat("d/f"); f.ok()) {
      count(rig->Rename("d/f", "d/g", *f).status());
      count(rig->Remove("d/f", *f));
    }
    std::string content;
    const auto read = rig->ReadFile("d/f", [&](std::string_view piece) {
      content += piece;
      return absl::OkStatus();
    });
    if (read.ok()) REQUIRE(content == "x");
    (void)rig->ListDir("d", [&](std::string_view name_in, const Fingerprint&) {
      REQUIRE(name_in != "sub/auditor");
      return absl::OkStatus();
    });
    REQUIRE(i < 200'000);
  }
  attacker.Stop();
  CHECK(swaps > 10);
  struct stat after {};
  REQUIRE(::stat(outside.path().c_str(), &after) == 0);
  CHECK(after.st_ctim.tv_sec == before.st_ctim.tv_sec);
  CHECK(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  CHECK(GetFile(outside / "f") == "auditor");
  CHECK(testing::MtimeOf(outside / "sub") == sub_before);
}

TEST_CASE("root_fault: no reader sees a part of a file", "[mirror][fault]") {
  RootRig rig;
  const auto content = [](int i) {
    return std::string(20'000 + i % 7, static_cast<char>('a' + i % 26));
  };
  auto print = rig.Put("f", content(0));
  REQUIRE(print.ok());
  std::atomic<int> reads = 0;
  std::atomic<int> torn = 0;
  Loop reader([&] {
    const std::string now = GetFile(rig / "f");
    if (now.size() < 20'000 ||
        now.find_first_not_of(now[0]) != std::string::npos ||
        now.size() > 20'006)
      ++torn;
    ++reads;
  });
  int replaced = 0;
  for (int i = 1; i < 400 || reads < 400; ++i) {
    const auto next = rig.Put("f", content(i), *print);
    if (next.ok()) {
      print = next;
      ++replaced;
    }
    REQUIRE(i < 1'000'000);
  }
  reader.Stop();
  CHECK(replaced > 300);
  CHECK(torn == 0);
}

// A user and a mirror write the same path. Each version that the mirror takes
// away must have been read by it before; those that the user himself takes
// away are his own affair.
TEST_CASE("root_fault: no version that was not read is ever taken away",
          "[mirror][fault]") {
  const bool plain = GENERATE(false, true);
  RootDir::Options options;
  options.plain_renames = plain;
  RootRig rig(options);
  std::set<std::string> written;   // By the user.
  std::set<std::string> replaced;  // By the user himself.
  std::set<std::string> stored;    // Read by the mirror.
  PutFile(rig / "f", "start");
  int version = 0;
  std::atomic<int> attempts = 0;
  std::atomic<bool> over = false;
  Loop user([&] {
    const std::string mine = "user " + std::to_string(++version);
    PutFile(rig / "mine", mine);
    if (::renameat2(AT_FDCWD, (rig / "mine").c_str(), AT_FDCWD,
                    (rig / "f").c_str(), RENAME_EXCHANGE) == 0) {
      replaced.insert(GetFile(rig / "mine"));
      ::unlink((rig / "mine").c_str());
    } else if (::renameat2(AT_FDCWD, (rig / "mine").c_str(), AT_FDCWD,
                           (rig / "f").c_str(), RENAME_NOREPLACE) != 0) {
      return;  // Neither there nor free: the plain way is under way.
    }
    written.insert(mine);
    // Every other time the mirror has a whole turn to itself: on a busy machine
    // it would never win otherwise.
    const int turn = attempts + (version % 2 == 0 ? 2 : 0);
    while (attempts < turn && !over) std::this_thread::yield();
  });
  int won = 0;
  int lost = 0;
  for (int i = 0; i < 300 || ((won < 10 || lost < 10) && i < 5'000); ++i) {
    ++attempts;
    std::string content;
    const auto read = rig->ReadFile("f", [&](std::string_view piece) {
      content += piece;
      return absl::OkStatus();
    });
    if (!read.ok()) continue;
    stored.insert(content);
    const absl::Status status =
        i % 3 == 0
            ? rig->Remove("f", read->fingerprint)
            : rig.Put("f", "mirror " + std::to_string(i), read->fingerprint)
                  .status();
    ++(status.ok() ? won : lost);
    if (!Exists(rig / "f")) (void)rig.Put("f", "mirror again");
  }
  over = true;
  user.Stop();
  INFO(won << " changes, " << lost << " refused, " << version << " versions");
  CHECK(won >= 10);
  const std::vector<std::string> left = rig.AllContents();
  for (const std::string& each : written) {
    if (replaced.contains(each) || stored.contains(each)) continue;
    INFO(each);
    CHECK(std::count(left.begin(), left.end(), each) == 1);
  }
  CHECK(rig.PrivateNames().empty());
}

}  // namespace
}  // namespace syncline
