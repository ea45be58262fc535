#include "node/node_devices.h"

#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>

#include "node/project_files.h"
#include "tests/node/running_node.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::At;
using testing::RunningNode;
using testing::TemporaryDirectory;

// A node that serves, as an embedder's does.
struct Device {
  explicit Device(const std::filesystem::path& home) : node(At(home)) {
    REQUIRE(node.status().ok());
    REQUIRE(node.OnLoop([&] { return node->Serve({"127.0.0.1:0"}); }).ok());
  }
  RunningNode node;
};

TEST_CASE("node devices: two nodes of one program pair and share",
          "[node][pair]") {
  const TemporaryDirectory temp;
  Device a(temp / "a");
  Device b(temp / "b");
  const auto notes = a.node->CreateProject("notes");
  REQUIRE(notes.ok());
  REQUIRE(notes->files().Put("todo.txt", "milk").ok());

  const auto invitation = a.node->devices().Invite({"notes"});
  REQUIRE(invitation.ok());
  const auto joined =
      b.node->devices().Join(invitation->code, {temp / "folder"});
  REQUIRE(joined.ok());
  CHECK(joined->device_id == a.node->device_id());
  REQUIRE(joined->places.size() == 1);
  CHECK(joined->places[0].project == "notes");
  REQUIRE(a.node->project("notes").sync().Wait(60'000).ok());
  REQUIRE(b.node->project("notes").sync().Wait(60'000).ok());
  CHECK(testing::ReadFile(temp / "folder" / "todo.txt") == "milk");

  const auto peers = b.node->devices().AsyncList(boost::asio::use_future).get();
  REQUIRE(peers.ok());
  REQUIRE(peers->size() == 1);
  CHECK(peers->front().id == a.node->device_id());
  CHECK(peers->front().state == "connected");

  // Good for one device only.
  Device c(temp / "c");
  CHECK(absl::IsFailedPrecondition(
      c.node->devices().Join(invitation->code).status()));
  CHECK(c.node->devices().List()->empty());
}

TEST_CASE("node devices: a removed device gets nothing more", "[node][pair]") {
  const TemporaryDirectory temp;
  Device a(temp / "a");
  Device b(temp / "b");
  REQUIRE(a.node->CreateProject("notes").ok());
  const auto invitation = a.node->devices().Invite({"notes"});
  REQUIRE(invitation.ok());
  REQUIRE(b.node->devices().Join(invitation->code).ok());
  const std::string id = a.node->devices().List()->front().id;
  REQUIRE(a.node->devices().Remove(id).ok());
  CHECK(a.node->devices().List()->empty());
  REQUIRE(a.node->project("notes").files().Put("later", "secret").ok());
  // Refused at once, or the next time that it dials.
  CHECK(testing::Eventually(
      [&] { return b.node->devices().List()->front().state == "refused"; }));
  CHECK(absl::IsNotFound(
      b.node->project("notes").files().Read("later").status()));
}

TEST_CASE("node devices: what cannot be is refused and changes nothing",
          "[node][pair]") {
  const TemporaryDirectory temp;
  Device a(temp / "a");
  Device b(temp / "b");
  REQUIRE(a.node->CreateProject("notes").ok());
  const Node::Devices of_a = a.node->devices();
  const Node::Devices of_b = b.node->devices();
  CHECK(absl::IsNotFound(of_a.Invite({"nowhere"}).status()));
  CHECK(absl::IsNotFound(of_a.Remove("abcd")));
  CHECK(absl::IsInvalidArgument(of_b.Join("no code").status()));

  const auto old = of_a.Invite({"notes"}, 0);
  REQUIRE(old.ok());
  CHECK(absl::IsFailedPrecondition(of_b.Join(old->code).status()));
  const auto fresh = of_a.Invite({"notes"});
  REQUIRE(fresh.ok());
  CHECK(absl::IsInvalidArgument(
      of_b.Join(fresh->code, {temp / "one", temp / "two"}).status()));
  CHECK(absl::IsFailedPrecondition(of_a.Join(fresh->code).status()));
  CHECK(of_b.List()->empty());
  CHECK(b.node->Status()->projects.empty());
  // It was not spent by that.
  CHECK(of_b.Join(fresh->code).ok());

  REQUIRE(a.node->Close().ok());
  CHECK(absl::IsCancelled(of_a.List().status()));
  CHECK(absl::IsCancelled(of_a.Invite({"notes"}).status()));
}

}  // namespace
}  // namespace syncline
