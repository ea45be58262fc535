// A flipped byte anywhere in the files of a store: what was appended is read
// as it was, or its loss is told. Nothing is passed over or goes back in time.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "log/commit_queue.h"
#include "tests/log/log_harness.h"

namespace syncline {
namespace {

namespace fs = std::filesystem;
using testing::DraftsOf;
using testing::kProject;
using testing::MemoryDirectory;
using testing::Numbers;
using testing::OriginOf;
using testing::TemporaryDirectory;

constexpr std::uint64_t kFileRecords = 60;

// SYNCLINE_FLIPS: how many in each file; by default few.
std::uint64_t FlipCount() {
  const char* const wanted = std::getenv("SYNCLINE_FLIPS");
  return wanted == nullptr ? 40 : std::strtoull(wanted, nullptr, 10);
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A log of which a part is in tables and the rest in the write-ahead log.
std::map<std::string, std::string> MakeFiles() {
  const TemporaryDirectory directory(MemoryDirectory());
  {
    auto store = RocksStore::Open(directory.path());
    REQUIRE(store.ok());
    testing::LogHarness harness(**store);
    REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 20)).ok());
    REQUIRE((*store)->Compact(Column::kLog, {}, {}).ok());
    REQUIRE(harness.Append(DraftsOf(OriginOf(2), 1, 20)).ok());
    REQUIRE((*store)->Compact(Column::kDots, {}, {}).ok());
    for (std::uint64_t i = 1; i <= 20; ++i) {
      REQUIRE(harness.Append(DraftsOf(OriginOf(3), i, 1)).ok());
    }
  }
  std::map<std::string, std::string> files;
  for (const auto& each : fs::directory_iterator(directory.path())) {
    const std::string name = each.path().filename();
    if (name != "LOCK" && !name.starts_with("LOG")) {
      files[name] = ReadAll(each.path());
    }
  }
  return files;
}

struct Outcome {
  bool whole = false;
  bool told = false;
  std::string text;
};

Outcome Read(const fs::path& directory) {
  auto store = RocksStore::Open(directory);
  if (!store.ok()) {
    return {false, absl::IsDataLoss(store.status()), store.status().ToString()};
  }
  SyncThread sync_thread;
  boost::asio::io_context io;
  CommitQueue commits(**store, sync_thread, io.get_executor());
  SeededRandom random(1);
  const auto log = AppendLog::Open(commits, kProject, random, {});
  if (!log.ok()) {
    const std::string text = log.status().ToString();
    return {false,
            absl::IsDataLoss(log.status()) &&
                text.find("project 7") != std::string::npos,
            text};
  }
  const auto walk = testing::Records(**log, {});
  if (walk.status.ok()) {
    return {walk.seqs == Numbers(1, kFileRecords), false,
            std::to_string(walk.seqs.size()) + " records"};
  }
  const std::string text = walk.status.ToString();
  const std::string where =
      "project 7, seq " + std::to_string(walk.seqs.size() + 1);
  return {
      false,
      absl::IsDataLoss(walk.status) && text.find(where) != std::string::npos,
      text};
}

TEST_CASE("append_log: a flipped byte in a file of the store is told",
          "[log][fault]") {
  const std::map<std::string, std::string> files = MakeFiles();
  SeededRandom random(9);
  std::map<std::string, int> told;
  for (const auto& [name, bytes] : files) {
    if (bytes.empty()) continue;
    for (std::uint64_t flip = 0; flip < FlipCount(); ++flip) {
      const TemporaryDirectory directory(MemoryDirectory());
      for (const auto& [each, content] : files) {
        std::ofstream(directory / each, std::ios::binary) << content;
      }
      std::string damaged = bytes;
      const std::size_t at = random.Below(bytes.size());
      damaged[at] = static_cast<char>(damaged[at] ^ (1 + random.Below(255)));
      std::ofstream(directory / name, std::ios::binary) << damaged;
      const Outcome outcome = Read(directory.path());
      INFO(name << ", byte " << at << " of " << bytes.size() << ": "
                << outcome.text);
      REQUIRE((outcome.whole || outcome.told));
      if (outcome.told) ++told[fs::path(name).extension()];
    }
  }
  // Most of these bytes matter.
  CHECK(told[".sst"] > 20);
  CHECK(told[".log"] > 20);
}

}  // namespace
}  // namespace syncline
