#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "clock/dot.h"
#include "replication/fork.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

class AppendLog;

// Finds out up to where this node and its peer hold the same entries of an
// origin that they hold different ones of, by asking for chain hashes in
// between: 64 at a time, so that millions of entries take four questions.
// Loop-bound.
class ForkSearch {
 public:
  // Called once, maybe by Start(); may destroy the search.
  //   kFailedPrecondition  truncated on one of the sides: it cannot be told
  //   other                the peer, or the log, did not answer
  using Done = std::function<void(absl::StatusOr<Fork>)>;

  // Borrows both. `differs`: an entry that they do not both hold. They do hold
  // those up to `equal`: nothing is asked if these meet.
  ForkSearch(const AppendLog& log, PeerCalls& peer, const ProjectId& project,
             const Dot& differs, std::uint64_t equal, Done done);
  void Start() { Ask(); }
  [[nodiscard]] const Origin& origin() const { return origin_; }

 private:
  void Ask();
  absl::Status OnAnswer(const std::vector<std::uint64_t>& counters,
                        const HistoryAnswer& answer);
  void Finish(absl::StatusOr<Fork> result);

  const AppendLog& log_;
  PeerCalls& peer_;
  const ProjectId project_;
  const Origin origin_;
  std::uint64_t equal_;
  std::uint64_t differs_;
  Done done_;
  Alive alive_;
};

}  // namespace syncline
