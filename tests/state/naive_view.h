#pragma once

#include <map>
#include <string>
#include <utility>

#include "replication/state/causal_state.h"

namespace syncline::testing {

// The view as the rules define it, computed from all heads at once: nothing is
// shared with the engine but names and the comparison of rows.
struct NaiveView {
  std::map<std::string, Row> rows;
  std::map<std::pair<std::string, std::string>, Row> docs;
};
NaiveView ComputeNaiveView(const CausalState::Snapshot& snapshot);

// What the engine shows, listed.
std::map<std::string, Row> ListAll(const CausalState& state);

// One line that names everything a row shows.
std::string Describe(const Row& row);
// Empty, or the first difference between what the engine shows and `expected`.
std::string CompareView(const CausalState& state, const NaiveView& expected);
// The same with what its own heads define.
std::string CompareWithNaive(const CausalState& state);

}  // namespace syncline::testing
