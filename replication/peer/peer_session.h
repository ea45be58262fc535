#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/time_source.h"
#include "base/timer.h"
#include "replication/peer/alive.h"
#include "replication/peer/backoff.h"
#include "replication/peer/handshake.h"
#include "replication/peer/peer_host.h"
#include "replication/peer/peer_messages.h"
#include "replication/peer/project_link.h"

namespace syncline {

// What two authenticated nodes do with each other: says which projects may be
// exchanged, runs one ProjectLink for each that both name, and finds out when
// the other side is gone. Knows nothing of the wire: it is given PeerCalls
// that reach the peer, and is PeerCalls for it.
//
// A project that the peer may not have is never named to it, whether it exists
// here or not. Loop-bound; nothing blocks.
class PeerSession final : public PeerCalls {
 public:
  struct Options {
    std::int64_t ping_ms = 15'000;
    std::int64_t dead_ms = 45'000;
    Backoff::Options backoff;
  };

  // Borrowed; must outlive the session.
  struct Environment {
    PeerHost& host;
    PeerCalls& peer;
    boost::asio::any_io_executor loop;
    boost::asio::any_io_executor worker;  // For what blocks on the disk.
    RandomSource& random;
    const TimeSource& time;
    MakeTimer make_timer;
    // Bytes received so far: a peer that sends anything is not dead.
    std::function<std::uint64_t()> received_bytes;
    // Where this node accepts connections, for the peer to know.
    std::function<std::vector<std::string>()> addresses;
    // The peer told its name and addresses; only after Start().
    std::function<void(const PeerRecord&)> remember;
    // The session is over: the peer broke the protocol (kInvalidArgument), is
    // silent (kDeadlineExceeded), said goodbye (kUnavailable), or is no longer
    // authorised (kPermissionDenied). In a turn of its own, once.
    std::function<void(absl::Status)> ended;
  };

  PeerSession(const Environment& environment, PeerIdentity peer,
              const Options& options);
  ~PeerSession() override;

  // Until then the peer's calls are answered, but nothing is shared.
  void Start();
  // The projects that the host names for the peer have changed. Those it no
  // longer names are let go of before this returns.
  void ProjectsChanged();

  // Tells the peer that a copy of it was met.
  void TellCopied();

  [[nodiscard]] const PeerIdentity& peer() const { return peer_; }
  [[nodiscard]] std::vector<ProjectLink::Status> projects() const;
  // Of the last ping; nothing before the first answer.
  [[nodiscard]] std::optional<std::int64_t> rtt_ms() const { return rtt_ms_; }

  // What the peer calls.
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
  ProjectLink* Find(const ProjectId& project);
  // Starts and drops links so that they are those that both sides name.
  void Reconcile();
  void SendAnnouncement();
  void RememberFrontiers() const;
  void SchedulePing();
  void OnPingTime();
  void End(absl::Status why);

  Environment env_;
  PeerIdentity peer_;
  Options options_;
  bool started_ = false;
  std::optional<PeerRecord> record_;       // As the peer told.
  std::map<ProjectId, std::string> ours_;  // Projects named to the peer.
  std::set<ProjectId> theirs_;             // Those that it named.
  std::map<ProjectId, std::unique_ptr<ProjectLink>> links_;
  std::unique_ptr<Timer> ping_;
  std::uint64_t heard_bytes_ = 0;
  std::int64_t heard_at_ms_ = 0;  // Steady clock.
  bool ping_under_way_ = false;
  std::optional<std::int64_t> rtt_ms_;
  bool ended_ = false;
  Alive alive_;
};

}  // namespace syncline
