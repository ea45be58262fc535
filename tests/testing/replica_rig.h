#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "base/time_source.h"
#include "kv/chunk_store.h"
#include "kv/store.h"
#include "log/commit_queue.h"
#include "log/sync_thread.h"
#include "replication/replica.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {

// Time that moves only when told to.
class ManualTime final : public TimeSource {
 public:
  std::int64_t NowMs() const override { return now_ms; }
  std::int64_t SteadyMs() const override { return now_ms; }
  std::int64_t now_ms = 1'750'000'000'000;
};

// One replica of project "p" with everything that it borrows. The store is
// given, so that a test may drop the replica and open it again.
class ReplicaRig {
 public:
  // `name` decides origin and device key. Requires the replica to open.
  ReplicaRig(boost::asio::io_context& io, Store& store, std::string_view name,
             Replica::Options options = {}, MakeTimer timers = {});
  ~ReplicaRig();

  Replica& operator*() { return *replica_; }
  Replica* operator->() { return replica_.get(); }
  ChunkStore& chunks() { return *chunks_; }
  ManualTime& time() { return time_; }

  // Closes the replica, calls `then`, and opens it again as `self`.
  void Reopen(Origin self,
              const std::function<void(const Replica::Environment&)>& then);

  // Runs the loop until `done` is true.
  void RunUntil(const bool& done);
  // Runs what is ready, and flushes under way, until nothing moves.
  void Settle();

  // Edits by path, durable when they return.
  Replica::Committed Put(std::string_view path, std::string_view bytes);
  Replica::Committed Mkdir(std::string_view path);
  Replica::Committed Remove(std::string_view path);
  Replica::Committed Rename(std::string_view from, std::string_view to);
  Replica::Committed Commit(std::vector<Effect> effects);

  // The bytes shown at `path`; "(none)" if there is no file.
  std::string Show(std::string_view path);
  std::vector<std::string> Names(std::string_view path);

  // Frames and chain heads of all that `peer` lacks.
  struct Segment {
    std::string frames;
    std::vector<ChainHead> heads;
  };
  Segment Missing(const VersionVector& peer);
  absl::StatusOr<Replica::Ingested> Ingest(const Segment& segment);
  // Takes in everything that `other` has, its chunks included.
  void PullFrom(ReplicaRig& other);

 private:
  Replica::Environment Environment();

  boost::asio::io_context& io_;
  Store& store_;
  MakeTimer timers_;
  Replica::Options options_;
  TemporaryDirectory temp_;
  ManualTime time_;
  std::unique_ptr<RandomSource> random_;
  std::unique_ptr<ChunkStore> chunks_;
  std::unique_ptr<SyncThread> sync_thread_;
  std::unique_ptr<CommitQueue> commits_;
  std::unique_ptr<Replica> replica_;
};

}  // namespace syncline::testing
