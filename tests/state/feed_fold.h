#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replication/state/causal_state.h"

namespace syncline::testing {

// A follower that knows a project by its path changes alone, as a mirror does:
// it must arrive at the tree that the view shows. Stricter than the contract:
// what it is told to create must not be there, what it changes or removes must
// be, directories are empty when they go, parents there before children.
class FeedFold {
 public:
  // Empty, or the change that could not be followed. `state` is asked where a
  // change says "read again", and for attributes.
  std::string Follow(const std::vector<PathChange>& changes,
                     const CausalState& state);
  // Empty, or the first difference from the view.
  std::string Compare(const CausalState& state) const;

  // How many changes of each type were followed.
  const std::map<PathChange::Type, std::uint64_t>& counts() const {
    return counts_;
  }

 private:
  struct Shown {
    ItemId item;
    std::string payload;
    std::optional<Dot> version;
    Attrs attrs;
    friend bool operator==(const Shown&, const Shown&) = default;
  };

  std::string FollowOne(const PathChange& change, const CausalState& state);
  std::string Insert(const PathChange& change, const CausalState& state,
                     bool exists);
  std::string Remove(const std::string& path, bool directory);
  std::string Rename(const PathChange& change, const CausalState& state);
  std::string ReadAgain(const std::string& path, const CausalState& state);
  bool HasBelow(const std::string& path) const;
  static Shown ShownOf(const Row& row);

  std::map<std::string, Shown> rows_;
  std::map<std::string, std::string> docs_;
  std::set<std::string> conflicts_;
  std::map<PathChange::Type, std::uint64_t> counts_;
};

}  // namespace syncline::testing
