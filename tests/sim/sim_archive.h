#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "clock/dot.h"
#include "log/chain_head.h"

namespace syncline::testing {

// Every entry that any node of a run ever held durably, and the history that
// it stood in: also what was truncated since, set back, given up or wiped. So
// what a node knows by a state only can be read, and of two entries of one
// name the one that it means.
class SimArchive {
 public:
  // `entry` came behind those of its origin that end with chain hash `before`.
  void Add(const Hash& before, std::string_view entry);
  // Adds all entries up to `head`. False if one of them nobody ever had.
  bool Collect(const ChainHead& head, std::map<Dot, std::string>& to) const;

 private:
  struct Known {
    Hash before;
    std::string entry;
  };
  std::map<Hash, Known> entries_;  // By the chain hash behind them.
};

}  // namespace syncline::testing
