#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/time_source.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "replication/replica.h"

// Syncline at the heights at which it is measured. All of them open or create
// what is in `dir`, and end the program when anything fails.

namespace syncline::testing {

inline constexpr ProjectNumber kBenchProject{1};

// Where file number `file` is: so many in a directory.
inline constexpr std::size_t kFilesInDirectory = 100;
std::string DirectoryOf(std::size_t file);
std::string PathOf(std::size_t file);

// The log alone.
class LogRig {
 public:
  explicit LogRig(const std::filesystem::path& dir);

  AppendLog& log() { return *log_; }
  boost::asio::io_context& io() { return io_; }
  // The next entry of the rig's origin.
  void Append(std::string_view entry, Durability durability,
              AppendLog::AppendDone done);
  // Appends `count` payloads, `group` at a time, and waits for the disk.
  void Fill(std::size_t count, std::size_t group = 256);
  // Runs the loop until `done`.
  void RunUntil(const std::function<bool()>& done);
  Store& store() { return *store_; }

 private:
  std::unique_ptr<Store> store_;
  SeededRandom random_{1};
  const Origin origin_;
  boost::asio::io_context io_;
  SyncThread sync_thread_;
  CommitQueue commits_{*store_, sync_thread_, io_.get_executor()};
  std::unique_ptr<AppendLog> log_;
  std::uint64_t counter_;
};

// A log with its causal state.
class ReplicaRig {
 public:
  // `name` decides its origin.
  explicit ReplicaRig(const std::filesystem::path& dir,
                      std::string_view name = "bench");

  Replica& replica() { return *replica_; }
  boost::asio::io_context& io() { return io_; }
  void Commit(std::vector<Effect> effects, Durability durability,
              Replica::CommitDone done);
  // Makes files of these paths "dir/name"; gives them all content.
  void MakeFiles(const std::vector<std::string>& paths);
  // Writes the rows of the causal state back, and waits.
  void Flush();

 private:
  void CommitNow(std::vector<Effect> effects);
  // Starts `operation` and runs the loop until it is done.
  void Await(const std::function<void(Replica::CommitDone)>& operation);

  SystemTime time_;
  SeededRandom random_{1};
  std::unique_ptr<Store> store_;
  std::unique_ptr<ChunkStore> chunks_;
  boost::asio::io_context io_;
  SyncThread sync_thread_;
  CommitQueue commits_{*store_, sync_thread_, io_.get_executor()};
  std::unique_ptr<Replica> replica_;
};

}  // namespace syncline::testing
