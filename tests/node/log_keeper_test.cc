#include "node/log_keeper.h"

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "base/random.h"
#include "kv/rocks_store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "tests/node/running_node.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::At;
using testing::Eventually;
using testing::RunningNode;
using testing::TemporaryDirectory;

// Looks after its logs every few milliseconds.
class KeeperNode : public RunningNode {
 public:
  explicit KeeperNode(const std::filesystem::path& home)
      : RunningNode(Often(home)) {
    REQUIRE(status().ok());
  }

 private:
  static NodeOptions Often(const std::filesystem::path& home) {
    NodeOptions options = At(home);
    options.retention_period_ms = 20;
    return options;
  }
};

void PutDocs(const Project& project, int count, std::size_t bytes = 10) {
  SeededRandom random(5);
  for (int i = 0; i < count; ++i) {
    REQUIRE(project.documents()
                .Put("ns", std::to_string(i % 7), random.Bytes(bytes))
                .ok());
  }
}

std::uint64_t Horizon(const Project& project) {
  return project.sync().Report().value().horizon.value;
}

TEST_CASE("log_keeper: a policy follows the log from then on", "[node]") {
  const TemporaryDirectory temp;
  {
    KeeperNode node(temp / "home");
    const Project project = node->CreateProject("notes").value();
    PutDocs(project, 20);
    REQUIRE(project.retention().Set({{.entries = 5}, {}}).ok());
    CHECK(Eventually([&] { return Horizon(project) == 15; }));
    PutDocs(project, 10);
    CHECK(Eventually([&] { return Horizon(project) == 25; }));
    REQUIRE(node->Close().ok());
    node.Drain();
  }
  KeeperNode node(temp / "home");
  const Project project = node->project("notes");
  CHECK(project.retention().Get().value().keep.entries == 5);
  PutDocs(project, 1);
  CHECK(Eventually([&] { return Horizon(project) == 26; }));
  REQUIRE(project.retention().Set({}).ok());
  PutDocs(project, 3);
  CHECK(project.retention()
            .Truncate({.keep = {.entries = 100}})
            .value()
            .removed == 0);
  CHECK(Horizon(project) == 26);
}

