#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/timer.h"
#include "clock/version_vector.h"
#include "replication/content_wants.h"
#include "replication/peer/alive.h"
#include "replication/peer/backoff.h"
#include "replication/peer/chunk_fetcher.h"
#include "replication/peer/chunk_server.h"
#include "replication/peer/compare.h"
#include "replication/peer/fork_search.h"
#include "replication/peer/peer_messages.h"
#include "replication/peer/segment_receiver.h"
#include "replication/peer/segment_sender.h"
#include "replication/peer/state_receiver.h"
#include "replication/peer/state_sender.h"
#include "replication/replica.h"

namespace syncline {

// One project in one session: compares, pulls what this side lacks, serves
// what the other asks for, fetches content. What goes over is the log, or the
// state where the log of the one who has it does not reach back far enough;
// after a state was installed it compares anew.
//
//   Comparing -> Syncing -> Resting (with the reason; by itself or later again)
//
// While the replica's inflow is closed it asks for nothing, but serves.
//
// Contradicting histories fence the project: nothing moves in either direction
// and nothing is applied until a new session finds them in harmony. If it is
// for this node to give up its side, its owner hears what that is.
// Loop-bound.
class ProjectLink {
 public:
  enum class State : std::uint8_t { kComparing, kSyncing, kResting };

  // Borrowed; must outlive the link. `worker` runs what blocks on the disk.
  struct Environment {
    PeerCalls& peer;
    boost::asio::any_io_executor loop;
    boost::asio::any_io_executor worker;
    RandomSource& random;
    const TimeSource& time;
    MakeTimer make_timer;
    Counterpart counterpart;
    std::string peer_device;  // Its id, for people.
    bool tells_lacking;       // The peer wants to hear what is not here yet.
    Backoff::Options backoff;
    // The peer broke the protocol. In a turn of its own.
    std::function<void(absl::Status)> broken;
    // What this node holds behind the fork contradicts the peer, and this node
    // is to give it up. In a turn of its own.
    std::function<void(const Fork&)> forked;
  };

  struct Status {
    ProjectId project;
    State state = State::kComparing;
    // Why it rests, or the last reason for it; else why this node could not
    // send what the peer lacks.
    absl::Status error;
    std::optional<std::int64_t> retry_at_ms;  // Wall clock.
    // Both hold the same entries, durably, and all their content, as far as
    // the peer tells that (kFeatureLacking).
    bool in_sync = false;
    bool fenced = false;  // Two histories contradict each other: see `error`.
    std::uint64_t lacking = 0;  // Pieces that the peer had to get, at least.
    std::optional<VersionVector> theirs;  // See ProjectLink::theirs().
  };

  ProjectLink(Replica& replica, const Environment& environment);
  ~ProjectLink();
  ProjectLink(const ProjectLink&) = delete;
  ProjectLink& operator=(const ProjectLink&) = delete;

  // Compares and pulls anew, unless it is doing so or the project is fenced.
  void Start();
  [[nodiscard]] Status status() const;
  // What the peer holds durably, as far as this session heard; else null.
  [[nodiscard]] const VersionVector* theirs() const {
    return heard_ ? &theirs_ : nullptr;
  }

  // What the peer asks.
  void OnCompare(const Position& theirs, PeerCalls::Done<CompareAnswer> done);
  void OnHistory(const Origin& origin,
                 const std::vector<std::uint64_t>& counters,
                 PeerCalls::Done<HistoryAnswer> done);
  void OnPull(const PullRequest& request, PeerCalls::Done<PullAnswer> done);
  void OnPush(Segment segment, PeerCalls::Done<PushAnswer> done);
  void OnPushState(const StatePush& piece, PeerCalls::Done<PushAnswer> done);
  void OnEnded(std::uint32_t stream, const Stop& stop);
  void OnChunks(const std::vector<Hash>& hashes,
                PeerCalls::Done<ChunksAnswer> done);
  void OnMoreContent();
  void OnLacking(std::uint64_t pieces) { lacking_ = pieces; }

 private:
  void TellLacking();
  void Compare();
  void AwaitInflow();
  void CompareAnew();
  void OnPosition(const Position& ours, const CompareAnswer& answer);
  void Pull();
  void OnPullAnswer(const PullAnswer& answer);
  void OnState(const PullState& state);
  // Compares anew once the state that came is installed.
  void AwaitState();
  void StartSender(const PullRequest& request);
  void ServeState(const PullRequest& request, PeerCalls::Done<PullAnswer> done);
  void StartStateSender(std::shared_ptr<const PinnedState> pin,
                        const PullRequest& request, const std::string& from);
  // What it sends is not what the peer has compared with any more.
  void EndSender(std::uint32_t stream, const Stop& stop);
  void StartFetcher();
  // Answers the pieces that came before the answer to the pull.
  void RefuseEarly();
  // Stops pulling. Tries again later if that can help.
  void Rest(const Stop& stop, bool by_peer);
  void Fence(const Stop& stop);
  void AskWhoGivesWay();
  void NoteDoubtOf(const Stop& stop);
  void AskWhatIsDisputed(const Position& theirs);
  // Stops, and finds out what to give up if that is this node's turn.
  void Contradict(const Contradiction& found);
  void OnSearched(const absl::StatusOr<Fork>& fork);

  Replica& replica_;
  Environment env_;
  State state_ = State::kResting;
  absl::Status error_;
  absl::Status serving_error_;  // Why the last sender of ours ended.
  std::optional<Stop> fenced_;
  std::unique_ptr<ForkSearch> search_;  // What to give up.
  VersionVector theirs_;  // What the peer holds durably, as far as we know.
  bool heard_ = false;    // It has told all of that once.
  // How many states had been taken in when this node compared the two last,
  // and when the peer did.
  std::uint64_t states_ = 0;
  std::uint64_t told_states_ = 0;
  VersionVector compared_;  // What this node held then.
  bool awaits_inflow_ = false;
  std::uint32_t stream_ = 0;
  std::unique_ptr<SegmentReceiver> receiver_;
  std::unique_ptr<StateReceiver> state_receiver_;
  // Pieces may overtake the answer that says which state they are of.
  std::vector<std::pair<StatePush, PeerCalls::Done<PushAnswer>>> early_;
  std::unique_ptr<SegmentSender> sender_;
  std::unique_ptr<StateSender> state_sender_;
  std::uint32_t pulled_ = 0;  // The last stream that the peer asked for.
  std::unique_ptr<ChunkFetcher> fetcher_;
  std::unique_ptr<ChunkServer> server_;
  std::unique_ptr<ContentWants::Watch> watch_;
  std::uint64_t lacking_ = 0;  // By the peer, as it told.
  bool told_lacking_ = false;  // The peer knows that content is missing here.
  Backoff backoff_;
  std::optional<std::int64_t> began_ms_;  // To sync; steady clock.
  std::unique_ptr<Timer> retry_;
  std::optional<std::int64_t> retry_at_ms_;
  Alive alive_;
};

// What a person reads about `stop`; the code tells whether it is an alarm
// (kAborted, kDataLoss), a lack of space (kResourceExhausted) or other.
absl::Status StatusOf(const Stop& stop, bool by_peer);

}  // namespace syncline
