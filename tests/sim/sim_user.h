#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "kv/chunk_store.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"

namespace syncline::testing {

// What a user might do to the project as `state` shows it: edits of files,
// directories, documents, by a fresh token. Empty: nothing to do. Content is
// put into `chunks` and synced.
absl::StatusOr<std::vector<Effect>> UserEffects(const CausalState& state,
                                                ChunkStore& chunks,
                                                RandomSource& random);

}  // namespace syncline::testing
