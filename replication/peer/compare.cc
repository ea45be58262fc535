#include "replication/peer/compare.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/status.h"
#include "log/append_log.h"
#include "replication/chain_signature.h"
#include "replication/replica.h"

namespace syncline {
namespace {

Stop Fence(std::string detail, std::optional<Origin> about = {}) {
  return {Stop::Reason::kFence, std::move(detail), about};
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

// Origins whose histories the two must agree on before anything moves: those
// that one of them writes or has written as, and as many of the others. An
// entry names what its author knew by numbers only: where these mean something
// else it would replace what he never saw.
std::set<Origin> OriginsOf(Replica& replica, const Counterpart& peer) {
  std::set<Origin> origins = {replica.identity().self, peer.origin};
  for (const std::string& key :
       {replica.identity().device_key, peer.device_key})
    for (const Origin& origin : replica.OriginsOf(key))
      if (origins.size() < kPositionOriginsMax) origins.insert(origin);
  for (const VersionVector::Slot& slot :
       replica.log().durable_frontier().slots()) {
    if (origins.size() == kPositionOriginsMax) break;
    origins.insert(slot.origin);
  }
  return origins;
}

bool Has(const std::vector<SettledFork>& settled, const Origin& origin) {
  return std::any_of(
      settled.begin(), settled.end(),
      [&](const SettledFork& fork) { return fork.fork.origin == origin; });
}

// Whether `head` is the word of its origin's device: what the peer says of its
// own, or what carries that device's signature. Nothing else makes a node give
// up what it holds, or doubt it.
bool IsProven(const Replica& replica, const Counterpart& peer,
              const ChainHead& head) {
  const Replica::Identity& own = replica.identity();
  const Origin& origin = head.dot.origin;
  const std::string device =
      origin == own.self ? own.device_key : replica.DeviceOf(origin);
  if (device == peer.device_key && device != own.device_key) return true;
  return !device.empty() && IsSigned(device, own.project, head);
}

// Where a peer says without proof what contradicts this node: it may have one
// the next time, when what it got last is durable there.
Contradiction Unproven(const Origin& origin) {
  return {{Stop::Reason::kFailed,
           "the peer gives no proof yet for what it says of origin " +
               origin.ToHex(),
           origin},
          std::nullopt};
}

// Whether this node gives up what it holds of `origin` where `peer` holds
// something else.
bool GivesWay(Replica& replica, const Counterpart& peer, const Origin& origin,
              const std::vector<SettledFork>& settled_by_them) {
  const Replica::Identity& own = replica.identity();
  const std::string device = replica.DeviceOf(origin);
  if (origin == own.self || device == own.device_key)
    return !Has(replica.settled(), origin);
  return device == peer.device_key && Has(settled_by_them, origin);
}

// An origin of this node's that the peer has more of than it.
std::optional<Contradiction> FindOwnSetBack(Replica& replica,
                                            const Counterpart& peer,
                                            const Position& theirs) {
  const Origin& self = replica.identity().self;
  for (const ChainHead& head : theirs.chains) {
    const Origin& origin = head.dot.origin;
    const bool doubted = replica.IsOwn(origin) && replica.FoundForked(origin) &&
                         !Has(replica.settled(), origin);
    if (origin != self && !doubted) continue;
    const std::uint64_t own = replica.log().frontier().CounterOf(origin);
    if (head.dot.counter <= own) continue;
    if (!IsProven(replica, peer, head)) return Unproven(origin);
    return Contradiction{
        Fence("this node was set back: its peer has " +
                  std::to_string(head.dot.counter) +
                  " of its entries, it has " + std::to_string(own),
              origin),
        Dot{origin, own + 1}};
  }
  return std::nullopt;
}

// Entries of one of the two that it has fewer of than the other.
std::optional<Contradiction> FindSetBack(Replica& replica,
                                         const Counterpart& peer,
                                         const Position& ours,
                                         const Position& theirs, Asked asked) {
  std::optional<Contradiction> found = FindOwnSetBack(replica, peer, theirs);
  if (found) return found;
  // An older position of theirs proves nothing: more may have come meanwhile,
  // by way of others.
  const std::optional<std::uint64_t> theirs_of_them =
      CounterIn(theirs, peer.origin);
  const std::uint64_t ours_of_them = CounterIn(ours, peer.origin).value_or(0);
  if (asked != Asked::kByThem && theirs_of_them &&
      ours_of_them > *theirs_of_them)
    return Contradiction{
        Fence("the peer was set back: it has " +
              std::to_string(*theirs_of_them) + " of its entries, this node " +
              std::to_string(ours_of_them)),
        std::nullopt};
  return std::nullopt;
}

// What this node has given up and the peer still holds: nothing may come in
// from it. The peer finds out by what this node has settled, unless it has
// truncated the place where the histories part.
absl::StatusOr<std::optional<Contradiction>> FindHeldStill(
    const Replica& replica, const Position& theirs) {
  for (const ChainHead& head : theirs.chains) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool given_up, replica.GaveUp(head));
    if (given_up)
      return Contradiction{Fence(GivenUpText(head.dot), head.dot.origin),
                           std::nullopt};
  }
  return std::nullopt;
}

// What the peer has given up of its own, and this node still holds. Chain heads
// do not tell that while the peer has nothing in its place.
absl::StatusOr<std::optional<Contradiction>> FindGivenUp(
    Replica& replica, const Counterpart& peer, const Position& theirs) {
  for (const SettledFork& settled : theirs.settled) {
    // Of its own it may say so, of nobody else's.
    if (!settled.given_up ||
        replica.DeviceOf(settled.fork.origin) != peer.device_key)
      continue;
    const absl::StatusOr<Hash> ours = replica.log().ChainAt(settled.first());
    if (absl::IsNotFound(ours.status())) continue;
    SYNCLINE_RETURN_IF_ERROR(ours.status());
    const Origin& origin = settled.fork.origin;
    if (*ours != *settled.given_up) continue;
    Contradiction found{
        Fence("fork: its device has given up what is held here of origin " +
                  origin.ToHex() + " from " +
                  std::to_string(settled.first().counter) + " on",
              origin),
        std::nullopt};
    // The hash speaks for all before it, of which the owner kept these.
    found.equal = settled.fork.counter;
    if (GivesWay(replica, peer, origin, theirs.settled))
      found.give_up = settled.first();
    return found;
  }
  return std::nullopt;
}

// Whether, once there is a fork, it may be of `origin`: there was a dispute
// about it, it is a former one of this device's that was named, or its device
// has settled one.
bool IsOpen(Replica& replica, const Counterpart& peer, const Origin& origin,
            const Position& theirs, const std::optional<Origin>& fence) {
  if (replica.InDoubt(origin)) return true;
  if (!replica.IsOwn(origin))
    return GivesWay(replica, peer, origin, theirs.settled);
  return origin != replica.identity().self && fence == origin;
}

// Whether this node cannot tell if `head` of the peer at `theirs` is of the
// same history as what is here; the peer may, if it `alone` has all it takes.
absl::StatusOr<bool> IsUnproven(const AppendLog& log, const ChainHead& head,
                                const Position& theirs, bool alone) {
  const Origin& origin = head.dot.origin;
  const std::uint64_t ours = log.frontier().CounterOf(origin);
  if (ours == 0 || head.dot.counter == 0) return false;
  if (head.dot.counter > ours) {
    return alone || theirs.truncated.CounterOf(origin) > ours;
  }
  const absl::StatusOr<Hash> hash = log.ChainAt(head.dot);
  if (absl::IsNotFound(hash.status())) return true;
  SYNCLINE_RETURN_IF_ERROR(hash.status());
  return false;
}

// Entries of an origin in doubt that nobody can compare any more, as logs were
// truncated: to go on would let numbers mean one thing here and another there.
// Once there is a fork (`asked` kAgain) what only the peer can tell counts too:
// it did.
absl::StatusOr<std::optional<Contradiction>> FindUnproven(
    Replica& replica, const Counterpart& peer, const Position& theirs,
    Asked asked, const std::optional<Origin>& fence) {
  const bool again = asked == Asked::kAgain;
  for (const ChainHead& head : theirs.chains) {
    const Origin& origin = head.dot.origin;
    const bool open = again ? IsOpen(replica, peer, origin, theirs, fence)
                            : replica.InDoubt(origin);
    if (!open) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const bool unproven,
                              IsUnproven(replica.log(), head, theirs, again));
    if (!unproven) continue;
    Contradiction found{Fence(CannotTellText(origin), origin), std::nullopt};
    const std::uint64_t ours = replica.log().frontier().CounterOf(origin);
    if (GivesWay(replica, peer, origin, theirs.settled)) {
      if (!IsProven(replica, peer, head)) return Unproven(origin);
      found.give_up = {origin, std::min(head.dot.counter, ours + 1)};
    }
    if (found.give_up || !again) return found;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Position> PositionOf(Replica& replica, const Counterpart& peer) {
  const AppendLog& log = replica.log();
  Position position;
  position.frontier_hash = Sha256(log.durable_frontier().Encode());
  position.frontier = log.durable_frontier();
  // The state may be ahead of the disk; its digest speaks for its frontier.
  if (replica.state().frontier() == log.durable_frontier())
    position.digest = replica.state().Digest();
  for (const Origin& origin : OriginsOf(replica, peer)) {
    const Dot dot{origin, log.durable_frontier().CounterOf(origin)};
    SYNCLINE_ASSIGN_OR_RETURN(const Hash hash, log.ChainAt(dot));
    position.chains.push_back({dot, hash});
    // The peer takes this node's word for its own.
    if (replica.IsOwn(origin)) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<ChainHead> proof,
                              replica.NewestHead(origin));
    if (proof && proof->dot == dot && proof->hash == hash)
      position.chains.back().signature = proof->signature;
  }
  position.truncated = log.truncated();
  position.log_id = log.id().bytes;
  for (const SettledFork& fork : replica.settled())
    if (replica.DeviceOf(fork.fork.origin) == replica.identity().device_key &&
        position.settled.size() < kPositionOriginsMax)
      position.settled.push_back(fork);
  return position;
}

absl::StatusOr<std::optional<Contradiction>> FindContradiction(
    Replica& replica, const Counterpart& peer, const Position& ours,
    const Position& theirs, Asked asked, const std::optional<Origin>& fence) {
  std::optional<Contradiction> found =
      FindSetBack(replica, peer, ours, theirs, asked);
  if (found) return found;
  SYNCLINE_ASSIGN_OR_RETURN(found, FindGivenUp(replica, peer, theirs));
  if (found) return found;
  SYNCLINE_ASSIGN_OR_RETURN(found, FindHeldStill(replica, theirs));
  if (found) return found;
  for (const ChainHead& head : theirs.chains) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool contradicts,
                              Contradicts(replica.log(), head));
    if (!contradicts) continue;
    const Origin& origin = head.dot.origin;
    if (!IsProven(replica, peer, head)) return Unproven(origin);
    found = Contradiction{
        Fence("fork: the history of origin " + origin.ToHex() +
                  " differs at or before " + std::to_string(head.dot.counter),
              origin),
        std::nullopt};
    if (GivesWay(replica, peer, origin, theirs.settled))
      found->give_up = head.dot;
    const std::string device = replica.DeviceOf(origin);
    if (device != replica.identity().device_key && device != peer.device_key)
      found->disputed = origin;
    return found;
  }
  SYNCLINE_ASSIGN_OR_RETURN(found,
                            FindUnproven(replica, peer, theirs, asked, fence));
  if (found) return found;
  if (ours.frontier_hash == theirs.frontier_hash && ours.digest &&
      theirs.digest && *ours.digest != *theirs.digest)
    found = Contradiction{
        {Stop::Reason::kDiverged,
         "both nodes hold the same entries but not the same state"},
        std::nullopt};
  return found;
}

bool CanServe(const AppendLog& log, const VersionVector& frontier) {
  return frontier.Covers(log.truncated());
}

}  // namespace syncline
