#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/state/strategy.h"
#include "tests/state/test_replica.h"

namespace syncline::testing {

// A seeded history over several replicas: users who edit by path, often with
// old tokens, entries that arrive in any causal order, joins, resolutions, and
// (with `wild`) entries as only a strange implementation would write them:
// several moves at once, directories inside themselves, invented ancestors.
class RandomHistory {
 public:
  struct Options {
    std::size_t replicas = 3;
    bool disturb = true;  // Flushes and crashes.
    bool wild = false;
    bool folders = false;  // Mostly moves of directories.
    bool check_rebuild = false;
  };

  RandomHistory(std::uint64_t seed, const Options& options);

  // Does one thing to one replica and returns which.
  std::size_t Step();
  // Brings all replicas together.
  void Exchange();

  TestReplica& replica(std::size_t i) { return *replicas_[i]; }
  std::size_t size() const { return replicas_.size(); }
  // Empty, or what went wrong.
  std::string fault() const;

 private:
  struct Seen {
    std::string path;
    Token token;
  };

  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }
  std::string RandomName();
  std::string RandomDirectory(const CausalState& state);
  std::string RandomPath(const CausalState& state);
  std::string NewPath(const CausalState& state);
  std::optional<Seen> Look(std::size_t i);
  void User(std::size_t i);
  std::vector<Effect> UserEffects(std::size_t i);
  std::vector<Effect> EditSeen(std::size_t i, const Seen& seen);
  void Wild(std::size_t i);
  Effect WildEffect(const CausalState& state, std::size_t index);
  ItemId WildItem(bool directory);
  Location WildLocation();
  void Deliver(std::size_t i);
  void Resolve(std::size_t i);
  void Join(std::size_t i);
  void Note(std::size_t i, const std::optional<Entry>& entry);
  std::int64_t Now(std::size_t i) const;

  SeededRandom random_;
  Options options_;
  std::vector<std::unique_ptr<TestReplica>> replicas_;
  std::vector<std::int64_t> skew_ms_;
  std::vector<std::vector<Seen>> seen_;
  std::vector<Entry> entries_;  // All ever made, in an order that is causal.
  std::vector<ItemId> items_;
  std::int64_t now_ms_ = 1'750'000'000'000;
  std::string fault_;
};

}  // namespace syncline::testing
