#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/sim_script.h"

namespace syncline::testing {

struct SimOutcome {
  std::string fault;  // Empty: all held.
  std::uint64_t trace = 0;
  std::uint64_t entries = 0;
  std::uint64_t joined = 0;   // Records that came with states, on all nodes.
  std::uint64_t forks = 0;    // Given up.
  std::uint64_t helped = 0;   // Devices on which people joined again.
  std::uint64_t refused = 0;  // Sessions that ended for what came.
  std::int64_t simulated_ms = 0;
};

// Plays `script`, heals everything, waits until all is quiet, and asks the
// oracle. Equal scripts give equal outcomes.
SimOutcome RunScript(const SimScript& script);

// The shortest script found that fails with the same words before the first
// ':', by leaving out actions. Requires: `script` fails.
SimScript Shrink(SimScript script);

}  // namespace syncline::testing
