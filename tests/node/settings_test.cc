#include "node/settings.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/random.h"
#include "kv/memory_store.h"
#include "node/node_scope.h"

namespace syncline {
namespace {

// Settings over one store, opened anew as often as wanted.
struct Rig {
  MemoryStore store;
  SeededRandom random{7};
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard{io.get_executor()};
  SyncThread sync_thread;
  std::unique_ptr<Settings> settings;
  int done = 0;

  absl::Status Open() {
    settings.reset();
    auto opened =
        Settings::Open(store, sync_thread, io.get_executor(), random, "laptop");
    if (!opened.ok()) return opened.status();
    settings = *std::move(opened);
    return absl::OkStatus();
  }
  Settings::Done Count() {
    return [this](const absl::Status& status) {
      REQUIRE(status.ok());
      ++done;
    };
  }
  // Runs the loop until `count` changes were acknowledged.
  void Finish(int count) {
    while (done < count) io.run_one();
  }
};

ProjectId IdOf(char c) { return {std::string(16, c)}; }

PeerRow PeerOf(char c) {
  PeerRow row;
  row.key = std::string(32, c);
  row.id = DeviceId::Of(row.key);
  row.name = "phone";
  row.addresses = {"127.0.0.1:1", "127.0.0.1:2"};
  row.projects = {IdOf('p')};
  return row;
}

TEST_CASE("settings: a new store gets an origin that stays", "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const Origin origin = rig.settings->origin();
  CHECK(rig.settings->name() == "laptop");
  rig.settings->SetName("desk", rig.Count());
  rig.Finish(1);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->origin() == origin);
  CHECK(rig.settings->name() == "desk");
}

TEST_CASE("settings: the node's own scope is added once", "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  int logs = 0;
  const auto add = [&] {
    return rig.settings->AddNodeScope(
        [&](ProjectNumber, WriteBatch&) { ++logs; });
  };
  REQUIRE(add().ok());
  REQUIRE(add().ok());
  REQUIRE(rig.Open().ok());
  REQUIRE(add().ok());
  CHECK(logs == 1);
  CHECK(rig.settings->FindProject(NodeScopeId())->name == kNodeScope);
}

TEST_CASE("settings: a project that took the scope's name keeps it", "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.settings->AddProject(kNodeScope, IdOf('p'), rig.Count()).ok());
  REQUIRE(rig.settings->AddNodeScope(nullptr).ok());
  CHECK(rig.settings->projects().size() == 1);
  CHECK(rig.settings->FindProject(kNodeScope)->id == IdOf('p'));
}

TEST_CASE("settings: every row survives a reopen", "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const auto number = rig.settings->AddProject("notes", IdOf('p'), rig.Count());
  REQUIRE(number.ok());
  const ProjectRow project = rig.settings->projects().at(*number);
  const std::uint32_t mirror =
      rig.settings->AddMirror(*number, "/home/a", rig.Count());
  MirrorRow mirror_row = rig.settings->mirrors().at(mirror);
  mirror_row.paused = true;
  rig.settings->PutMirror(mirror_row, rig.Count());
  rig.settings->PutPeer(PeerOf('k'), rig.Count());
  const InvitationRow invitation{
      std::string(16, 'i'), "secret", {IdOf('p')}, 1000, false};
  rig.settings->PutInvitation(invitation, 500, rig.Count());
  rig.Finish(5);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->projects().at(*number) == project);
  CHECK(rig.settings->mirrors().at(mirror) == mirror_row);
  CHECK(rig.settings->peers().at(PeerOf('k').id) == PeerOf('k'));
  CHECK(rig.settings->invitations().at(invitation.id) == invitation);
}

TEST_CASE("settings: a used invitation stays used and loses its secret",
          "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const InvitationRow invitation{
      std::string(16, 'i'), "secret", {}, 1000, false};
  rig.settings->PutInvitation(invitation, 0, rig.Count());
  rig.settings->UseInvitation(invitation.id, PeerOf('k'), rig.Count());
  rig.Finish(2);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->invitations().at(invitation.id).used);
  CHECK(rig.settings->invitations().at(invitation.id).secret.empty());
  CHECK(rig.settings->peers().contains(PeerOf('k').id));
}

