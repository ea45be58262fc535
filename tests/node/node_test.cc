#include "node/node.h"

#include <sys/stat.h>

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "tests/node/running_node.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::TemporaryDirectory;

using testing::At;
using testing::RunningNode;

TEST_CASE("node: a home is private and keeps what was put", "[node]") {
  const TemporaryDirectory temp;
  std::string id;
  ProjectReport before;
  {
    RunningNode node(At(temp / "home"));
    REQUIRE(node.status().ok());
    id = node->device_id();
    const auto project = node->CreateProject("notes");
    REQUIRE(project.ok());
    REQUIRE(project->files().Put("a.txt", "hello").ok());
    REQUIRE(project->documents().Put("app", "key", "value").ok());
    before = project->sync().Report().value();
    REQUIRE(node->Close().ok());
  }
  struct stat info {};
  REQUIRE(stat((temp / "home").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
  REQUIRE(stat((temp / "home" / "device.key").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  RunningNode node(At(temp / "home"));
  REQUIRE(node.status().ok());
  CHECK(node->device_id() == id);
  const Project project = node->project("notes");
  CHECK(project.files().Read("a.txt").value() == "hello");
  CHECK(project.documents().Get("app", "key").value().value == "value");
  const ProjectReport after = project.sync().Report().value();
  CHECK(after.digest == before.digest);
  CHECK(after.frontier == before.frontier);
  CHECK(after.log == before.log);
  CHECK(after.bytes == 5);
}

TEST_CASE("node: what was acknowledged is there without a close", "[node]") {
  const TemporaryDirectory temp;
  {
    RunningNode node(At(temp / "home"));
    const auto project = node->CreateProject("notes");
    REQUIRE(project.ok());
    for (int i = 0; i < 20; ++i) {
      REQUIRE(project->files().Put(std::to_string(i), "x").ok());
    }
  }  // Dropped.
  RunningNode node(At(temp / "home"));
  REQUIRE(node.status().ok());
  CHECK(node->project("notes").files().List("").value().entries.size() == 20);
}

TEST_CASE("node: a second open of a home is refused", "[node]") {
  const TemporaryDirectory temp;
  RunningNode first(At(temp / "home"));
  REQUIRE(first.status().ok());
  boost::asio::io_context io;
  const absl::Status second = Node::Open(io, At(temp / "home")).status();
  CHECK(absl::IsFailedPrecondition(second));
  CHECK(std::string(second.message()).find("in use") != std::string::npos);
  REQUIRE(first->Close().ok());
  CHECK(Node::Open(io, At(temp / "home")).ok());
}

TEST_CASE("node: a missing home is not made unless asked for", "[node]") {
  const TemporaryDirectory temp;
  boost::asio::io_context io;
  NodeOptions options = At(temp / "home");
  options.create = false;
  CHECK(absl::IsNotFound(Node::Open(io, options).status()));
  CHECK_FALSE(std::filesystem::exists(temp / "home"));
}

TEST_CASE("node: closing keeps its order with work in flight", "[node]") {
  const TemporaryDirectory temp;
  std::vector<std::string> steps;
  NodeOptions options = At(temp / "home");
  options.on_close_step = [&](std::string_view step) {
    steps.emplace_back(step);
  };
  std::vector<std::future<absl::StatusOr<Written>>> puts;
  {
    RunningNode node(options);
    const auto project = node->CreateProject("notes");
    REQUIRE(project.ok());
    std::filesystem::create_directory(temp / "dir");
    for (int i = 0; i < 50; ++i) {
      testing::WriteFile(temp / "dir" / std::to_string(i), "on disk");
    }
    REQUIRE(project->sync().AddMirror((temp / "dir").string()).ok());
    for (int i = 0; i < 50; ++i) {
      puts.push_back(project->files().AsyncPut(
          "put-" + std::to_string(i), std::string(20000, 'x'), PutOptions(),
          boost::asio::use_future));
    }
    const absl::Status closed = node->Close();
    INFO(closed);
    CHECK(closed.ok());
    CHECK(absl::IsCancelled(project->files().Stat("x").status()));
    CHECK(absl::IsCancelled(node->Close()));
  }
  CHECK(steps == std::vector<std::string>{"accepting", "sessions", "mirrors",
                                          "views", "commits", "store"});
  RunningNode node(At(temp / "home"));
  REQUIRE(node.status().ok());
  for (int i = 0; i < 50; ++i) {
    const absl::StatusOr<Written> put = puts[static_cast<unsigned>(i)].get();
    if (!put.ok()) {
      CHECK(absl::IsCancelled(put.status()));
      continue;
    }
    CHECK(node->project("notes").files().Stat("put-" + std::to_string(i)).ok());
  }
}

TEST_CASE("node: operations answer callbacks and futures on their executor",
          "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  auto made = node->AsyncCreateProject("notes", boost::asio::use_future);
  const Project project = made.get().value();
  std::promise<bool> on_loop;
  project.files().AsyncPut(
      "a", "b", PutOptions(), [&](const absl::StatusOr<Written>& written) {
        on_loop.set_value(written.ok() &&
                          node.io().get_executor().running_in_this_thread());
      });
  CHECK(on_loop.get_future().get());
  const auto stat =
      project.files().AsyncStat("a", boost::asio::use_future).get();
  REQUIRE(stat.ok());
  CHECK(stat->size == 1);
  CHECK(stat->version.has_value());
  CHECK(absl::IsNotFound(node->project("nowhere").files().Stat("a").status()));
}

TEST_CASE("node: a version that is not the shown one refuses a put", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  const Written first = project.files().Put("a", "1").value();
  PutOptions options;
  options.if_match = {IfMatch::Kind::kVersion, *first.version};
  const Written second = project.files().Put("a", "2", options).value();
  CHECK(second.version != first.version);
  CHECK(absl::IsFailedPrecondition(
      project.files().Put("a", "3", options).status()));
  options.if_match = {IfMatch::Kind::kAbsent, {}};
  CHECK(absl::IsFailedPrecondition(
      project.files().Put("a", "3", options).status()));
  CHECK(project.files().Put("b", "3", options).ok());
  CHECK(project.files().Read("a").value() == "2");
}

TEST_CASE("node: the same content again writes nothing", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  REQUIRE(project.files().Put("a", "1").ok());
  CHECK(project.files().Put("a", "1").value().seq.value == 0);
  CHECK(project.sync().Report().value().head.value == 1);
}

TEST_CASE("node: large files come back whole", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  std::string bytes;
  for (std::uint64_t i = 0; bytes.size() < (20u << 20); ++i) {
    bytes += std::to_string(i * 7919) + "\n";
  }
  REQUIRE(project.files().Put("big", bytes).ok());
  CHECK(project.files().Read("big").value() == bytes);
  CHECK(absl::IsResourceExhausted(project.files().Read("big", 1000).status()));
}

TEST_CASE("node: a folder in or around a mirrored one is refused", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  std::filesystem::create_directories(temp / "dir" / "inner");
  REQUIRE(project.sync().AddMirror((temp / "dir").string()).ok());
  for (const auto& dir :
       {temp / "dir" / "inner", temp.path(), temp / "dir", temp / "home"}) {
    const absl::Status refused =
        project.sync().AddMirror(dir.string()).status();
    INFO(dir << ": " << refused);
    CHECK(absl::IsFailedPrecondition(refused));
  }
  CHECK(absl::IsNotFound(
      project.sync().AddMirror((temp / "none").string()).status()));
  CHECK(project.sync().Report().value().mirrors.size() == 1);
}

TEST_CASE("node: a mirror survives a reopen and takes in what changed",
          "[node]") {
  const TemporaryDirectory temp;
  std::filesystem::create_directory(temp / "dir");
  {
    RunningNode node(At(temp / "home"));
    const Project project = node->CreateProject("notes").value();
    REQUIRE(project.sync().AddMirror((temp / "dir").string()).ok());
    testing::WriteFile(temp / "dir" / "a", "1");
    REQUIRE(project.sync().Wait(60000).ok());
    CHECK(project.files().Read("a").value() == "1");
    REQUIRE(node->Close().ok());
  }
  testing::WriteFile(temp / "dir" / "b", "2");
  RunningNode node(At(temp / "home"));
  const Project project = node->project("notes");
  REQUIRE(project.sync().Wait(60000).ok());
  CHECK(project.files().Read("b").value() == "2");
  REQUIRE(project.files().Put("c", "3").ok());
  REQUIRE(project.sync().Wait(60000).ok());
  CHECK(testing::ReadFile(temp / "dir" / "c") == "3");
}

TEST_CASE("node: a subscriber sees every record once and in order", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  REQUIRE(project.files().Put("before", "x").ok());
  std::promise<void> all;
  std::vector<std::uint64_t> seqs;
  std::optional<Project::Log::Subscription> subscription;
  std::promise<absl::Status> subscribed;
  boost::asio::post(node.io(), [&] {
    LogQuery query;
    query.follow = true;
    auto made = project.log().Subscribe(
        query,
        [&](std::vector<LogRecord> batch, const std::function<void()>& next) {
          for (const LogRecord& record : batch) {
            seqs.push_back(record.seq.value);
            if (seqs.size() == 40) all.set_value();
          }
          next();
        },
        [](const absl::StatusOr<LogEnd>&) {});
    subscribed.set_value(made.status());
    if (made.ok()) subscription.emplace(*std::move(made));
  });
  REQUIRE(subscribed.get_future().get().ok());
  for (int i = 1; i < 40; ++i) {
    REQUIRE(project.files().Put("f", std::to_string(i)).ok());
  }
  all.get_future().wait();
  std::promise<void> ended;
  boost::asio::post(node.io(), [&] {
    subscription.reset();
    ended.set_value();
  });
  ended.get_future().wait();
  for (std::size_t i = 0; i < seqs.size(); ++i) CHECK(seqs[i] == i + 1);
}

TEST_CASE("node: a page of the log filters by path and kind", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = node->CreateProject("notes").value();
  REQUIRE(project.files().MakeDirectory("d").ok());
  REQUIRE(project.files().Put("d/a", "1").ok());
  REQUIRE(project.files().Put("b", "1").ok());
  REQUIRE(project.files().Remove("b").ok());
  LogQuery query;
  query.path = "d/**";
  CHECK(project.log().Read(query).value().records.size() == 1);
  query = LogQuery();
  query.kinds = {PathChange::Type::kDelete};
  const auto page = project.log().Read(query).value();
  REQUIRE(page.records.size() == 1);
  CHECK(page.records[0].changes[0].path == "b");
  CHECK(page.records[0].device == node->device_id());
  query = LogQuery();
  query.reverse = true;
  query.limit = 2;
  const auto newest = project.log().Read(query).value();
  REQUIRE(newest.records.size() == 2);
  CHECK(newest.records[0].seq.value == 4);
  query = LogQuery();
  query.since = Seq{99};
  CHECK(project.log().Read(query).value().end.state == CursorState::kInvalid);
  query.since = Seq{1};
  query.log = LogId{std::string(16, 'x')};
  CHECK(project.log().Read(query).value().end.state == CursorState::kInvalid);
}

TEST_CASE("node: a removed project is gone for good", "[node]") {
  const TemporaryDirectory temp;
  {
    RunningNode node(At(temp / "home"));
    const Project project = node->CreateProject("notes").value();
    REQUIRE(project.files().Put("a", "1").ok());
    REQUIRE(node->RemoveProject("notes").ok());
    CHECK(absl::IsNotFound(project.files().Stat("a").status()));
    CHECK(absl::IsNotFound(node->RemoveProject("notes")));
    REQUIRE(node->CreateProject("notes").ok());
    CHECK(absl::IsNotFound(project.files().Stat("a").status()));
  }
  RunningNode node(At(temp / "home"));
  REQUIRE(node.status().ok());
  CHECK(node->Status().value().projects.size() == 1);
}

}  // namespace
}  // namespace syncline
