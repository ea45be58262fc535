#include "replication/peer/compare.h"

#include "base/status.h"
#include "log/append_log.h"
#include "replication/replica.h"

namespace syncline {
namespace {

Stop Fence(std::string detail) {
  return {Stop::Reason::kFence, std::move(detail)};
}

// Nothing if the position does not tell, which breaks the protocol.
std::optional<std::uint64_t> CounterIn(const Position& position,
                                       const Origin& origin) {
  for (const ChainHead& head : position.chains)
    if (head.dot.origin == origin) return head.dot.counter;
  return std::nullopt;
}

// Whether `head`, which the peer told, is no part of our history; false also
// where the log cannot tell: not reached yet, or truncated.
absl::StatusOr<bool> Contradicts(const AppendLog& log, const ChainHead& head) {
  const absl::StatusOr<Hash> hash = log.ChainAt(head.dot);
  if (absl::IsNotFound(hash.status())) return false;
  SYNCLINE_RETURN_IF_ERROR(hash.status());
  return *hash != head.hash;
}

}  // namespace

absl::StatusOr<Position> PositionOf(Replica& replica, const Origin& theirs) {
  const AppendLog& log = replica.log();
  Position position;
  position.frontier_hash = Sha256(log.durable_frontier().Encode());
  position.frontier = log.durable_frontier();
  // The state may be ahead of the disk; its digest speaks for its frontier.
  if (replica.state().frontier() == log.durable_frontier())
    position.digest = replica.state().Digest();
  for (const Origin& origin : {replica.identity().self, theirs}) {
    const Dot dot{origin, log.durable_frontier().CounterOf(origin)};
    SYNCLINE_ASSIGN_OR_RETURN(const Hash hash, log.ChainAt(dot));
    position.chains.push_back({dot, hash});
  }
  position.truncated = log.truncated();
  position.log_id = log.id().bytes;
  return position;
}

absl::StatusOr<std::optional<Stop>> FindContradiction(
    const AppendLog& log, const Origin& self, const Origin& peer,
    const Position& ours, const Position& theirs, Asked asked) {
  using Found = std::optional<Stop>;
  // More entries of this node than it has: they were lost here.
  const std::uint64_t own = log.frontier().CounterOf(self);
  const std::uint64_t theirs_of_us = CounterIn(theirs, self).value_or(0);
  if (theirs_of_us > own)
    return Found(Fence("this node was set back: its peer has " +
                       std::to_string(theirs_of_us) +
                       " of its entries, it has " + std::to_string(own)));
  // An older position of theirs proves nothing: more may have come meanwhile,
  // by way of others.
  const std::optional<std::uint64_t> theirs_of_them = CounterIn(theirs, peer);
  const std::uint64_t ours_of_them = CounterIn(ours, peer).value_or(0);
  if (asked == Asked::kByUs && theirs_of_them && ours_of_them > *theirs_of_them)
    return Found(Fence(
        "the peer was set back: it has " + std::to_string(*theirs_of_them) +
        " of its entries, this node " + std::to_string(ours_of_them)));
  for (const ChainHead& head : theirs.chains) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool contradicts, Contradicts(log, head));
    if (contradicts)
      return Found(Fence("fork: the history of origin " +
                         head.dot.origin.ToHex() + " differs at or before " +
                         std::to_string(head.dot.counter)));
  }
  if (ours.frontier_hash == theirs.frontier_hash && ours.digest &&
      theirs.digest && *ours.digest != *theirs.digest)
    return Found({Stop::Reason::kDiverged,
                  "both nodes hold the same entries but not the same state"});
  return Found();
}

bool CanServe(const AppendLog& log, const VersionVector& frontier) {
  return frontier.Covers(log.truncated());
}

}  // namespace syncline
