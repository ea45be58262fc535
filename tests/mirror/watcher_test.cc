#include "replication/mirror/watcher.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "replication/mirror/scanner.h"
#include "tests/mirror/root_rig.h"

namespace syncline {
namespace {

using testing::InChild;
using testing::MakeDirs;
using testing::PutFile;
using testing::RootRig;

// A watcher on a loop of its own, and all that it has said.
class WatchRig {
 public:
  explicit WatchRig(const Watcher::Options& options = {}) : options_(options) {
    Start();
  }

  void Start() {
    auto created =
        Watcher::Create(io.get_executor(), *root.root, options_,
                        [this](const Watcher::Hints& hints) { Take(hints); });
    REQUIRE(created.ok());
    watcher = *std::move(created);
  }

  // Watches everything the way a mirror does.
  void WatchAll(std::string_view path = "") { REQUIRE(TryWatchAll(path)); }
  bool TryWatchAll(std::string_view path = "") {
    ScanOptions options;
    options.before_list = [this](std::string_view directory) {
      (void)watcher->AddDir(directory);
    };
    return Scan(*root.root, path, options,
                [](const ScanItem&) { return absl::OkStatus(); })
        .ok();
  }

  // Runs the loop until `done`; false if that does not come in a minute.
  bool Until(const std::function<bool()>& done) {
    for (int i = 0; i < 6000 && !done(); ++i) {
      io.restart();  // It stops when there is no watcher.
      io.run_for(std::chrono::milliseconds(10));
    }
    return done();
  }
  bool UntilNamed(const std::string& directory, const std::string& name) {
    return Until([&] { return named[directory].contains(name); });
  }

  RootRig root;
  boost::asio::io_context io;  // Outlives the watcher.
  std::unique_ptr<Watcher> watcher;
  std::map<std::string, std::set<std::string>> named;
  std::set<std::string> whole;  // Dirty in all their names.
  int everything = 0;
  int reports = 0;
  std::function<void()> on_report;

  void Take(const Watcher::Hints& hints) {
    ++reports;
    everything += hints.everything ? 1 : 0;
    if (hints.everything) CHECK(hints.dirty.empty());
    for (const Watcher::DirtyDir& directory : hints.dirty) {
      if (directory.names.empty()) whole.insert(directory.path);
      named[directory.path].insert(directory.names.begin(),
                                   directory.names.end());
    }
    if (on_report) on_report();
  }

