#include "replication/content_wants.h"

#include <catch2/catch.hpp>

#include "base/random.h"
#include "kv/memory_store.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

constexpr ProjectNumber kWantsProject{1};

// A node that has content, and one that wants it.
struct WantsFixture {
  WantsFixture() {
    full = *ChunkStore::Open(full_store, temp / "full");
    bare = *ChunkStore::Open(bare_store, temp / "bare");
    Reopen();
  }
  void Reopen() {
    wants = *ContentWants::Open(bare_store, *bare, kWantsProject);
  }
  std::string Payload(std::string_view bytes) {
    ContentWriter writer(*full);
    REQUIRE(writer.Add(bytes).ok());
    return writer.Finish()->Encode();
  }
  void Add(const std::string& payload) {
    WriteBatch rows;
    REQUIRE(wants->AddPayload(payload, rows).ok());
    REQUIRE(bare_store.Write(rows, true).ok());
  }
  void Deliver(const Hash& hash) {
    REQUIRE(bare->PutHashed(hash, *full->Get(hash)).ok());
    WriteBatch rows;
    REQUIRE(wants->Arrived(hash, rows).ok());
    REQUIRE(bare_store.Write(rows, true).ok());
  }
  testing::TemporaryDirectory temp;
  MemoryStore full_store;
  MemoryStore bare_store;
  std::unique_ptr<ChunkStore> full;
  std::unique_ptr<ChunkStore> bare;
  std::unique_ptr<ContentWants> wants;
};

TEST_CASE("content wants: small chunks come first", "[replication]") {
  WantsFixture fixture;
  fixture.Add(fixture.Payload(std::string(9000, 'b')));
  fixture.Add(fixture.Payload("small"));
  REQUIRE(fixture.wants->size() == 2);
  CHECK(fixture.wants->bytes() == 9005);
  const auto first = fixture.wants->Take(1, 1u << 20);
  REQUIRE(first.size() == 1);
  CHECK(first[0].bytes == 5);
  // What is taken is not offered again until it is released.
  CHECK(fixture.wants->Take(10, 1u << 20).size() == 1);
  CHECK(fixture.wants->Take(10, 1u << 20).empty());
  fixture.wants->Release(first[0].hash);
  CHECK(fixture.wants->Take(10, 1u << 20).size() == 1);
}

TEST_CASE("content wants: a taking stays within its bytes but gives one",
          "[replication]") {
  WantsFixture fixture;
  for (char c = 'a'; c < 'e'; ++c) {
    fixture.Add(fixture.Payload(std::string(1000, c)));
  }
  CHECK(fixture.wants->Take(10, 2500).size() == 2);
  CHECK(fixture.wants->Take(10, 1).size() == 1);
}

TEST_CASE("content wants: large files arrive list by list", "[replication]") {
  WantsFixture fixture;
  SeededRandom random(1);
  const std::string bytes = random.Bytes(6 << 20);
  fixture.Add(fixture.Payload(bytes));
  std::size_t delivered = 0;
  for (;;) {
    const auto taken = fixture.wants->Take(7, 1u << 30);
    if (taken.empty()) break;
    for (const auto& want : taken) fixture.Deliver(want.hash);
    delivered += taken.size();
    // A restart in between works out the rest anew.
    if (delivered % 21 == 0) fixture.Reopen();
  }
  CHECK(delivered > 32);
  CHECK(fixture.wants->size() == 0);
  CHECK(fixture.wants->bytes() == 0);
  fixture.Reopen();
  CHECK(fixture.wants->size() == 0);
}

TEST_CASE("content wants: survive a restart", "[replication]") {
  WantsFixture fixture;
  const std::string payload = fixture.Payload("bytes");
  fixture.Add(payload);
  fixture.Reopen();
  REQUIRE(fixture.wants->size() == 1);
  const auto taken = fixture.wants->Take(1, 1);
  fixture.Deliver(taken[0].hash);
  fixture.Reopen();
  CHECK(fixture.wants->size() == 0);
}

TEST_CASE("content wants: two payloads share a chunk", "[replication]") {
  WantsFixture fixture;
  SeededRandom random(2);
  const std::string shared = random.Bytes(2 << 20);
  fixture.Add(fixture.Payload(shared + "a"));
  const std::size_t alone = fixture.wants->size();
  fixture.Add(fixture.Payload(shared + "b"));
  CHECK(fixture.wants->size() < 2 * alone);
  for (;;) {
    const auto taken = fixture.wants->Take(100, 1u << 30);
    if (taken.empty()) break;
    for (const auto& want : taken) fixture.Deliver(want.hash);
  }
  CHECK(fixture.wants->size() == 0);
}

TEST_CASE("content wants: what is no file names nothing", "[replication]") {
  WantsFixture fixture;
  fixture.Add(EncodeSymlinkPayload("target"));
  fixture.Add("garbage");
  fixture.Add("");
  CHECK(fixture.wants->size() == 0);
}

TEST_CASE("content wants: watchers hear of changes until they are destroyed",
          "[replication]") {
  WantsFixture fixture;
  int heard = 0;
  std::unique_ptr<ContentWants::Watch> second;
  auto first = fixture.wants->OnChange([&] {
    ++heard;
    second.reset();
  });
  second = fixture.wants->OnChange([&] { heard += 100; });
  fixture.Add(fixture.Payload("bytes"));
  CHECK(heard == 1);
  first.reset();
  fixture.Add(fixture.Payload("more"));
  CHECK(heard == 1);
}

}  // namespace
}  // namespace syncline