TEST_CASE("log_keeper: bytes and age bound a log", "[node]") {
  const TemporaryDirectory temp;
  KeeperNode node(temp / "home");
  const Project project = node->CreateProject("notes").value();
  PutDocs(project, 100, 10'000);  // Each value twice: entry and change.
  REQUIRE(project.retention().Set({{.bytes = 400'000}, {}}).ok());
  CHECK(Eventually([&] { return Horizon(project) >= 75; }));
  CHECK(Horizon(project) <= 85);
  // All of it is older than that soon.
  REQUIRE(project.retention().Set({{.age_ms = 1}, {}}).ok());
  CHECK(Eventually([&] { return Horizon(project) == 100; }));
}

TEST_CASE("log_keeper: a cursor holds a policy back and a limit does not",
          "[node]") {
  const TemporaryDirectory temp;
  KeeperNode node(temp / "home");
  const Project project = node->CreateProject("notes").value();
  PutDocs(project, 20);
  REQUIRE(project.cursors().Set({.name = "slow", .seq = Seq{4}}).ok());
  REQUIRE(project.retention().Set({{.entries = 1}, {}}).ok());
  CHECK(Eventually([&] { return Horizon(project) == 4; }));
  REQUIRE(project.cursors().Set({.name = "slow", .seq = Seq{9}}).ok());
  CHECK(Eventually([&] { return Horizon(project) == 9; }));
  REQUIRE(project.retention().Set({{.entries = 1}, {.entries = 8}}).ok());
  // Beyond the limit it is overtaken, and then holds nothing any more.
  CHECK(Eventually([&] { return Horizon(project) == 19; }));
  CHECK(project.cursors().List().value().at(0).state ==
        CursorState::kBehindHorizon);
  // It is told where it reads.
  LogQuery query;
  query.cursor = "slow";
  const auto page = project.log().Read(query);
  REQUIRE(page.ok());
  CHECK(page->end.state == CursorState::kBehindHorizon);
  CHECK(page->records.empty());
  REQUIRE(project.cursors().Set({.name = "slow"}).ok());
  PutDocs(project, 1);
  CHECK(project.log().Read(query).value().records.size() == 1);
}

TEST_CASE("log_keeper: truncations wait for one another and are all answered",
          "[node]") {
  const TemporaryDirectory temp;
  KeeperNode node(temp / "home");
  const Project project = node->CreateProject("notes").value();
  const Project other = node->CreateProject("other").value();
  PutDocs(project, 30);
  PutDocs(other, 30);
  std::vector<std::future<absl::StatusOr<Truncated>>> answers;
  for (std::uint64_t through = 1; through <= 20; ++through) {
    for (const Project& each : {project, other}) {
      answers.push_back(each.retention().AsyncTruncate(
          {.through = Seq{through}}, boost::asio::use_future));
    }
  }
  std::uint64_t removed = 0;
  for (auto& answer : answers) {
    const auto truncated = answer.get();
    REQUIRE(truncated.ok());
    removed += truncated->removed;
  }
  CHECK(removed == 40);
  CHECK(Horizon(project) == 20);
  CHECK(Horizon(other) == 20);
}

TEST_CASE("log_keeper: a project that goes meanwhile ends its truncations",
          "[node]") {
  const TemporaryDirectory temp;
  KeeperNode node(temp / "home");
  const Project project = node->CreateProject("notes").value();
  const Project other = node->CreateProject("other").value();
  PutDocs(project, 30);
  PutDocs(other, 5);
  std::vector<std::future<absl::StatusOr<Truncated>>> answers;
  for (std::uint64_t through = 1; through <= 20; ++through) {
    answers.push_back(project.retention().AsyncTruncate(
        {.through = Seq{through}}, boost::asio::use_future));
  }
  REQUIRE(node->RemoveProject("notes").ok());
  for (auto& answer : answers) {
    const auto truncated = answer.get();
    CHECK((truncated.ok() || absl::IsNotFound(truncated.status())));
  }
  // The node goes on.
  CHECK(other.retention().Truncate({.through = Seq{2}}).value().removed == 2);
}

TEST_CASE("log_keeper: closing answers what waits", "[node]") {
  const TemporaryDirectory temp;
  {
    KeeperNode node(temp / "home");
    const Project project = node->CreateProject("notes").value();
    PutDocs(project, 30);
    std::vector<std::future<absl::StatusOr<Truncated>>> answers;
    for (std::uint64_t through = 1; through <= 20; ++through) {
      answers.push_back(project.retention().AsyncTruncate(
          {.through = Seq{through}}, boost::asio::use_future));
    }
    REQUIRE(node->Close().ok());
    node.Drain();
    for (auto& answer : answers) {
      const auto truncated = answer.get();
      CHECK((truncated.ok() || absl::IsCancelled(truncated.status())));
    }
  }
  KeeperNode node(temp / "home");
  CHECK(node->project("notes").documents().Get("ns", "3").ok());
}

std::uintmax_t BytesIn(const std::filesystem::path& path) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::error_code gone;  // Files come and go.
    const auto size = entry.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

TEST_CASE("log_keeper: the store shrinks when enough was dropped", "[node]") {
  const TemporaryDirectory temp;
  KeeperNode node(temp / "home");
  const Project project = node->CreateProject("notes").value();
  PutDocs(project, 1500, 30'000);
  const std::uintmax_t before = BytesIn(temp / "home" / "store");
  REQUIRE(before > 40'000'000);
  const auto truncated = project.retention().Truncate({.through = Seq{1490}});
  REQUIRE(truncated.ok());
  CHECK(truncated->removed == 1490);
  CHECK(BytesIn(temp / "home" / "store") < before / 2);
  LogQuery query;
  query.since = Seq{1490};
  CHECK(project.log().Read(query).value().records.size() == 10);
}

TEST_CASE("log_keeper: serving gives back what a crash left", "[node][fault]") {
  constexpr std::uint64_t kRecords = 17'000;
  const TemporaryDirectory temp;
  const auto path = temp / "home" / "store";
  {
    KeeperNode node(temp / "home");
    const Project project = node->CreateProject("notes").value();
    SeededRandom random(6);
    std::vector<std::future<absl::StatusOr<Written>>> puts;
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      puts.push_back(project.documents().AsyncPut(
          "ns", "key", random.Bytes(1000), {}, boost::asio::use_future));
    }
    for (auto& put : puts) REQUIRE(put.get().ok());
    REQUIRE(node->Close().ok());
  }
  {  // As if the process had died right behind the truncation.
    auto store = RocksStore::Open(path);
    REQUIRE(store.ok());
    boost::asio::io_context io;
    SyncThread sync_thread;
    CommitQueue commits(**store, sync_thread, io.get_executor());
    SeededRandom random(1);
    const auto log =
        AppendLog::Open(commits, testing::kFirstProject, random, {});
    REQUIRE(log.ok());
    REQUIRE((*log)->TruncateThrough(Seq{kRecords - 5}).ok());
  }
  const std::uintmax_t before = BytesIn(path);
  REQUIRE(before > kRecords * 1000);
  KeeperNode node(temp / "home");
  REQUIRE(node.OnLoop([&] { return node->Serve({}).ok(); }));
  CHECK(Eventually([&] { return BytesIn(path) < before / 2; }));
  CHECK(Horizon(node->project("notes")) == kRecords - 5);
  CHECK(node->project("notes").documents().Get("ns", "key").ok());
}

TEST_CASE("log_keeper: a policy that fails is shown until it does not",
          "[node][fault]") {
  const TemporaryDirectory temp;
  {
    KeeperNode node(temp / "home");
    const Project project = node->CreateProject("notes").value();
    PutDocs(project, 20);
    // Brings the head row up to date: an open then trusts what is before it.
    REQUIRE(project.retention().Truncate({.through = Seq{5}}).ok());
    REQUIRE(node->Close().ok());
  }
  {
    const auto store = RocksStore::Open(temp / "home" / "store");
    REQUIRE(store.ok());
    WriteBatch batch;
    const auto records = (*store)->NewIterator(Column::kLog);
    int count = 0;
    for (records->SeekToFirst(); records->Valid() && ++count < 15;
         records->Next()) {
      std::string record(records->value());
      record[20] = static_cast<char>(record[20] ^ 1);
      batch.Put(Column::kLog, records->key(), record);
    }
    REQUIRE(count == 15);
    REQUIRE((*store)->Write(batch, true).ok());
  }
  KeeperNode node(temp / "home");
  const Project project = node->project("notes");
  const auto error = [&] { return project.sync().Report().value().error; };
  CHECK(error().empty());
  REQUIRE(project.retention().Set({{.age_ms = 1}, {}}).ok());
  CHECK(Eventually([&] { return error().starts_with("retention: "); }));
  CHECK(Horizon(project) == 5);
  // Has no need to read any of them.
  REQUIRE(project.retention().Set({{.entries = 100}, {}}).ok());
  CHECK(Eventually([&] { return error().empty(); }));
}

}  // namespace
}  // namespace syncline
