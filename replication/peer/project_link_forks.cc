// What a link does once two histories contradict each other.

#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "log/append_log.h"
#include "replication/peer/fork_search.h"
#include "replication/peer/project_link.h"
#include "replication/rebuild.h"
#include "replication/replica.h"

namespace syncline {

void ProjectLink::Fence(const Stop& stop) {
  if (fenced_) return;
  fenced_ = stop;
  AskWhoGivesWay();
  if (!sender_ && !state_sender_) return;
  env_.peer.Ended(replica_.identity().project, pulled_, stop,
                  [](const absl::Status&) {});
  sender_.reset();
  state_sender_.reset();
}

// Of its own history a device is believed that there are two: it may be gone
// when somebody meets them.
void ProjectLink::NoteDoubtOf(const Stop& stop) {
  if (stop.reason != Stop::Reason::kFence || !stop.origin) return;
  const Origin& origin = *stop.origin;
  if (replica_.DeviceOf(origin) != env_.counterpart.device_key ||
      replica_.IsOwn(origin) || replica_.InDoubt(origin)) {
    return;
  }
  replica_.Doubt(origin).IgnoreError();
}

// Once, as a fork may be found by what was streamed: where the two stand now
// may tell which of them is to give way.
void ProjectLink::AskWhoGivesWay() {
  absl::StatusOr<Position> ours = PositionOf(replica_, env_.counterpart);
  if (!ours.ok() || replica_.installing()) return;
  const Position sent = *ours;
  env_.peer.Compare(
      replica_.identity().project, sent,
      alive_.Guard([this, ours = *std::move(ours)](
                       const absl::StatusOr<CompareAnswer>& answer) {
        const Position* theirs =
            answer.ok() ? std::get_if<Position>(&*answer) : nullptr;
        if (theirs == nullptr) return;
        const absl::StatusOr<std::optional<Contradiction>> found =
            FindContradiction(replica_, env_.counterpart, ours, *theirs,
                              Asked::kAgain, fenced_->origin);
        if (found.ok() && *found) Contradict(**found);
        if (found.ok() && !*found) AskWhatIsDisputed(*theirs);
      }));
}

// The peer may have seen what this node cannot, as it has more of an origin.
void ProjectLink::AskWhatIsDisputed(const Position& theirs) {
  const AppendLog& log = replica_.log();
  for (const ChainHead& head : theirs.chains) {
    const Origin origin = head.dot.origin;
    const Dot last{origin, log.durable_frontier().CounterOf(origin)};
    if (last.counter == 0 || head.dot.counter <= last.counter ||
        replica_.IsOwn(origin) || replica_.InDoubt(origin))
      continue;
    env_.peer.History(
        replica_.identity().project, origin, {last.counter},
        alive_.Guard([this, last](const absl::StatusOr<HistoryAnswer>& answer) {
          const auto* hashes =
              answer.ok() ? std::get_if<ChainHashes>(&*answer) : nullptr;
          if (hashes == nullptr || hashes->size() != 1 || !hashes->front())
            return;
          const absl::StatusOr<Hash> ours = replica_.log().ChainAt(last);
          if (ours.ok() && *ours != *hashes->front())
            replica_.Doubt(last.origin).IgnoreError();
        }));
  }
}

void ProjectLink::Contradict(const Contradiction& found) {
  if (search_) return;
  // Who is fenced knows why; what has no proof does not change it.
  if (fenced_ && found.stop.reason == Stop::Reason::kFailed) return;
  // If that cannot be written nothing can.
  if (found.disputed && !replica_.InDoubt(*found.disputed))
    replica_.Doubt(*found.disputed).IgnoreError();
  Rest(found.stop, false);
  if (!found.give_up) return;
  search_ = std::make_unique<ForkSearch>(
      replica_.log(), env_.peer, replica_.identity().project, *found.give_up,
      found.equal,
      [this](const absl::StatusOr<Fork>& fork) { OnSearched(fork); });
  search_->Start();
}

void ProjectLink::OnSearched(const absl::StatusOr<Fork>& fork) {
  const auto add = [this](std::string_view more) {
    error_ = MakeStatus(error_.code(), std::string(FromAbsl(error_.message())) +
                                           ": " + std::string(more));
  };
  Fork found;
  if (fork.ok()) {
    found = *fork;
  } else {
    add(FromAbsl(fork.status().message()));
    if (!absl::IsFailedPrecondition(fork.status())) return;
    found = {search_->origin(), Fork::kUnknown};
  }
  if (!CanRebuild(replica_.log(), found)) {
    add("this device cannot give it up, as logs were truncated");
    add(kStuckAdvice);
  }
  boost::asio::post(env_.loop,
                    alive_.Guard([this, found] { env_.forked(found); }));
}

}  // namespace syncline