TEST_CASE("settings: names and ids of projects are distinct", "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.settings->AddProject("notes", IdOf('p'), rig.Count()).ok());
  CHECK(absl::IsAlreadyExists(
      rig.settings->AddProject("notes", IdOf('q'), nullptr).status()));
  CHECK(absl::IsAlreadyExists(
      rig.settings->AddProject("other", IdOf('p'), nullptr).status()));
  for (const char* bad : {"", ".", "..", "a/b", "a\nb"}) {
    CHECK(absl::IsInvalidArgument(
        rig.settings->AddProject(bad, IdOf('r'), nullptr).status()));
  }
  CHECK(rig.settings->FreeProjectName("notes") == "notes-2");
  CHECK(rig.settings->FreeProjectName("free") == "free");
  rig.Finish(1);
}

TEST_CASE("settings: a project and what comes with it are one batch",
          "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  ProjectNumber told;
  const auto number = rig.settings->AddProject(
      "notes", IdOf('p'), rig.Count(),
      [&](ProjectNumber added, WriteBatch& batch) {
        told = added;
        batch.Put(Column::kProjects, ProjectPrefix(added) + "x", "row");
        CHECK(batch.size() == 3);  // The node's, the project's and this.
      });
  REQUIRE(number.ok());
  CHECK(told == *number);
  rig.Finish(1);
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.settings->FindProject("notes") != nullptr);
  CHECK(rig.settings->FindProject(IdOf('p'))->number == *number);
  CHECK(rig.store.Get(Column::kProjects, ProjectPrefix(*number) + "x").ok());
  rig.settings->RemoveProject(*number, rig.Count());
  rig.Finish(2);
  CHECK(rig.settings->FindProject("notes") == nullptr);
  CHECK(rig.settings->FindProject(IdOf('p')) == nullptr);
  REQUIRE(rig.settings->AddProject("notes", IdOf('p'), rig.Count()).ok());
  rig.Finish(3);
}

TEST_CASE("settings: a removed project leaves nothing and its number is spent",
          "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const auto number = rig.settings->AddProject("notes", IdOf('p'), rig.Count());
  REQUIRE(number.ok());
  const std::uint32_t mirror =
      rig.settings->AddMirror(*number, "/a", rig.Count());
  rig.settings->PutPeer(PeerOf('k'), rig.Count());
  rig.Finish(3);
  WriteBatch batch;
  batch.Put(Column::kLog, ProjectPrefix(*number) + "x", "row");
  batch.Put(Column::kLog, ProjectPrefix({number->value + 1}) + "x", "other");
  REQUIRE(rig.store.Write(batch, true).ok());
  rig.settings->RemoveProject(*number, rig.Count());
  rig.Finish(4);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->projects().empty());
  CHECK_FALSE(rig.settings->mirrors().contains(mirror));
  CHECK(rig.settings->peers().at(PeerOf('k').id).projects.empty());
  CHECK(absl::IsNotFound(
      rig.store.Get(Column::kLog, ProjectPrefix(*number) + "x").status()));
  CHECK(rig.store.Get(Column::kLog, ProjectPrefix({number->value + 1}) + "x")
            .ok());
  const auto next = rig.settings->AddProject("new", IdOf('n'), rig.Count());
  REQUIRE(next.ok());
  CHECK(next->value > number->value);
  rig.Finish(5);
}

TEST_CASE("settings: a newer format is refused", "[node][fault]") {
  Rig rig;
  WriteBatch batch;
  std::string row;
  AppendU32(row, Settings::kFormat + 1);
  row += "whatever comes then";
  batch.Put(Column::kMeta, "node", row);
  REQUIRE(rig.store.Write(batch, true).ok());
  CHECK(absl::IsFailedPrecondition(rig.Open()));
}

