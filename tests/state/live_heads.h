#pragma once

#include <map>
#include <utility>
#include <vector>

#include "replication/state/causal_state.h"

namespace syncline::testing {

// Live heads as the entries define them: every head that one of them adds,
// without those that any of them supersedes. Knows no order of entries and
// shares nothing with the engine.
class LiveHeads {
 public:
  using Name = std::pair<RegisterId, Dot>;

  // The effects of an entry that is not void; in any order.
  void Add(const Entry& entry);

  // The heads, without arrivals, under the frontier that covers the entries.
  [[nodiscard]] CausalState::Snapshot Under(VersionVector frontier) const;

 private:
  void Put(const Entry& entry, RegisterId reg, Head head,
           const Dots& supersedes);
  void Kill(const RegisterId& reg, const Dots& dots);
  void Do(const Entry& entry, Head head, const CreateEffect& e);
  void Do(const Entry& entry, Head head, const PlaceEffect& e);
  void Do(const Entry& entry, Head head, const ContentEffect& e);
  void Do(const Entry& entry, Head head, const AttrEffect& e);
  void Do(const Entry& entry, Head head, const RemoveEffect& e);
  void Do(const Entry& entry, Head head, const DocEffect& e);
  void Do(const Entry& entry, Head head, const EventEffect& e);

  std::map<Name, Head> added_;
  std::vector<Name> dead_;
};

// Empty, or the first difference. Arrivals do not count.
std::string CompareHeads(const CausalState& state,
                         const CausalState::Snapshot& expected);

}  // namespace syncline::testing
