#include "tests/state/opened_state.h"

#include <utility>

#include "base/check.h"
#include "replication/state/edits.h"
#include "tests/state/random_history.h"
#include "tests/state/test_replica.h"

namespace syncline::testing {

void OpenedState::Open(const CausalState::Snapshot& snapshot) {
  const Origin self = *Origin::FromHex("11111111111111111111111111111111");
  state = *CausalState::Open(memory, kProject, self, {}, {});
  SYNCLINE_CHECK(state->Join(snapshot, 1, kNow).ok(), "a good snapshot");
  SYNCLINE_CHECK(memory.Write(state->TakeFlush(1), false).ok(),
                 "memory never fails");
  SYNCLINE_CHECK(OpenAgain().ok(), "nothing is damaged yet");
}

absl::Status OpenedState::OpenAgain() {
  auto opened =
      CausalState::Open(probe, kProject, state->self(), state->frontier(), {});
  if (opened.ok()) state = *std::move(opened);
  return opened.status();
}

CausalState::Snapshot SomeState() {
  RandomHistory::Options options;
  options.wild = true;
  options.disturb = false;
  RandomHistory history(2003, options);
  for (int k = 0; k < 120; ++k) history.Step();
  return *history.replica(0).state().TakeSnapshot();
}

CausalState::Snapshot PlainState() {
  TestReplica replica(*Origin::FromHex("22222222222222222222222222222222"), 0);
  const CausalState& state = replica.state();
  const auto commit = [&replica](absl::StatusOr<std::vector<Effect>> effects) {
    replica.Commit(*std::move(effects), kNow);
  };
  for (const char* path : {"d", "d/e"}) {
    commit(CreateEffects(state, path, ItemKind::kDirectory, "", {}, 0));
  }
  for (const char* path : {"a", "d/b", "d/e/c"}) {
    commit(CreateEffects(state, path, ItemKind::kFile, "1", {}, 0));
  }
  for (const char* key : {"k", "l"}) commit(DocEffects(state, "app", key, "1"));
  return *state.TakeSnapshot();
}

}  // namespace syncline::testing
