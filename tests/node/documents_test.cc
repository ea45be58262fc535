#include <catch2/catch.hpp>
#include <memory>

#include "node/node.h"
#include "tests/node/running_node.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::At;
using testing::RunningNode;
using testing::TemporaryDirectory;

IfMatch Version(const Dot& version) {
  return IfMatch{IfMatch::Kind::kVersion, version};
}

TEST_CASE("documents: a program writes and reads and lists them", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = *node->CreateProject("notes");
  const auto documents = project.documents();
  const Written first = *documents.Put("app", "k", "1");
  const DocumentInfo one = *documents.Get("app", "k");
  CHECK(one.value == "1");
  CHECK(one.version == *first.version);
  CHECK(one.device == node->device_id());
  CHECK_FALSE(one.conflict);
  CHECK(documents.Get("app", "k", one.version)->value == "1");
  CHECK(absl::IsNotFound(
      documents.Get("app", "k", Dot{one.version.origin, 99}).status()));
  // Compare and swap.
  REQUIRE(documents.Put("app", "k", "2", {Version(one.version)}).ok());
  CHECK(absl::IsFailedPrecondition(
      documents.Put("app", "k", "3", {Version(one.version)}).status()));
  CHECK(documents.Put("app", "k", "2")->seq == Seq{0});
  CHECK(absl::IsPermissionDenied(
      documents.Put("sys", "strategy", "skip").status()));
  CHECK(absl::IsInvalidArgument(documents.Put("a/b", "k", "1").status()));
  CHECK(absl::IsInvalidArgument(documents.Put("a", "", "1").status()));
  CHECK(absl::IsNotFound(documents.Put("app", "none", std::nullopt).status()));
  DocumentPut resolve;
  resolve.resolve = true;
  CHECK(absl::IsNotFound(documents.Put("app", "k", "9", resolve).status()));
  REQUIRE(documents.Put("app", "k", std::nullopt).ok());
  CHECK(absl::IsNotFound(documents.Get("app", "k").status()));
}

TEST_CASE("documents: the node has a scope outside any project", "[node]") {
  const TemporaryDirectory temp;
  const auto listed = [](RunningNode& node) {
    return node->Status()->projects.size();
  };
  {
    RunningNode node(At(temp / "home"));
    const auto documents = node->project(std::string(kNodeScope)).documents();
    CHECK(listed(node) == 0);
    CHECK(documents.List()->documents.empty());
    CHECK(absl::IsAlreadyExists(
        node->CreateProject(std::string(kNodeScope)).status()));
    REQUIRE(documents.Put("app", "k", "1").ok());
    CHECK(listed(node) == 1);
    REQUIRE(node->Close().ok());
  }
  {
    RunningNode node(At(temp / "home"));
    const auto documents = node->project(std::string(kNodeScope)).documents();
    CHECK(listed(node) == 1);
    CHECK(documents.Get("app", "k")->value == "1");
    // Emptied, and there again.
    REQUIRE(node->RemoveProject(std::string(kNodeScope)).ok());
    CHECK(listed(node) == 0);
    CHECK(absl::IsNotFound(documents.Get("app", "k").status()));
    REQUIRE(documents.Put("app", "k", "2").ok());
    REQUIRE(node->Close().ok());
  }
  RunningNode node(At(temp / "home"));
  CHECK(node->project(std::string(kNodeScope))
            .documents()
            .Get("app", "k")
            ->value == "2");
}

TEST_CASE("documents: many are listed page by page", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = *node->CreateProject("notes");
  const auto documents = project.documents();
  REQUIRE(project.conflicts().SetStrategy("", Strategy::kManual).ok());
  std::vector<std::string> expected;
  for (const char* name_space : {"a", "b", "z"}) {
    for (int i = 0; i < 100; ++i) {
      const std::string key = std::to_string(1000 + i);
      REQUIRE(documents.Put(name_space, key, std::string(9000, 'x')).ok());
      expected.push_back(std::string(name_space) + "/" + key);
    }
  }
  const auto all = [&](DocumentQuery query) {
    std::vector<std::string> names;
    std::size_t pages = 0;
    for (bool more = true; more; ++pages) {
      const DocumentList list = *documents.List(query);
      for (const DocumentInfo& info : list.documents) {
        names.push_back(info.name_space + "/" + info.key);
        query.after_name_space = info.name_space;
        query.after_key = info.key;
      }
      more = list.more;
    }
    return std::pair(names, pages);
  };
  const auto [names, pages] = all({});
  CHECK(names == expected);
  CHECK(pages > 2);
  DocumentQuery of_b;
  of_b.name_space = "b";
  of_b.key_prefix = "101";
  CHECK(all(of_b).first == std::vector<std::string>(expected.begin() + 110,
                                                    expected.begin() + 120));
  DocumentQuery settings;
  settings.name_space = "sys";
  CHECK(all(settings).first == std::vector<std::string>{"sys/strategy"});
}

TEST_CASE("documents: strategies are set and read by a program", "[node]") {
  const TemporaryDirectory temp;
  RunningNode node(At(temp / "home"));
  const Project project = *node->CreateProject("notes");
  const auto conflicts = project.conflicts();
  CHECK(conflicts.Strategies()->strategy == Strategy::kMerge);
  CHECK(absl::IsNotFound(conflicts.SetStrategy("", std::nullopt).status()));
  REQUIRE(conflicts.SetStrategy("", Strategy::kKeepBoth).ok());
  REQUIRE(conflicts.SetStrategy("*.odt", Strategy::kManual).ok());
  const StrategyReport report = *conflicts.Strategies();
  CHECK(report.strategy == Strategy::kKeepBoth);
  REQUIRE(report.rules.size() == 1);
  CHECK(report.rules[0].glob == "*.odt");
  CHECK(report.authority.empty());
  CHECK(project.sync().Report()->strategy == Strategy::kKeepBoth);
  CHECK(conflicts.List()->empty());
  CHECK(absl::IsNotFound(conflicts.Show("x").status()));
  CHECK(absl::IsNotFound(conflicts.Resolve("x", "local").status()));
}

}  // namespace
}  // namespace syncline
