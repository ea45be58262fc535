#include "node/witness.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "kv/memory_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::FaultyStore;
using testing::TemporaryDirectory;

// A home with a store whose rows are in memory, opened once.
struct WitnessHome {
  WitnessHome() {
    std::filesystem::create_directory(directory / "store");
    REQUIRE(Open()->Renew(random).ok());
  }
  std::unique_ptr<Witness> Open() {
    auto witness = Witness::Open(directory / "", store);
    INFO(witness.status().ToString());
    REQUIRE(witness.ok());
    return *std::move(witness);
  }
  std::string Row() { return *memory.Get(Column::kMeta, "witness"); }
  void PutRow(const std::string& row) {
    WriteBatch batch;
    batch.Put(Column::kMeta, "witness", row);
    REQUIRE(memory.Write(batch, true).ok());
  }

  TemporaryDirectory directory;
  SeededRandom random{1};
  MemoryStore memory;
  FaultyStore store{memory};
  const Origin origin = Origin::Random(random);
  const ProjectId project{std::string(16, 'p')};
};

TEST_CASE("witness: a store that is opened again is the same", "[node]") {
  WitnessHome home;
  std::string nonce;
  for (int i = 0; i < 3; ++i) {
    const auto witness = home.Open();
    CHECK(witness->doubt().empty());
    REQUIRE(witness->Renew(home.random).ok());
    CHECK(witness->nonce().size() == 16);
    CHECK(witness->nonce() != nonce);
    nonce = witness->nonce();
  }
}

TEST_CASE("witness: an older store is not the one that was closed last",
          "[node][fault]") {
  WitnessHome home;
  const std::string row = home.Row();
  REQUIRE(home.Open()->Renew(home.random).ok());
  CHECK(home.Open()->doubt().empty());
  home.PutRow(row);
  CHECK(home.Open()->doubt().find("older") != std::string::npos);
}

TEST_CASE("witness: a store that lies elsewhere is a copy", "[node][fault]") {
  WitnessHome home;
  std::filesystem::rename(home.directory / "store", home.directory / "old");
  std::filesystem::create_directory(home.directory / "store");
  CHECK(home.Open()->doubt().find("copied") != std::string::npos);
  std::filesystem::remove(home.directory / "store");
  std::filesystem::rename(home.directory / "old", home.directory / "store");
  CHECK(home.Open()->doubt().empty());
}

TEST_CASE("witness: without one of the two there is no trust",
          "[node][fault]") {
  WitnessHome home;
  SECTION("no file") {
    std::filesystem::remove(home.directory / "witness");
    CHECK(home.Open()->doubt().find("missing") != std::string::npos);
  }
  SECTION("a damaged file") {
    std::ofstream(home.directory / "witness", std::ios::app) << "x";
    CHECK(home.Open()->doubt().find("damaged") != std::string::npos);
  }
  SECTION("no row") {
    WriteBatch batch;
    batch.Delete(Column::kMeta, "witness");
    REQUIRE(home.memory.Write(batch, true).ok());
    CHECK_FALSE(home.Open()->doubt().empty());
  }
  SECTION("a malformed row") {
    home.PutRow("x");
    CHECK(absl::IsDataLoss(
        Witness::Open(home.directory / "", home.store).status()));
  }
  SECTION("neither: the first time") {
    WriteBatch batch;
    batch.Delete(Column::kMeta, "witness");
    REQUIRE(home.memory.Write(batch, true).ok());
    std::filesystem::remove(home.directory / "witness");
    CHECK(home.Open()->doubt().empty());
  }
}

TEST_CASE("witness: what stops in the middle of a renewal is still right",
          "[node][crash]") {
  WitnessHome home;
  const std::string row = home.Row();
  home.store.Fail(FaultyStore::Call::kWrite, 1,
                  absl::UnavailableError("stopped"));
  REQUIRE_FALSE(home.Open()->Renew(home.random).ok());
  // The file names both numbers, the row the old one.
  CHECK(home.Row() == row);
  CHECK(home.Open()->doubt().empty());
  // The row has the new one, the file was not told.
  home.store.Fail(FaultyStore::Call::kSync, 1,
                  absl::UnavailableError("stopped"));
  REQUIRE_FALSE(home.Open()->Renew(home.random).ok());
  CHECK(home.Row() != row);
  CHECK(home.Open()->doubt().empty());
  // Once it went through the old one is not right any more.
  REQUIRE(home.Open()->Renew(home.random).ok());
  home.PutRow(row);
  CHECK_FALSE(home.Open()->doubt().empty());
}

TEST_CASE("witness: what others hold is remembered for one origin", "[node]") {
  WitnessHome home;
  const auto witness = home.Open();
  REQUIRE(witness->Renew(home.random).ok());
  REQUIRE(witness->NotePublished(home.origin, home.project, 7).ok());
  REQUIRE(witness->NotePublished(home.origin, home.project, 5).ok());
  CHECK(witness->Published(home.origin, home.project) == 7);
  CHECK(home.Open()->Published(home.origin, home.project) == 7);
  CHECK(home.Open()->doubt().empty());
  const Origin other = Origin::Random(home.random);
  CHECK(home.Open()->Published(other, home.project) == 0);
  REQUIRE(witness->NotePublished(other, home.project, 1).ok());
  CHECK(home.Open()->Published(home.origin, home.project) == 0);
  CHECK(home.Open()->Published(other, home.project) == 1);
}

}  // namespace
}  // namespace syncline
