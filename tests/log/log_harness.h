#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "kv/memory_store.h"
#include "kv/rocks_store.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "tests/log/drafts.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {

inline constexpr ProjectNumber kProject{7};

// The stores that the log's tests run over.
class OnMemory {
 public:
  Store& store() { return store_; }
  void Reopen() {}

 private:
  MemoryStore store_;
};
class OnRocks {
 public:
  OnRocks() { Reopen(); }
  Store& store() { return *store_; }
  void Reopen();

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

// A log with its executor and its sync thread. Everything happens inside
// calls of this thread, but for the sync thread's jobs.
class LogHarness {
 public:
  explicit LogHarness(Store& store, ProjectNumber project = kProject,
                      AppendLog::Options options = {},
                      CommitQueue::Options queue_options = {});

  // Destroys the log, if any, and opens it.
  absl::Status Open();
  void Close() { log_.reset(); }
  AppendLog& log() { return *log_; }
  AppendLog* operator->() { return log_.get(); }

  // Handlers until none is left and nothing is under way.
  void Run();
  // Handlers that are ready.
  void Poll();
  boost::asio::io_context& io() { return io_; }
  CommitQueue& commits() { return commits_; }

  // Appends and runs to the end.
  absl::StatusOr<AppendLog::Appended> Append(
      OwnedDrafts drafts, Durability durability = Durability::kDurable,
      WriteBatch rows = {});
  // Appends without waiting; failures fail the test.
  void Start(OwnedDrafts drafts, Durability durability = Durability::kDurable);

 private:
  Store& store_;
  const ProjectNumber project_;
  const AppendLog::Options options_;
  SeededRandom random_;
  boost::asio::io_context io_;
  SyncThread sync_thread_;
  CommitQueue commits_;
  std::unique_ptr<AppendLog> log_;
};

// What a reader gives: dots in order, each checked against DraftOf(), and its
// seq against the one before.
struct Walk {
  std::vector<std::uint64_t> seqs;
  std::vector<Dot> dots;
  absl::Status status;
};
Walk WalkAll(AppendLog::Reader& reader);
Walk Records(const AppendLog& log, const AppendLog::ReadOptions& options);
std::vector<std::uint64_t> Numbers(std::uint64_t first, std::uint64_t last);

// How many rows of `project` are in `column`.
std::size_t RowsIn(const Store& store, Column column,
                   ProjectNumber project = kProject);

// Every dot that was given seqs 1, 2, 3, ...: found where it is and chained as
// it must be, and gone where it was truncated.
void CheckDots(const AppendLog& log, const std::vector<Dot>& history);

}  // namespace syncline::testing
