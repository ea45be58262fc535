#include "replication/peer/project_link.h"

#include <utility>
#include <variant>

#include "base/status.h"
#include "replication/peer/compare.h"

namespace syncline {
namespace {

std::string_view Meaning(Stop::Reason reason) {
  switch (reason) {
    case Stop::Reason::kNotShared:
      return "does not share the project";
    case Stop::Reason::kFence:
      return "fenced, nothing is exchanged";
    case Stop::Reason::kDiverged:
      return "diverged, nothing is exchanged";
    case Stop::Reason::kTruncated:
      return "has truncated its log; snapshot transfer is not in this version";
    case Stop::Reason::kFull:
      return "has no space left";
    case Stop::Reason::kFailed:
      return "cannot go on";
    case Stop::Reason::kStale:
      return "has moved on";
  }
  return "stopped";
}

absl::StatusCode CodeOf(Stop::Reason reason) {
  switch (reason) {
    case Stop::Reason::kNotShared:
      return absl::StatusCode::kPermissionDenied;
    case Stop::Reason::kFence:
      return absl::StatusCode::kAborted;
    case Stop::Reason::kDiverged:
      return absl::StatusCode::kDataLoss;
    case Stop::Reason::kTruncated:
      return absl::StatusCode::kUnimplemented;
    case Stop::Reason::kFull:
      return absl::StatusCode::kResourceExhausted;
    case Stop::Reason::kFailed:
    case Stop::Reason::kStale:
      break;
  }
  return absl::StatusCode::kUnavailable;
}

bool IsFence(const Stop& stop) {
  return stop.reason == Stop::Reason::kFence ||
         stop.reason == Stop::Reason::kDiverged;
}

absl::Status BehindHorizon() {
  return FailedPrecondition(
      "the peer lacks what was truncated here; snapshot transfer is not in "
      "this version");
}

Stop OwnFailure(const absl::Status& status) {
  return {Stop::Reason::kFailed, std::string(FromAbsl(status.message()))};
}

}  // namespace

absl::Status StatusOf(const Stop& stop, bool by_peer) {
  std::string text(by_peer ? "the peer " : "this node ");
  text += Meaning(stop.reason);
  if (!stop.detail.empty()) text += ": " + stop.detail;
  return MakeStatus(CodeOf(stop.reason), text);
}

ProjectLink::ProjectLink(Replica& replica, const Environment& environment)
    : replica_(replica),
      env_(environment),
      backoff_(environment.backoff),
      retry_(environment.make_timer()) {
  server_ = std::make_unique<ChunkServer>(
      replica_, env_.loop, env_.worker, env_.make_timer(),
      ChunkServer::Hooks{[this] {
                           env_.peer.MoreContent(replica_.identity().project,
                                                 [](const absl::Status&) {});
                         },
                         env_.broken});
}

ProjectLink::~ProjectLink() = default;

void ProjectLink::Start() {
  if (fenced_ || state_ != State::kResting) return;
  retry_->Cancel();
  retry_at_ms_.reset();
  Compare();
}

ProjectLink::Status ProjectLink::status() const {
  Status status;
  status.project = replica_.identity().project;
  status.state = state_;
  status.error = error_;
  if (status.error.ok() && behind_) status.error = BehindHorizon();
  if (status.error.ok()) status.error = serving_error_;
  status.retry_at_ms = retry_at_ms_;
  if (heard_) status.theirs = theirs_;
  status.in_sync = state_ == State::kSyncing &&
                   theirs_ == replica_.log().durable_frontier() &&
                   replica_.wants().size() == 0;
  return status;
}

void ProjectLink::Compare() {
  state_ = State::kComparing;
  absl::StatusOr<Position> ours = PositionOf(replica_, env_.peer_origin);
  if (!ours.ok()) return Rest(OwnFailure(ours.status()), false);
  Position sent = *ours;
  sent.frontier.reset();
  env_.peer.Compare(
      replica_.identity().project, std::move(sent),
      alive_.Guard([this, ours = *std::move(ours)](
                       const absl::StatusOr<CompareAnswer>& answer) {
        if (answer.ok() && state_ == State::kComparing)
          OnPosition(ours, *answer);
      }));
}

void ProjectLink::OnPosition(const Position& ours,
                             const CompareAnswer& answer) {
  if (const Stop* stop = std::get_if<Stop>(&answer)) return Rest(*stop, true);
  const Position& theirs = std::get<Position>(answer);
  if (!theirs.frontier && theirs.frontier_hash != ours.frontier_hash)
    return env_.broken(
        InvalidArgument("the peer is broken: a position without frontier"));
  const absl::StatusOr<std::optional<Stop>> contradiction =
      FindContradiction(replica_.log(), replica_.identity().self,
                        env_.peer_origin, ours, theirs, Asked::kByUs);
  if (!contradiction.ok())
    return Rest(OwnFailure(contradiction.status()), false);
  if (*contradiction) return Rest(**contradiction, false);
  theirs_.Join(theirs.frontier ? *theirs.frontier : *ours.frontier);
  heard_ = true;
  Pull();
}

void ProjectLink::Pull() {
  PullRequest request;
  request.project = replica_.identity().project;
  request.stream = ++stream_;
  request.frontier = replica_.log().durable_frontier();
  receiver_ = std::make_unique<SegmentReceiver>(
      replica_, env_.loop, env_.worker, stream_, theirs_,
      SegmentReceiver::Hooks{env_.broken,
                             [this](const Stop& stop) { Rest(stop, false); }});
  env_.peer.Pull(
      std::move(request),
      alive_.Guard([this, stream = stream_](
                       const absl::StatusOr<PullAnswer>& answer) {
        if (!answer.ok() || stream != stream_ || state_ != State::kComparing)
          return;
        if (const Stop* stop = std::get_if<Stop>(&*answer))
          return Rest(*stop, true);
        state_ = State::kSyncing;
        error_ = absl::OkStatus();
        backoff_.Reset();
        StartFetcher();
      }));
}

void ProjectLink::StartFetcher() {
  const ProjectId project = replica_.identity().project;
  fetcher_ = std::make_unique<ChunkFetcher>(
      replica_, env_.loop, env_.worker, env_.make_timer(),
      ChunkFetcher::Hooks{
          [this, project](std::vector<Hash> hashes,
                          PeerCalls::Done<ChunksAnswer> done) {
            env_.peer.Chunks(project, std::move(hashes), std::move(done));
          },
          env_.broken, [this](const Stop& stop) { Rest(stop, false); }});
  fetcher_->Start();
}

void ProjectLink::Rest(const Stop& stop, bool by_peer) {
  if (IsFence(stop)) Fence(stop);
  state_ = State::kResting;
  error_ = StatusOf(stop, by_peer);
  if (receiver_) receiver_->Refuse(stop);
  receiver_.reset();
  fetcher_.reset();
  // Waiting helps where space or a store may come back. The others need the
  // peer's word, or people.
  if (stop.reason != Stop::Reason::kFull &&
      stop.reason != Stop::Reason::kFailed)
    return;
  const std::int64_t wait_ms = backoff_.NextMs(env_.random);
  retry_at_ms_ = env_.time.NowMs() + wait_ms;
  retry_->Start(wait_ms, [this] { Start(); });
}

void ProjectLink::Fence(const Stop& stop) {
  if (fenced_) return;
  fenced_ = stop;
  if (!sender_) return;
  env_.peer.Ended(replica_.identity().project, sender_->stream(), stop,
                  [](const absl::Status&) {});
  sender_.reset();
}

void ProjectLink::OnCompare(const Position& theirs,
                            PeerCalls::Done<CompareAnswer> done) {
  if (fenced_) return done(CompareAnswer(*fenced_));
  absl::StatusOr<Position> ours = PositionOf(replica_, env_.peer_origin);
  if (!ours.ok()) return done(CompareAnswer(OwnFailure(ours.status())));
  const absl::StatusOr<std::optional<Stop>> contradiction =
      FindContradiction(replica_.log(), replica_.identity().self,
                        env_.peer_origin, *ours, theirs, Asked::kByThem);
  if (!contradiction.ok())
    return done(CompareAnswer(OwnFailure(contradiction.status())));
  if (*contradiction) {
    const Stop stop = **contradiction;
    Rest(stop, false);
    return done(CompareAnswer(stop));
  }
  if (ours->frontier_hash == theirs.frontier_hash) ours->frontier.reset();
  done(CompareAnswer(*std::move(ours)));
}

void ProjectLink::OnPull(const PullRequest& request,
                         PeerCalls::Done<PullAnswer> done) {
  if (fenced_) return done(PullAnswer(*fenced_));
  behind_ = !CanServe(replica_.log(), request.frontier);
  if (behind_) {
    sender_.reset();
    return done(PullAnswer(Stop{Stop::Reason::kTruncated, ""}));
  }
  theirs_.Join(request.frontier);
  StartSender(request);
  done(PullAnswer(PullStarted{}));
}

void ProjectLink::StartSender(const PullRequest& request) {
  const ProjectId project = replica_.identity().project;
  const std::uint32_t stream = request.stream;
  SegmentSender::Hooks hooks;
  hooks.push = [this, stream](Segment segment,
                              PeerCalls::Done<PushAnswer> done) {
    env_.peer.Push(std::move(segment),
                   alive_.Guard([this, stream, done = std::move(done)](
                                    absl::StatusOr<PushAnswer> answer) {
                     const bool went_well =
                         answer.ok() &&
                         std::holds_alternative<PushDurable>(*answer);
                     if (went_well && sender_ && sender_->stream() == stream)
                       serving_error_ = absl::OkStatus();
                     done(std::move(answer));
                   }));
  };
  hooks.ended = [this, project, stream](const Stop& stop, bool by_peer) {
    sender_.reset();
    if (by_peer && IsFence(stop)) return Rest(stop, true);
    if (by_peer) return;
    serving_error_ = StatusOf(stop, false);
    behind_ = behind_ || stop.reason == Stop::Reason::kTruncated;
    env_.peer.Ended(project, stream, stop, [](const absl::Status&) {});
  };
  sender_ = std::make_unique<SegmentSender>(replica_, env_.loop, env_.worker,
                                            request, theirs_, std::move(hooks));
  sender_->Start();
}

void ProjectLink::OnPush(Segment segment, PeerCalls::Done<PushAnswer> done) {
  if (fenced_) return done(PushAnswer(*fenced_));
  if (!receiver_ || receiver_->stream() != segment.stream)
    return done(PushAnswer(Stop{Stop::Reason::kStale, ""}));
  receiver_->OnPush(std::move(segment), std::move(done));
}

void ProjectLink::OnEnded(std::uint32_t stream, const Stop& stop) {
  if (receiver_ && receiver_->stream() == stream) Rest(stop, true);
}

void ProjectLink::OnChunks(const std::vector<Hash>& hashes,
                           PeerCalls::Done<ChunksAnswer> done) {
  if (fenced_) return done(ChunksAnswer(*fenced_));
  server_->OnAsk(hashes, std::move(done));
}

void ProjectLink::OnMoreContent() {
  if (fetcher_) fetcher_->OnMoreContent();
}

}  // namespace syncline
