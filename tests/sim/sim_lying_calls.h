#pragma once

#include <functional>
#include <tuple>
#include <utility>

#include "replication/peer/peer_messages.h"
#include "tests/sim/sim_damage.h"

namespace syncline::testing {

// Calls that go on to `to`, but while `damage` is on, not as they came: what is
// asked (kCalls: of the other side), or what is answered (kAnswers: the session
// of the device that lies is `to`). `malformed` is called for what the other
// side could not decode; it may destroy this, in a turn of its own.
class SimLyingCalls final : public PeerCalls {
 public:
  enum class Lies : bool { kCalls, kAnswers };

  SimLyingCalls(PeerCalls& to, SimDamage& damage, Lies lies,
                std::function<void()> malformed)
      : to_(to),
        damage_(damage),
        lies_(lies),
        malformed_(std::move(malformed)) {}

  void Announce(Announcement announcement, Called done) override;
  void Compare(const ProjectId& project, Position position,
               Done<CompareAnswer> done) override;
  void History(const ProjectId& project, const Origin& origin,
               std::vector<std::uint64_t> counters,
               Done<HistoryAnswer> done) override;
  void Pull(PullRequest request, Done<PullAnswer> done) override;
  void Push(Segment segment, Done<PushAnswer> done) override;
  void PushState(StatePush piece, Done<PushAnswer> done) override;
  void Ended(const ProjectId& project, std::uint32_t stream, Stop stop,
             Called done) override;
  void Chunks(const ProjectId& project, std::vector<Hash> hashes,
              Done<ChunksAnswer> done) override;
  void MoreContent(const ProjectId& project, Called done) override;
  void Lacking(const ProjectId& project, std::uint64_t pieces,
               Called done) override;
  void Copied(const Origin& origin, Called done) override;
  void Ping(Called done) override;
  void Goodbye(std::string reason, Called done) override;

 private:
  template <typename Message, typename Answered, typename Call>
  void Say(Message message, Answered done, Call call);
  template <typename Answer>
  Done<Answer> Answering(Done<Answer> done);
  Called Answering(Called done) { return done; }

  PeerCalls& to_;
  SimDamage& damage_;
  const Lies lies_;
  const std::function<void()> malformed_;
  std::function<void()> held_;
};

}  // namespace syncline::testing
