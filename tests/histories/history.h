#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/state/strategy.h"
#include "tests/state/feed_fold.h"
#include "tests/state/live_heads.h"
#include "tests/state/test_replica.h"

namespace syncline::testing {

// One replica with its log, as far as what it gives to others depends on it.
struct HistoryReplica {
  std::unique_ptr<TestReplica> engine;
  std::vector<std::size_t> log;  // Entries, in the order of their arrival.
  VersionVector truncated;
  Strategy strategy = Strategy::kKeepBoth;
  std::int64_t skew_ms = 0;
  struct Seen {
    std::string path;
    Token token;
  };
  std::vector<Seen> seen;  // What its user looked at last.
  FeedFold feed;           // Who knows it by its path changes alone.

  [[nodiscard]] const CausalState& state() const { return engine->state(); }
};

// An entry that somebody made, and whether it was made to be void.
struct HistoryEntry {
  Entry entry;
  bool is_void = false;
};

struct HistoryOutcome {
  std::string fault;  // Empty: all held.
  std::uint64_t trace = 0;
  std::uint64_t entries = 0;
  std::uint64_t joins = 0;
  std::uint64_t refused = 0;
  std::uint64_t conflicts = 0;  // Resolved.
};

// A history of 3 to 8 replicas in `steps` steps that `seed` decides: users
// who edit by path, also by what they saw long ago; entries that arrive in
// order, twice, early or never; logs that are truncated, so that states go
// over; states for no reason; crashes. Then all come together and resolve
// what is in conflict. What must hold is computed from the entries alone.
// `trace` hears of each step.
HistoryOutcome RunHistory(std::uint64_t seed, int steps,
                          std::vector<std::string>* trace = nullptr);

}  // namespace syncline::testing
