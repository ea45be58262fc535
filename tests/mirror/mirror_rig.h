#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/random.h"
#include "base/time_source.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "replication/mirror/mirror.h"
#include "replication/replica.h"

namespace syncline::testing {

// The machine's clocks, which a test may set on or back.
class ShiftedTime final : public TimeSource {
 public:
  std::int64_t NowMs() const override { return time_.NowMs() + wall_ms; }
  std::int64_t SteadyMs() const override {
    return time_.SteadyMs() + steady_ms;
  }
  std::atomic<std::int64_t> wall_ms = 0;
  std::atomic<std::int64_t> steady_ms = 0;

 private:
  SystemTime time_;
};

// One device: a replica with a mirrored folder, on the real disk, below
// `home`. The store is in memory, or a RocksDB below `home` that a later Device
// opens again. Sweeps when told to; nothing is watched unless asked for.
class Device {
 public:
  struct Options {
    bool rocks = false;
    bool start = true;  // Open the mirror at once.
    Strategy strategy = Strategy::kKeepBoth;
    Mirror::Options mirror;
    Options() {
      mirror.watch = false;
      mirror.settle_ms = 0;
    }
  };

  // Origin and keys come from `name`.
  Device(const std::filesystem::path& home, const std::string& name,
         const Options& options = Options());
  ~Device();

  Replica& replica() { return *replica_; }
  Mirror& mirror() { return *mirror_; }
  ChunkStore& chunks() { return *chunks_; }
  ShiftedTime& time() { return time_; }
  const std::filesystem::path& dir() const { return dir_; }

  void StartMirror();
  void StopMirror() { mirror_.reset(); }
  // Drops replica and mirror and opens them again over the same store.
  void Restart();

  // Opens a second mirror, for what it answers.
  absl::Status TryMirror(const Mirror::Options& options);

  // Runs the loop until `done` holds; false after `turns` of up to 2 ms each.
  bool RunUntil(const std::function<bool()>& done, int turns = 15'000);
  // Sweeps the folder, then runs until the mirror is idle, or in error.
  absl::Status Sweep();
  void Settle();  // Runs until the mirror is idle.

  std::uint64_t head() { return replica_->log().head().value; }
  // The changes of records after `since`, as "create a", "rename a b", ...
  std::vector<std::string> ChangesSince(std::uint64_t since);

  // Takes in what `other` has: entries, and chunks unless told otherwise.
  void PullFrom(Device& other, bool with_chunks = true);
  void FetchChunks(Device& other);

  // Edits of the project without the disk.
  void Put(const std::string& path, std::string_view bytes);
  void Mkdir(const std::string& path);
  void Remove(const std::string& path);
  void Rename(const std::string& from, const std::string& to);
  void Commit(std::vector<Effect> effects);

  // The project's tree and the folder's, in the form of Tree().
  std::map<std::string, std::string> View();
  std::map<std::string, std::string> Folder() const;

 private:
  void OpenReplica();
  void AddRows(const std::string& path, std::map<std::string, std::string>& to);

  std::filesystem::path home_;
  std::filesystem::path dir_;
  std::string name_;
  Options options_;
  boost::asio::io_context io_;
  boost::asio::thread_pool workers_{1};
  ShiftedTime time_;
  SystemRandom random_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ChunkStore> chunks_;
  std::unique_ptr<SyncThread> sync_thread_;
  std::unique_ptr<CommitQueue> commits_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<Mirror> mirror_;
};

// Exchanges everything until neither of the two has anything new and both
// folders show it.
void Exchange(Device& a, Device& b);

// Path -> "dir", "link TARGET" or "file[ exec] MTIME_MS CONTENT".
std::map<std::string, std::string> Tree(const std::filesystem::path& dir);
// The same without times.
std::map<std::string, std::string> Plain(
    std::map<std::string, std::string> tree);

void WriteFile(const std::filesystem::path& path, std::string_view bytes);
std::string ReadWhole(const std::filesystem::path& path);

}  // namespace syncline::testing