 private:
  Watcher::Options options_;
};

TEST_CASE("watcher: every kind of change is hinted at by its name",
          "[mirror]") {
  WatchRig rig;
  MakeDirs(rig.root / "d");
  PutFile(rig.root / "d/edited", "");
  PutFile(rig.root / "d/removed", "");
  PutFile(rig.root / "d/moved", "");
  PutFile(rig.root / "d/mode", "");
  rig.WatchAll();
  CHECK(rig.watcher->counts().watches == 2);

  PutFile(rig.root / "top\n\xff", "");
  PutFile(rig.root / "d/created", "");
  PutFile(rig.root / "d/edited", "x");
  ::unlink((rig.root / "d/removed").c_str());
  ::rename((rig.root / "d/moved").c_str(), (rig.root / "moved").c_str());
  std::filesystem::permissions(rig.root / "d/mode",
                               std::filesystem::perms::owner_all);
  CHECK(rig.UntilNamed("", "top\n\xff"));
  for (const char* name : {"created", "edited", "removed", "moved", "mode"})
    CHECK(rig.UntilNamed("d", name));
  CHECK(rig.UntilNamed("", "moved"));
  CHECK(rig.everything == 0);
  CHECK(rig.watcher->health().ok());
  CHECK(rig.watcher->counts().events > 6);
}

TEST_CASE("watcher: many changes make one report", "[mirror]") {
  WatchRig rig({.quiet_ms = 300, .latest_ms = 600'000, .names_max = 10});
  MakeDirs(rig.root / "many");
  rig.WatchAll();
  for (int i = 0; i < 11; ++i) {
    PutFile(rig.root / ("many/" + std::to_string(i)), "");
    if (i < 10) PutFile(rig.root / ("few" + std::to_string(i)), "");
  }
  REQUIRE(rig.Until([&] { return rig.reports > 0; }));
  CHECK(rig.reports == 1);
  CHECK(rig.named[""].size() == 10);
  CHECK(rig.whole == std::set<std::string>{"many"});
}

TEST_CASE("watcher: hints come although changes never pause", "[mirror]") {
  WatchRig rig({.quiet_ms = 600'000, .latest_ms = 50});
  rig.WatchAll();
  PutFile(rig.root / "f", "");
  CHECK(rig.UntilNamed("", "f"));
}

TEST_CASE("watcher: our own files are not hinted at but ignore files are",
          "[mirror]") {
  WatchRig rig;
  rig.WatchAll();
  REQUIRE(rig.root.Put("f", "x").ok());
  PutFile(rig.root / ".syncline-x", "");
  PutFile(rig.root / ".synclineignore", "");
  REQUIRE(rig.UntilNamed("", ".synclineignore"));
  REQUIRE(rig.UntilNamed("", "f"));
  CHECK(rig.named[""] == std::set<std::string>{".synclineignore", "f"});
  ::unlink((rig.root / ".syncline-root").c_str());
  CHECK(rig.Until([&] { return rig.everything > 0; }));
}

TEST_CASE("watcher: a renamed directory is watched under its new path",
          "[mirror]") {
  WatchRig rig;
  MakeDirs(rig.root / "old/sub");
  rig.WatchAll();
  ::rename((rig.root / "old").c_str(), (rig.root / "new").c_str());
  SECTION("scanned after the hint") {
    REQUIRE(rig.UntilNamed("", "new"));
    rig.WatchAll("new");
  }
  SECTION("scanned before the hint") {
    rig.WatchAll("new");
    REQUIRE(rig.UntilNamed("", "new"));
    rig.WatchAll("new");  // The hint says so.
  }
  CHECK(rig.watcher->counts().watches == 3);
  PutFile(rig.root / "new/sub/f", "");
  CHECK(rig.UntilNamed("new/sub", "f"));
  CHECK_FALSE(rig.named.contains("old/sub"));
}

TEST_CASE("watcher: watches end with their directories", "[mirror]") {
  WatchRig rig;
  MakeDirs(rig.root / "a/b/c");
  MakeDirs(rig.root / "z/y");
  rig.WatchAll();
  CHECK(rig.watcher->counts().watches == 6);
  std::filesystem::remove_all(rig.root / "a");
  CHECK(rig.Until([&] { return rig.watcher->counts().watches == 3; }));
  CHECK(rig.UntilNamed("", "a"));
  rig.watcher->RemoveTree("z");
  CHECK(rig.watcher->counts().watches == 1);
  PutFile(rig.root / "z/y/f", "");
  PutFile(rig.root / "f", "");
  CHECK(rig.UntilNamed("", "f"));
  CHECK_FALSE(rig.named.contains("z/y"));
  CHECK(absl::IsNotFound(rig.watcher->AddDir("a")));
}

TEST_CASE("watcher: a queue that overflows makes everything dirty",
          "[mirror][fault]") {
  WatchRig rig;
  rig.WatchAll();
  // Nobody reads meanwhile; the default limit is 16384 events.
  const std::string a = rig.root / "a";
  const std::string b = rig.root / "b";
  PutFile(a, "");
  int renames = 0;
  while (rig.watcher->counts().overflows == 0 && renames < 2'000'000) {
    for (int i = 0; i < 20'000; ++i, ++renames) {
      ::rename(a.c_str(), b.c_str());
      ::rename(b.c_str(), a.c_str());
    }
    rig.Until([&] { return rig.reports > 0; });
  }
  CHECK(rig.watcher->counts().overflows > 0);
  CHECK(rig.everything > 0);
  CHECK(rig.watcher->health().ok());
  PutFile(rig.root / "after", "");
  CHECK(rig.UntilNamed("", "after"));
}

TEST_CASE("watcher: a limit of watches is said and the rest goes on",
          "[mirror][fault]") {
  WatchRig rig({.watches_max = 2});
  MakeDirs(rig.root / "a");
  MakeDirs(rig.root / "b");
  rig.WatchAll();
  CHECK(rig.watcher->counts().watches == 2);
  CHECK(rig.watcher->counts().unwatched == 1);
  CHECK(absl::IsResourceExhausted(rig.watcher->health()));
  CHECK(absl::IsResourceExhausted(rig.watcher->AddDir("b")));
  CHECK(rig.watcher->AddDir("a").ok());
  PutFile(rig.root / "a/f", "");
  CHECK(rig.UntilNamed("a", "f"));
}

TEST_CASE("watcher: the system's limit of watches is said as well",
          "[mirror][fault]") {
  const int result = InChild([] {
    // The limit is that of a user namespace: take one of our own.
    if (::unshare(CLONE_NEWUSER) != 0) return 100;
    const int fd = ::open("/proc/sys/user/max_inotify_watches", O_WRONLY);
    if (fd < 0 || ::write(fd, "1", 1) != 1) return 100;
    RootRig root;
    MakeDirs(root / "a");
    boost::asio::io_context io;
    auto watcher = Watcher::Create(io.get_executor(), *root.root, {},
                                   [](const Watcher::Hints&) {});
    if (!watcher.ok()) return 1;
    if (!(*watcher)->AddDir("").ok()) return 2;
    if (!absl::IsResourceExhausted((*watcher)->AddDir("a"))) return 3;
    return absl::IsResourceExhausted((*watcher)->health()) ? 0 : 4;
  });
  if (result == 100)
    WARN("no user namespaces: not tested");
  else
    CHECK(result == 0);
}

TEST_CASE("watcher: a root that moves away is said", "[mirror][fault]") {
  WatchRig rig;
  MakeDirs(rig.root / "a");
  rig.WatchAll();
  const std::string away = rig.root.dir.path() + "-away";
  ::rename(rig.root.dir.path().c_str(), away.c_str());
  CHECK(rig.Until([&] { return rig.everything > 0; }));
  CHECK(absl::IsUnavailable(rig.watcher->health()));
  CHECK(absl::IsUnavailable(rig.watcher->AddDir("a")));
  ::rename(away.c_str(), rig.root.dir.path().c_str());
}

TEST_CASE("watcher: a symlink is not followed to be watched", "[mirror]") {
  WatchRig rig;
  testing::TempDir outside;
  REQUIRE(::symlink(outside.path().c_str(), (rig.root / "l").c_str()) == 0);
  CHECK(absl::IsFailedPrecondition(rig.watcher->AddDir("l")));
  CHECK(rig.watcher->counts().watches == 0);
}

TEST_CASE("watcher: it can be destroyed at any time", "[mirror]") {
  WatchRig rig({.quiet_ms = 0, .latest_ms = 0});
  rig.WatchAll();
  SECTION("with events pending") {
    PutFile(rig.root / "f", "");
    rig.watcher.reset();
    rig.Start();
    rig.WatchAll();
  }
  SECTION("with hints pending") {
    PutFile(rig.root / "f", "");
    REQUIRE(rig.Until([&] { return rig.watcher->counts().events > 0; }));
    const int before = rig.reports;
    rig.watcher.reset();
    rig.Until([&, i = 0]() mutable { return ++i > 5; });
    CHECK(rig.reports == before);
    rig.Start();
    rig.WatchAll();
  }
  SECTION("in its own callback") {
    rig.on_report = [&] { rig.watcher.reset(); };
    PutFile(rig.root / "f", "");
    CHECK(rig.Until([&] { return !rig.watcher; }));
    rig.on_report = nullptr;
    rig.Start();
    rig.WatchAll();
  }
  PutFile(rig.root / "g", "");
  CHECK(rig.UntilNamed("", "g"));
}

TEST_CASE("watcher: watches may be added while events are read",
          "[mirror][fault]") {
  WatchRig rig;
  for (int i = 0; i < 200; ++i) MakeDirs(rig.root / ("d" + std::to_string(i)));
  std::thread scan([&] { (void)rig.TryWatchAll(); });
  std::thread user([&] {
    for (int i = 0; i < 200; ++i) {
      const std::string name = rig.root / ("d" + std::to_string(i));
      PutFile(name + "/f", "");
      ::rename(name.c_str(), (name + "x").c_str());
    }
  });
  rig.Until([&, i = 0]() mutable { return ++i > 50; });
  scan.join();
  user.join();
  rig.WatchAll();
  rig.Until([&, i = 0]() mutable { return ++i > 50; });
  rig.WatchAll();  // What a hint in between took away is there again.
  rig.named.clear();
  const auto name_of = [](int i) { return "d" + std::to_string(i) + "x"; };
  for (int i = 0; i < 200; ++i) PutFile(rig.root / (name_of(i) + "/g"), "");
  for (int i = 0; i < 200; ++i) CHECK(rig.UntilNamed(name_of(i), "g"));
}

}  // namespace
}  // namespace syncline
