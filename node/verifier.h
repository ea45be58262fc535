#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "clock/version_vector.h"
#include "kv/chunk_store.h"
#include "kv/memory_store.h"
#include "log/append_log.h"
#include "node/types.h"
#include "replication/state/causal_state.h"

namespace syncline {

// What the check of one project needs, taken on the loop at one moment, all of
// it durable.
struct VerifyInput {
  std::string name;
  ProjectNumber number;
  Origin self;
  VersionVector frontier;
  Hash digest;
  CausalState::Snapshot snapshot;
  Seq horizon;
  Seq head;
  std::vector<std::pair<Dot, Hash>> chains;  // Of each origin, if known.
  std::unique_ptr<AppendLog::Reader> records;
  bool wants = false;  // Content is known to be missing.
  // Whether to discard chunks that are damaged; and the payloads that lack
  // some of theirs then.
  bool repair = false;
  std::vector<std::string> lacking;
};

// Checks one project on a worker thread: every record of the log (number,
// checksum, form, chain of hashes); that the log, if it is whole, and the
// heads each make the state that this node shows; and all live content.
class Verifier {
 public:
  // Borrows all; `stop` makes it give up.
  Verifier(ChunkStore& chunks, VerifyInput& input,
           const std::atomic<bool>& stop)
      : chunks_(chunks), input_(input), stop_(stop) {}

  // kCancelled if it was stopped; else what was found is in the report.
  absl::StatusOr<VerifyReport> Run();

 private:
  absl::Status CheckLog();
  void CheckRecord(const RecordView& record);
  void CheckJoined(const std::string& where, const RecordView& record);
  void CheckChains();
  absl::Status CheckState();
  absl::Status CheckContent();
  absl::Status CheckFile(const RegisterId& reg, const std::string& payload);
  void Find(std::string where, std::string what);

  ChunkStore& chunks_;
  VerifyInput& input_;
  const std::atomic<bool>& stop_;
  VerifyReport report_;
  MemoryStore store_;                      // Of the next one.
  std::unique_ptr<CausalState> replayed_;  // From the log, if it is whole.
  std::map<Origin, Hash> chains_;          // Recomputed from the log.
  bool joined_ = false;                    // It has records without entries.
};

}  // namespace syncline
