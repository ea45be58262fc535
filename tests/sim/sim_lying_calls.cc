#include "tests/sim/sim_lying_calls.h"

#include <tuple>
#include <utility>

namespace syncline::testing {

// `call` hands a message and `done` to the other side.
template <typename Message, typename Answered, typename Call>
void SimLyingCalls::Say(Message message, Answered done, Call call) {
  if (lies_ == Lies::kAnswers) {
    return call(std::move(message), Answering(std::move(done)));
  }
  const std::function<void()> held = std::exchange(held_, nullptr);
  switch (damage_.Draw()) {
    case SimDamage::How::kNone:
      call(std::move(message), std::move(done));
      break;
    case SimDamage::How::kChange:
      if (!damage_.Change(message)) return malformed_();
      call(std::move(message), std::move(done));
      break;
    case SimDamage::How::kTwice:
      call(message, std::move(done));
      call(std::move(message), [](const auto&) {});
      break;
    case SimDamage::How::kLater:
      held_ = [call, message = std::move(message), done = std::move(done)] {
        call(message, done);
      };
      break;
  }
  if (held) held();
}

template <typename Answer>
PeerCalls::Done<Answer> SimLyingCalls::Answering(Done<Answer> done) {
  // An answer may come when this is gone, and is told to nobody then.
  return [&damage = damage_, malformed = malformed_,
          done = std::move(done)](absl::StatusOr<Answer> answer) {
    if (answer.ok() && damage.Draw() == SimDamage::How::kChange &&
        !damage.Change(*answer)) {
      return malformed();
    }
    done(std::move(answer));
  };
}

void SimLyingCalls::Announce(Announcement announcement, Called done) {
  Say(std::move(announcement), std::move(done),
      [this](Announcement said, Called answered) {
        to_.Announce(std::move(said), std::move(answered));
      });
}

void SimLyingCalls::Compare(const ProjectId& project, Position position,
                            Done<CompareAnswer> done) {
  Say(std::tuple(project, std::move(position)), std::move(done),
      [this](const std::tuple<ProjectId, Position>& said,
             Done<CompareAnswer> answered) {
        to_.Compare(std::get<0>(said), std::get<1>(said), std::move(answered));
      });
}

void SimLyingCalls::History(const ProjectId& project, const Origin& origin,
                            std::vector<std::uint64_t> counters,
                            Done<HistoryAnswer> done) {
  Say(std::tuple(project, origin, std::move(counters)), std::move(done),
      [this](
          const std::tuple<ProjectId, Origin, std::vector<std::uint64_t>>& said,
          Done<HistoryAnswer> answered) {
        to_.History(std::get<0>(said), std::get<1>(said), std::get<2>(said),
                    std::move(answered));
      });
}

void SimLyingCalls::Pull(PullRequest request, Done<PullAnswer> done) {
  Say(std::move(request), std::move(done),
      [this](PullRequest said, Done<PullAnswer> answered) {
        to_.Pull(std::move(said), std::move(answered));
      });
}

void SimLyingCalls::Push(Segment segment, Done<PushAnswer> done) {
  Say(std::move(segment), std::move(done),
      [this](Segment said, Done<PushAnswer> answered) {
        to_.Push(std::move(said), std::move(answered));
      });
}

void SimLyingCalls::PushState(StatePush piece, Done<PushAnswer> done) {
  Say(std::move(piece), std::move(done),
      [this](StatePush said, Done<PushAnswer> answered) {
        to_.PushState(std::move(said), std::move(answered));
      });
}

void SimLyingCalls::Ended(const ProjectId& project, std::uint32_t stream,
                          Stop stop, Called done) {
  Say(std::tuple(project, stream, std::move(stop)), std::move(done),
      [this](const std::tuple<ProjectId, std::uint32_t, Stop>& said,
             Called answered) {
        to_.Ended(std::get<0>(said), std::get<1>(said), std::get<2>(said),
                  std::move(answered));
      });
}

void SimLyingCalls::Chunks(const ProjectId& project, std::vector<Hash> hashes,
                           Done<ChunksAnswer> done) {
  Say(std::tuple(project, std::move(hashes)), std::move(done),
      [this](const std::tuple<ProjectId, std::vector<Hash>>& said,
             Done<ChunksAnswer> answered) {
        to_.Chunks(std::get<0>(said), std::get<1>(said), std::move(answered));
      });
}

void SimLyingCalls::MoreContent(const ProjectId& project, Called done) {
  to_.MoreContent(project, std::move(done));
}

void SimLyingCalls::Lacking(const ProjectId& project, std::uint64_t pieces,
                            Called done) {
  to_.Lacking(project, pieces, std::move(done));
}

void SimLyingCalls::Copied(const Origin& origin, Called done) {
  to_.Copied(origin, std::move(done));
}

void SimLyingCalls::Ping(Called done) { to_.Ping(std::move(done)); }

void SimLyingCalls::Goodbye(std::string reason, Called done) {
  to_.Goodbye(std::move(reason), std::move(done));
}

}  // namespace syncline::testing
