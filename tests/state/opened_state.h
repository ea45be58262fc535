#pragma once

#include <cstdint>
#include <memory>

#include "kv/memory_store.h"
#include "replication/state/causal_state.h"
#include "tests/state/given.h"
#include "tests/state/probe_store.h"

namespace syncline::testing {

// A state that reads all it is asked for from its store, where each read can
// fail.
struct OpenedState {
  static constexpr ProjectNumber kProject{3};

  MemoryStore memory;
  ProbeStore probe{memory};
  std::unique_ptr<CausalState> state;

  // Joins `snapshot`, writes it back and opens it again.
  void Open(const CausalState::Snapshot& snapshot);
  // Forgets what was read.
  absl::Status OpenAgain();
};

// Of a history with merged, revived and cycling directories.
CausalState::Snapshot SomeState();
// Files, directories and documents about which nobody disagrees.
CausalState::Snapshot PlainState();

}  // namespace syncline::testing
