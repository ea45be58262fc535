#include "kv/chunk_store.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kv/memory_store.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"
#include "tests/testing/some_bytes.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::SomeBytes;

namespace fs = std::filesystem;
using absl::StatusCode;

constexpr std::size_t kSmall = 1000;
constexpr std::size_t kLarge = 100'000;

struct ChunksFixture {
  testing::TemporaryDirectory dir;
  testing::CrashStore rows;
  std::unique_ptr<ChunkStore> chunks;

  ChunksFixture() { Reopen(); }
  void Reopen() {
    chunks.reset();
    auto opened = ChunkStore::Open(rows, dir.path());
    REQUIRE(opened.ok());
    chunks = *std::move(opened);
  }
  // As if the process had been killed and the power cut.
  void Crash() {
    rows.Crash();
    Reopen();
  }
  [[nodiscard]] fs::path FileOf(const Hash& hash) const {
    return dir.path() / hash.ToHex().substr(0, 2) / hash.ToHex();
  }
  [[nodiscard]] std::size_t PrivateFiles() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(dir.path() / "tmp"), {}));
  }
};

TEST_CASE("chunk_store: a chunk of any size comes back", "[kv][law]") {
  ChunksFixture fixture;
  const std::size_t size =
      GENERATE(std::size_t{1}, kSmall, ChunkStore::kFileBytesMin - 1,
               ChunkStore::kFileBytesMin, kLarge, ChunkStore::kChunkBytesMax);
  const std::string bytes = SomeBytes(1, size);
  const Hash hash = Sha256(bytes);
  CHECK_FALSE(fixture.chunks->Has(hash));
  CHECK(fixture.chunks->Get(hash).status().code() == StatusCode::kNotFound);
  CHECK(fixture.chunks->Put(bytes).value() == hash);
  for (int round = 0; round < 3; ++round) {
    INFO("0: put; 1: synced; 2: opened again. Now " << round);
    CHECK(fixture.chunks->Has(hash));
    CHECK(fixture.chunks->Get(hash).value() == bytes);
    REQUIRE(fixture.chunks->Sync().ok());
    if (round == 1) fixture.Crash();
  }
}

