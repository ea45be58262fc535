#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "kv/chunk_store.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"

namespace syncline::testing {

// What a user looked at, and may act on later.
struct SeenPath {
  std::string path;
  Token token;
};

// What a user might do to the project as `state` shows it, or as it was when
// he looked (`seen`, which grows): edits of files, directories, documents.
// Empty: nothing to do. Content is put into `chunks` and synced.
//   kInternal  the effects replace content that he has not seen
//   other      refused: nothing to do
absl::StatusOr<std::vector<Effect>> UserEffects(const CausalState& state,
                                                ChunkStore& chunks,
                                                RandomSource& random,
                                                std::deque<SeenPath>& seen);

}  // namespace syncline::testing
