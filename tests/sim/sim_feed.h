#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "log/path_change.h"
#include "replication/state/causal_state.h"

namespace syncline::testing {

// What a follower of a log knows of the paths of a project from the changes in
// its records alone. It may be behind: unlike tests/state/feed_fold it asks no
// state for what a change does not say. Where it is told to read again it knows
// nothing from then on.
class SimFeed {
 public:
  SimFeed() = default;
  // One that begins with what `state` shows.
  explicit SimFeed(const CausalState& state);

  void Follow(const std::vector<PathChange>& changes);
  // Empty, or the first difference from what the state shows.
  std::string Compare(const CausalState& state) const;

 private:
  void FollowOne(const PathChange& change);
  void Move(const std::string& from, const std::string& to);
  bool Knows(const std::string& path) const;

  std::map<std::string, std::string> rows_;  // Payloads; "/" for directories.
  std::map<std::string, std::string> docs_;
  std::set<std::string> unknown_;  // Paths: at and below nothing is known.
};

}  // namespace syncline::testing
