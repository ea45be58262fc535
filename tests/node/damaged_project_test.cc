// A project whose log or state cannot be opened does not take the others with
// it, and is not passed over in silence.

#include <catch2/catch.hpp>
#include <string>

#include "kv/rocks_store.h"
#include "log/log_rows.h"
#include "node/project_events.h"
#include "tests/node/running_node.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

// Of the first project of a home; flips a bit of one record behind its head
// row.
void Damage(const std::filesystem::path& home, Seq seq) {
  const auto store = RocksStore::Open(home / "store");
  REQUIRE(store.ok());
  const auto records = (*store)->NewIterator(Column::kLog);
  records->SeekToFirst();
  REQUIRE(records->Valid());
  const std::string key =
      std::string(records->key().substr(0, sizeof(std::uint32_t))) +
      RecordKey({0}, seq).substr(sizeof(std::uint32_t));
  std::string record = (*store)->Get(Column::kLog, key).value();
  record[record.size() / 2] = static_cast<char>(record[record.size() / 2] ^ 4);
  WriteBatch batch;
  batch.Put(Column::kLog, key, record);
  REQUIRE((*store)->Write(batch, true).ok());
}

struct DamagedHome {
  DamagedHome() {
    RunningNode node(At(temp / "home"));
    for (const char* name : {"bad", "good"}) {
      const Project project = node->CreateProject(name).value();
      for (int i = 0; i < 5; ++i) {
        REQUIRE(project.files().Put("file" + std::to_string(i), "x").ok());
      }
    }
    REQUIRE(node->Close().ok());
  }
  TemporaryDirectory temp;
};

TEST_CASE("damaged_project: the others of the node go on", "[node][fault]") {
  const DamagedHome home;
  Damage(home.temp / "home", {3});
  RunningNode node(At(home.temp / "home"));
  REQUIRE(node.status().ok());
  const Project good = node->project("good");
  CHECK(good.files().Put("more", "y").ok());
  CHECK(good.files().Read("file1").value() == "x");

  const absl::Status told =
      node->project("bad").files().Put("more", "y").status();
  CHECK(absl::IsDataLoss(told));
  INFO(told);
  CHECK(told.message().find("seq 3") != absl::string_view::npos);

  const NodeReport report = node->Status().value();
  REQUIRE(report.projects.size() == 2);
  CHECK(report.projects[0].name == "bad");
  CHECK(report.projects[0].error.find("3") != std::string::npos);
  CHECK(report.projects[1].error.empty());
  REQUIRE(node->Close().ok());
}

TEST_CASE("damaged_project: a project without a log has its log made",
          "[node][fault]") {
  const TemporaryDirectory temp;
  {
    RunningNode node(At(temp / "home"));
    REQUIRE(node->CreateProject("empty").ok());
    REQUIRE(node->Close().ok());
  }
  {
    const auto store = RocksStore::Open(temp / "home" / "store");
    REQUIRE(store.ok());
    // Written with the project's own row, not when its log is first used.
    REQUIRE((*store)->Get(Column::kProjects, HeadKey(kFirstProject)).ok());
    WriteBatch batch;
    batch.Delete(Column::kProjects, HeadKey(kFirstProject));
    REQUIRE((*store)->Write(batch, true).ok());
  }
  RunningNode node(At(temp / "home"));
  REQUIRE(node.status().ok());
  CHECK(node->Status().value().projects[0].error.empty());
  CHECK(node->project("empty").files().Put("file", "x").ok());
}

TEST_CASE("damaged_project: it can be removed and made anew", "[node][fault]") {
  const DamagedHome home;
  Damage(home.temp / "home", {5});
  {
    RunningNode node(At(home.temp / "home"));
    REQUIRE(node.status().ok());
    CHECK(absl::IsAlreadyExists(node->CreateProject("bad").status()));
    REQUIRE(node->RemoveProject("bad").ok());
    const Project anew = node->CreateProject("bad").value();
    CHECK(anew.files().Put("file", "z").ok());
    REQUIRE(node->Close().ok());
  }
  RunningNode node(At(home.temp / "home"));
  CHECK(node->project("bad").files().Read("file").value() == "z");
  CHECK(node->Status().value().projects[0].error.empty());
}

}  // namespace
}  // namespace syncline::testing
