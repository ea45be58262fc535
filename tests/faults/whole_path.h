#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "replication/replica.h"

namespace syncline::testing {

// What one record of the log is known by, in a file outside of the store: 40
// bytes, added whole.
struct Mark {
  Seq seq;
  Dot dot;
  std::uint64_t content = 0;  // Hash of the entry; 0 if it is not known.

  static Mark Of(const RecordView& record);

  static constexpr std::size_t kBytes = 40;
  [[nodiscard]] std::string Encode() const;
  // Those in `file`; none if it is missing. What is cut off is left out.
  static std::vector<Mark> ReadAll(const std::filesystem::path& file);
};

// A project from its store up to its replica, with everything that a change
// goes through: chunks, log, state.
class WholePath {
 public:
  // Opens or makes it in `home`, in the store given. Takes the store.
  static absl::StatusOr<std::unique_ptr<WholePath>> Open(
      const std::filesystem::path& home, std::unique_ptr<Store> store);
  ~WholePath();

  // Changes something at random: files small and large, directories, renames,
  // removals, documents, events. `done` as Replica::Commit().
  using Done = std::function<void(const Mark&, const absl::Status&)>;
  absl::Status Change(RandomSource& random, Durability durability, Done done);
  // Work that changes nothing to be seen: view rows, compaction.
  void Tidy(RandomSource& random);

  Replica& replica() { return *replica_; }
  ChunkStore& chunks() { return *chunks_; }
  Store& store() { return *store_; }
  boost::asio::io_context& io() { return io_; }

 private:
  explicit WholePath(std::unique_ptr<Store> store) : store_(std::move(store)) {}
  absl::StatusOr<std::vector<Effect>> Plan(RandomSource& random);
  absl::StatusOr<std::vector<Effect>> PlanPut(const std::string& path,
                                              const std::string& bytes);

  std::unique_ptr<Store> store_;
  SyncThread sync_thread_;
  SystemRandom random_;
  SystemTime time_;
  boost::asio::io_context io_;
  std::unique_ptr<ChunkStore> chunks_;
  std::unique_ptr<CommitQueue> commits_;
  std::unique_ptr<Replica> replica_;
};

// What is wrong with a project that was opened again, or nothing.
//
// All of the log: seqs and the counters of each origin without a hole, what
// was acknowledged (`acked`) and delivered (`seen`) where it was, the content
// of every file there, the view and the registers those that the log makes;
// a subscriber that resumes behind `seen` gets all that follows, and the next
// entry has the next seq and counter.
std::string FindFault(WholePath& path, const std::vector<Mark>& acked,
                      const std::vector<Mark>& seen);

}  // namespace syncline::testing
