// A file system that is really full: a small one in memory, in a mount
// namespace of this process alone.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "node/project_log.h"
#include "tests/log/log_harness.h"
#include "tests/node/running_node.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

namespace fs = std::filesystem;
using testing::At;
using testing::LogHarness;
using testing::Numbers;
using testing::OriginOf;
using testing::Records;
using testing::RunningNode;
using testing::TemporaryDirectory;

void WriteText(const char* file, const std::string& text) {
  std::ofstream(file) << text;
}

// Before any thread is made. Root mounts where it is; others as root of a
// namespace of their own, where that is allowed.
bool EnterNamespace() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (user == 0) return unshare(CLONE_NEWNS) == 0;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  WriteText("/proc/self/setgroups", "deny");
  WriteText("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
  WriteText("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
  return true;
}

// A file system of `megabytes`, with a stone in it that can be taken away.
class SmallDisk {
 public:
  explicit SmallDisk(int megabytes) {
    static const bool entered = EnterNamespace();
    if (!entered) return;
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const std::string size = "size=" + std::to_string(megabytes) + "m";
    mounted_ = mount("tmpfs", directory_.path().c_str(), "tmpfs", 0,
                     size.c_str()) == 0;
    if (mounted_) {
      std::ofstream(directory_ / "stone") << std::string(8u << 20, 'x');
    }
  }
  ~SmallDisk() {
    if (mounted_) umount2(directory_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const fs::path& path() const { return directory_.path(); }
  void MakeRoom() const { fs::remove(directory_ / "stone"); }

 private:
  const TemporaryDirectory directory_;
  bool mounted_ = false;
};

TEST_CASE("full_disk: a log stops with the error and goes on when reopened",
          "[faults][fault]") {
  const SmallDisk disk(24);
  if (!disk.mounted()) {
    WARN("no mount is allowed here");
    return;
  }
  const Origin origin = OriginOf(1);
  std::uint64_t acked = 0;
  const auto draft = [&](std::uint64_t counter) {
    return testing::OwnedDraft{{origin, counter}, std::string(20'000, 'e'), ""};
  };
  {
    auto store = RocksStore::Open(disk.path() / "store");
    INFO(store.status().ToString());
    REQUIRE(store.ok());
    LogHarness harness(**store);
    absl::Status failed;
    while (failed.ok()) {
      const auto appended = harness.Append({draft(acked + 1)});
      failed = appended.status();
      if (failed.ok()) acked = appended->last.value;
    }
    INFO(failed.ToString());
    CHECK(absl::IsResourceExhausted(failed));
    CHECK(absl::IsResourceExhausted(harness->health()));
    REQUIRE(acked > 10);
    CHECK(absl::IsFailedPrecondition(
        harness.Append({draft(acked + 2)}).status()));
    std::uint64_t seen = 0;  // Reads go on.
    const auto reader = harness->Read({});
    for (; reader->Valid(); reader->Next()) {
      REQUIRE(reader->record().seq.value == ++seen);
    }
    CHECK(reader->status().ok());
    CHECK(seen == acked);
  }
  {
    const auto still_full = RocksStore::Open(disk.path() / "store");
    INFO(still_full.status().ToString());
    CHECK((still_full.ok() || absl::IsResourceExhausted(still_full.status())));
  }
  disk.MakeRoom();
  auto store = RocksStore::Open(disk.path() / "store");
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  LogHarness harness(**store);
  const std::uint64_t head = harness->head().value;
  CHECK(head >= acked);
  const auto appended = harness.Append({draft(head + 1)});
  REQUIRE(appended.ok());
  CHECK(appended->first.value == head + 1);
}

TEST_CASE("full_disk: a node says so and goes on when there is room",
          "[faults][fault]") {
  const SmallDisk disk(24);
  if (!disk.mounted()) {
    WARN("no mount is allowed here");
    return;
  }
  std::uint64_t acked = 0;
  {
    RunningNode node(At(disk.path() / "home"));
    REQUIRE(node.status().ok());
    const auto project = node->CreateProject("p");
    REQUIRE(project.ok());
    absl::Status failed;
    while (failed.ok()) {
      const auto written = project->documents().Put(
          "docs", std::to_string(acked + 1), std::string(20'000, 'd'));
      failed = written.status();
      if (failed.ok()) acked = written->seq.value;
    }
    INFO(failed.ToString());
    CHECK(absl::IsResourceExhausted(failed));
    REQUIRE(acked > 10);
    CHECK_FALSE(project->documents().Put("docs", "more", "x").ok());
    CHECK(project->documents().Get("docs", "5").ok());
    LogQuery query;
    query.limit = 1'000'000;
    const auto page = project->log().Read(query);
    REQUIRE(page.ok());
    CHECK(page->records.size() == acked);
    const auto report = project->sync().Report();
    REQUIRE(report.ok());
    CHECK_FALSE(report->error.empty());
    // It is always the disk, and nobody's mistake.
    CursorMove move;
    move.name = "c";
    CHECK(absl::IsResourceExhausted(project->cursors().Set(move).status()));
    CHECK(absl::IsResourceExhausted(project->cursors().Remove("c")));
    TruncateQuery first;
    first.through = Seq{1};
    CHECK(absl::IsResourceExhausted(
        project->retention().Truncate(first).status()));
    // Nothing to wait for: it does not mend itself.
    CHECK(absl::IsResourceExhausted(project->sync().Wait(60'000).status()));
    node->Close().IgnoreError();
  }
  disk.MakeRoom();
  RunningNode node(At(disk.path() / "home"));
  REQUIRE(node.status().ok());
  const auto project = node->project("p");
  const auto report = project.sync().Report();
  REQUIRE(report.ok());
  CHECK(report->head.value >= acked);
  CHECK(report->error.empty());
  for (std::uint64_t i = 1; i <= acked; ++i) {
    REQUIRE(project.documents().Get("docs", std::to_string(i)).ok());
  }
  const auto written = project.documents().Put("docs", "next", "x");
  REQUIRE(written.ok());
  CHECK(written->seq.value == report->head.value + 1);
}

}  // namespace
}  // namespace syncline
