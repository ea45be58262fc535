#include "replication/peer/fork_search.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/status.h"
#include "log/append_log.h"
#include "replication/peer/project_link.h"

namespace syncline {
namespace {

// Counters between `low` and `high`, both exclusive, evenly spread, with the
// last one.
std::vector<std::uint64_t> Between(std::uint64_t low, std::uint64_t high) {
  const std::uint64_t count =
      std::min<std::uint64_t>(kHistoryAskedMax, high - low - 1);
  std::vector<std::uint64_t> counters;
  for (std::uint64_t i = 1; i <= count; ++i) {
    // In two steps, as the product may not fit.
    const std::uint64_t whole = (high - low - 1) / count * i;
    const std::uint64_t rest = (high - low - 1) % count * i / count;
    counters.push_back(low + whole + rest);
  }
  return counters;
}

}  // namespace

ForkSearch::ForkSearch(const AppendLog& log, PeerCalls& peer,
                       const ProjectId& project, const Dot& differs,
                       std::uint64_t equal, Done done)
    : log_(log),
      peer_(peer),
      project_(project),
      origin_(differs.origin),
      equal_(equal),
      differs_(differs.counter),
      done_(std::move(done)) {}

void ForkSearch::Ask() {
  if (differs_ - equal_ <= 1) return Finish(Fork{origin_, equal_});
  std::vector<std::uint64_t> counters = Between(equal_, differs_);
  peer_.History(project_, origin_, counters,
                alive_.Guard([this, counters](
                                 const absl::StatusOr<HistoryAnswer>& answer) {
                  if (!answer.ok()) return Finish(answer.status());
                  const absl::Status status = OnAnswer(counters, *answer);
                  if (!status.ok()) return Finish(status);
                  Ask();
                }));
}

absl::Status ForkSearch::OnAnswer(const std::vector<std::uint64_t>& counters,
                                  const HistoryAnswer& answer) {
  if (const Stop* stop = std::get_if<Stop>(&answer))
    return StatusOf(*stop, true);
  const auto& theirs = std::get<ChainHashes>(answer);
  if (theirs.size() != counters.size())
    return InvalidArgument("the peer is broken: not as many hashes as asked");
  const std::uint64_t equal = equal_;
  const std::uint64_t differs = differs_;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    const absl::StatusOr<Hash> ours = log_.ChainAt({origin_, counters[i]});
    if (!ours.ok() && !absl::IsNotFound(ours.status())) return ours.status();
    if (!ours.ok() || !theirs[i]) continue;
    if (*ours == *theirs[i] && counters[i] > equal_) equal_ = counters[i];
    if (*ours != *theirs[i] && counters[i] < differs_) differs_ = counters[i];
  }
  if (differs_ <= equal_)
    return InvalidArgument("the peer is broken: hashes that contradict");
  if (equal == equal_ && differs == differs_)
    return FailedPrecondition(
        "the logs were truncated beyond where the histories part");
  return absl::OkStatus();
}

void ForkSearch::Finish(absl::StatusOr<Fork> result) {
  // May destroy this.
  const Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace syncline