TEST_CASE("chunk_store: sizes that no chunk has are refused", "[kv]") {
  ChunksFixture fixture;
  CHECK(fixture.chunks->Put("").status().code() ==
        StatusCode::kInvalidArgument);
  const std::string huge(ChunkStore::kChunkBytesMax + 1, 'x');
  CHECK(fixture.chunks->Put(huge).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("chunk_store: a crash forgets chunks that were not synced",
          "[kv][fault]") {
  ChunksFixture fixture;
  std::vector<Hash> synced;
  std::vector<Hash> lost;
  for (int i = 0; i < 20; ++i) {
    const std::size_t size = i % 2 == 0 ? kSmall : kLarge;
    synced.push_back(fixture.chunks->Put(SomeBytes(i, size)).value());
  }
  REQUIRE(fixture.chunks->Sync().ok());
  for (int i = 100; i < 104; ++i) {
    const std::size_t size = i % 2 == 0 ? kSmall : kLarge;
    lost.push_back(fixture.chunks->Put(SomeBytes(i, size)).value());
  }
  CHECK(fixture.PrivateFiles() == 2);
  fixture.Crash();
  CHECK(fixture.PrivateFiles() == 0);
  for (const Hash& hash : synced) CHECK(fixture.chunks->Get(hash).ok());
  for (const Hash& hash : lost) CHECK_FALSE(fixture.chunks->Has(hash));
}

TEST_CASE("chunk_store: a name is visible only after its bytes are synced",
          "[kv][fault]") {
  ChunksFixture fixture;
  const Hash hash = fixture.chunks->Put(SomeBytes(1, kLarge)).value();
  CHECK_FALSE(fs::exists(fixture.FileOf(hash)));
  REQUIRE(fixture.chunks->Sync().ok());
  CHECK(fs::exists(fixture.FileOf(hash)));
  CHECK(fixture.PrivateFiles() == 0);
}

TEST_CASE("chunk_store: putting a chunk again writes nothing", "[kv]") {
  ChunksFixture fixture;
  const std::string small = SomeBytes(1, kSmall);
  const std::string large = SomeBytes(2, kLarge);
  REQUIRE(fixture.chunks->Put(small).ok());
  REQUIRE(fixture.chunks->Put(large).ok());
  REQUIRE(fixture.chunks->Put(large).ok());
  CHECK(fixture.PrivateFiles() == 1);
  REQUIRE(fixture.chunks->Sync().ok());
  REQUIRE(fixture.chunks->Put(small).ok());
  REQUIRE(fixture.chunks->Put(large).ok());
  CHECK(fixture.PrivateFiles() == 0);
  CHECK(fixture.rows.unsynced() == 0);
}

TEST_CASE("chunk_store: many small chunks take one write", "[kv]") {
  testing::TemporaryDirectory dir;
  MemoryStore memory;
  testing::FaultyStore store(memory);
  auto chunks = ChunkStore::Open(store, dir.path()).value();
  std::vector<std::string> bytes;
  for (int i = 0; i < 50; ++i) {
    bytes.push_back(SomeBytes(i, i % 10 == 0 ? kLarge : kSmall));
  }
  std::vector<std::pair<Hash, std::string_view>> many;
  for (const auto& each : bytes) many.emplace_back(Sha256(each), each);
  many.push_back(many.back());  // Twice in one call.
  REQUIRE(chunks->PutMany(many).ok());
  CHECK(store.calls(testing::FaultyStore::Call::kWrite) == 1);
  for (const auto& [hash, each] : many)
    CHECK(chunks->Get(hash).value() == each);
}

TEST_CASE("chunk_store: damage is found and healed", "[kv][fault]") {
  ChunksFixture fixture;
  const std::size_t size = GENERATE(kSmall, kLarge);
  const std::string bytes = SomeBytes(1, size);
  const Hash hash = fixture.chunks->Put(bytes).value();
  REQUIRE(fixture.chunks->Sync().ok());
  std::string damaged = bytes;
  SECTION("a flipped bit") { damaged[size / 2] ^= 1; }
  SECTION("cut short") { damaged.resize(size / 2); }
  SECTION("grown") { damaged += "x"; }
  SECTION("emptied") { damaged.clear(); }
  if (size == kLarge) {
    std::ofstream(fixture.FileOf(hash), std::ios::binary) << damaged;
  } else {
    WriteBatch batch;
    batch.Put(Column::kChunks, std::string(hash.view()),
              damaged.empty() ? "" : "\x01" + damaged);
    REQUIRE(fixture.rows.Write(batch, true).ok());
  }
  CHECK(fixture.chunks->Get(hash).status().code() == StatusCode::kDataLoss);
  REQUIRE(fixture.chunks->Discard(hash).ok());
  REQUIRE(fixture.chunks->Discard(hash).ok());
  CHECK_FALSE(fixture.chunks->Has(hash));
  REQUIRE(fixture.chunks->PutHashed(hash, bytes).ok());
  REQUIRE(fixture.chunks->Sync().ok());
  CHECK(fixture.chunks->Get(hash).value() == bytes);
}

TEST_CASE("chunk_store: discarding takes a chunk that was not synced", "[kv]") {
  ChunksFixture fixture;
  const Hash hash = fixture.chunks->Put(SomeBytes(1, kLarge)).value();
  REQUIRE(fixture.chunks->Discard(hash).ok());
  CHECK_FALSE(fixture.chunks->Has(hash));
  CHECK(fixture.PrivateFiles() == 0);
  CHECK(fixture.chunks->Sync().ok());
}

TEST_CASE("chunk_store: a write that fails leaves nothing of a chunk",
          "[kv][fault]") {
  // A limit on the size of files stands in for the full disk: the write comes
  // back short and then fails. In a child, whose limit goes with it.
  ChunksFixture fixture;
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {kLarge / 2, kLarge / 2};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
    const std::string bytes = SomeBytes(1, kLarge);
    if (fixture.chunks->Put(bytes).ok()) _exit(2);
    if (fixture.chunks->Has(Sha256(bytes))) _exit(3);
    if (fixture.PrivateFiles() != 0) _exit(4);
    _exit(fixture.chunks->Put(SomeBytes(2, kLarge / 2)).ok() ? 0 : 5);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("chunk_store: a failing store's errors come through", "[kv][fault]") {
  testing::TemporaryDirectory dir;
  MemoryStore memory;
  testing::FaultyStore store(memory);
  auto chunks = ChunkStore::Open(store, dir.path()).value();
  const absl::Status full = absl::ResourceExhaustedError("disk full");
  store.Fail(testing::FaultyStore::Call::kWrite, 1, full);
  CHECK(chunks->Put("bytes").status() == full);
  CHECK_FALSE(chunks->Has(Sha256("bytes")));
  store.Fail(testing::FaultyStore::Call::kSync, 1, full);
  CHECK(chunks->Sync() == full);
  store.Fail(testing::FaultyStore::Call::kGet, 1, Internal("broken"));
  CHECK(chunks->Get(Sha256("bytes")).status() == Internal("broken"));
}

TEST_CASE("chunk_store: threads may put and sync the same chunks", "[kv]") {
  ChunksFixture fixture;
  constexpr int kThreads = 4;
  constexpr int kChunks = 40;
  std::array<bool, kThreads> fine{};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      bool ok = true;
      for (int i = 0; i < kChunks; ++i) {
        const std::string bytes = SomeBytes(i, i % 2 == 0 ? kSmall : kLarge);
        const auto hash = fixture.chunks->Put(bytes);
        ok = ok && hash.ok();
        if (i % 7 == t) ok = ok && fixture.chunks->Sync().ok();
        const auto back = fixture.chunks->Get(Sha256(bytes));
        ok = ok && back.ok() && *back == bytes;
      }
      fine[t] = ok && fixture.chunks->Sync().ok();
    });
  }
  for (auto& thread : threads) thread.join();
  for (bool each : fine) CHECK(each);
  fixture.Crash();
  for (int i = 0; i < kChunks; ++i) {
    const std::string bytes = SomeBytes(i, i % 2 == 0 ? kSmall : kLarge);
    CHECK(fixture.chunks->Get(Sha256(bytes)).ok());
  }
}

TEST_CASE("chunk_store: a directory that cannot be made is refused", "[kv]") {
  testing::TemporaryDirectory dir;
  std::ofstream(dir.path() / "file") << "x";
  MemoryStore store;
  CHECK_FALSE(ChunkStore::Open(store, dir.path() / "file").ok());
}

}  // namespace
}  // namespace syncline