TEST_CASE("settings: damaged rows are data loss and never a crash",
          "[node][fault]") {
  const std::string good = EncodePeerRow(PeerOf('k'));
  REQUIRE(DecodePeerRow(good).ok());
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CHECK(absl::IsDataLoss(DecodePeerRow(good.substr(0, cut)).status()));
  }
  SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = random.Bytes(random.Below(120));
    (void)DecodeProjectRow(bytes);
    (void)DecodeMirrorRow(bytes);
    (void)DecodePeerRow(bytes);
    (void)DecodeInvitationRow(bytes);
  }
}

TEST_CASE("settings: a retention policy stays until it keeps everything",
          "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const auto number = rig.settings->AddProject("notes", IdOf('p'), rig.Count());
  REQUIRE(number.ok());
  const RetentionPolicy policy{{.entries = 5, .age_ms = 7, .bytes = 1u << 30},
                               {.age_ms = 90}};
  rig.settings->PutRetention(*number, policy, rig.Count());
  rig.Finish(2);
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.settings->retention().size() == 1);
  CHECK(rig.settings->retention().at(*number) == policy);
  rig.settings->PutRetention(*number, {{}, {.entries = 3}}, rig.Count());
  rig.Finish(3);
  CHECK(rig.settings->retention().empty());
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->retention().empty());
  // It goes with its project.
  rig.settings->PutRetention(*number, policy, rig.Count());
  rig.settings->RemoveProject(*number, rig.Count());
  rig.Finish(5);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->retention().empty());
}

TEST_CASE("settings: what devices hold is remembered while they are known",
          "[node]") {
  Rig rig;
  REQUIRE(rig.Open().ok());
  const auto number = rig.settings->AddProject("notes", IdOf('p'), rig.Count());
  REQUIRE(number.ok());
  const PeerRow peer = PeerOf('k');
  const PeerRow other = PeerOf('o');
  VersionVector frontier;
  frontier.Raise(rig.settings->origin(), 12);
  rig.settings->PutFrontier(peer.id, IdOf('p'), frontier, rig.Count());
  CHECK(rig.settings->FrontierOf(peer.id, IdOf('p')) ==
        nullptr);  // A stranger.
  rig.settings->PutPeer(peer, rig.Count());
  rig.settings->PutPeer(other, rig.Count());
  for (const PeerRow& each : {peer, other}) {
    rig.settings->PutFrontier(each.id, IdOf('p'), frontier, rig.Count());
    rig.settings->PutFrontier(each.id, IdOf('q'), frontier, rig.Count());
  }
  frontier.Raise(rig.settings->origin(), 13);
  rig.settings->PutFrontier(peer.id, IdOf('p'), frontier, rig.Count());
  rig.Finish(9);
  REQUIRE(rig.Open().ok());
  REQUIRE(rig.settings->FrontierOf(peer.id, IdOf('p')) != nullptr);
  CHECK(*rig.settings->FrontierOf(peer.id, IdOf('p')) == frontier);
  CHECK(rig.settings->FrontierOf(peer.id, IdOf('x')) == nullptr);
  // Less is taken too: a device that lost its store says so.
  rig.settings->PutFrontier(peer.id, IdOf('p'), VersionVector(), rig.Count());
  rig.settings->RemovePeer(other.id, rig.Count());
  rig.Finish(11);
  REQUIRE(rig.Open().ok());
  CHECK(*rig.settings->FrontierOf(peer.id, IdOf('p')) == VersionVector());
  CHECK(rig.settings->FrontierOf(other.id, IdOf('p')) == nullptr);
  rig.settings->RemoveProject(*number, rig.Count());
  rig.Finish(12);
  REQUIRE(rig.Open().ok());
  CHECK(rig.settings->FrontierOf(peer.id, IdOf('p')) == nullptr);
  CHECK(rig.settings->FrontierOf(peer.id, IdOf('q')) != nullptr);
}

}  // namespace
}  // namespace syncline
