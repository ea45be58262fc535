#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/histories/history.h"
#include "tests/histories/history_user.h"
#include "tests/state/naive_view.h"

namespace syncline::testing {

// What must hold in a history. Each check is empty or says what does not.
class HistoryOracle {
 public:
  explicit HistoryOracle(const std::vector<HistoryEntry>& entries)
      : entries_(entries) {}

  // What must become of an entry that arrives at who has `frontier`.
  static ApplyOutcome OutcomeOf(const HistoryEntry& arriving,
                                const VersionVector& frontier);

  // Equal frontiers have equal registers, at any two times anywhere.
  std::string AfterStep(const CausalState& state);
  // An action supersedes nothing that its author has not seen, and takes an
  // item's place only with its last content.
  static std::string Sees(const UserAction& action, const CausalState& state);
  // Tokens have what the rules say: all places and attributes, and of the
  // values all, or in an open conflict those that are shown.
  static std::string CheckTokens(const CausalState& state);
  // An action on what is shown now changes nothing else in its author's own
  // view: `before` became what is in `state`. Not judged: made-up names, and
  // conflicts below the source, where siblings come to light.
  using Rows = std::map<std::string, Row>;
  static std::string ChangesNoMore(const UserAction::Move& move,
                                   const Rows& before, const Rows& after);
  // The registers are those that the entries define, and all that is shown
  // follows from them.
  std::string CheckAll(const CausalState& state) const;
  // All replicas are the same; for the end.
  std::string CheckEnd(const std::vector<HistoryReplica>& replicas) const;
  // Automatic entries are no more than what they can resolve.
  std::string CheckQuiet(std::size_t replicas) const;

 private:
  CausalState::Snapshot Expected(const VersionVector& frontier) const;

  const std::vector<HistoryEntry>& entries_;
  std::map<std::string, Hash> digests_;  // By frontier.
};

}  // namespace syncline::testing
