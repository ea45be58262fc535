#include "replication/peer/project_link.h"

#include <boost/asio/post.hpp>
#include <utility>
#include <variant>

#include "base/status.h"
#include "replication/inflow.h"
#include "replication/rebuild.h"
#include "replication/state_intake.h"

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
      return "has truncated its log meanwhile";
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
    case Stop::Reason::kFull:
      return absl::StatusCode::kResourceExhausted;
    case Stop::Reason::kTruncated:
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

Stop OwnFailure(const absl::Status& status) {
  return {Stop::Reason::kFailed, std::string(FromAbsl(status.message()))};
}

Stop Installing() {
  return {Stop::Reason::kFailed, "the state of another device is coming in"};
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
  if (!env_.tells_lacking) return;
  watch_ = replica_.wants().OnChange([this] { TellLacking(); });
  TellLacking();
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
  if (status.error.ok()) status.error = serving_error_;
  status.retry_at_ms = retry_at_ms_;
  if (heard_) status.theirs = theirs_;
  status.in_sync = state_ == State::kSyncing &&
                   theirs_ == replica_.log().durable_frontier() &&
                   replica_.wants().size() == 0 && lacking_ == 0;
  status.lacking = lacking_;
  status.fenced = fenced_.has_value();
  return status;
}

// A state has come in since the two were compared: who had less than the peer
// then, and so could not contradict it, may do so now.
void ProjectLink::CompareAnew() {
  receiver_->Refuse({Stop::Reason::kStale, ""});
  receiver_.reset();
  state_ = State::kResting;
  Start();
}

// Nothing may come in yet. The peer may compare and pull meanwhile.
void ProjectLink::AwaitInflow() {
  state_ = State::kComparing;
  if (std::exchange(awaits_inflow_, true)) return;
  replica_.inflow().WhenOpen([loop = env_.loop, go_on = alive_.Guard([this] {
    awaits_inflow_ = false;
    if (state_ != State::kComparing) return;
    state_ = State::kResting;
    Start();
  })]() mutable { boost::asio::post(loop, std::move(go_on)); });
}

void ProjectLink::Compare() {
  if (replica_.inflow().closed()) return AwaitInflow();
  if (replica_.installing()) return AwaitState();
  states_ = replica_.intake().states();
  began_ms_.reset();
  state_ = State::kComparing;
  absl::StatusOr<Position> ours = PositionOf(replica_, env_.counterpart);
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
  const absl::StatusOr<std::optional<Contradiction>> contradiction =
      FindContradiction(replica_, env_.counterpart, ours, theirs, Asked::kByUs);
  if (!contradiction.ok())
    return Rest(OwnFailure(contradiction.status()), false);
  if (*contradiction) return Contradict(**contradiction);
  theirs_.Join(theirs.frontier ? *theirs.frontier : *ours.frontier);
  heard_ = true;
  compared_ = *ours.frontier;
  Pull();
}

void ProjectLink::Pull() {
  RefuseEarly();
  PullRequest request;
  request.project = replica_.identity().project;
  request.stream = ++stream_;
  request.frontier = replica_.log().durable_frontier();
  if (const auto part = replica_.intake().resumption()) {
    request.state_id = part->id;
    request.state_key = part->key;
  }
  receiver_ = std::make_unique<SegmentReceiver>(
      replica_, env_.loop, env_.worker, stream_, theirs_, env_.time,
      SegmentReceiver::Hooks{env_.broken,
                             [this](const Stop& stop) { Rest(stop, false); }});
  env_.peer.Pull(
      std::move(request),
      alive_.Guard(
          [this, stream = stream_](const absl::StatusOr<PullAnswer>& answer) {
            if (answer.ok() && stream == stream_ && state_ == State::kComparing)
              OnPullAnswer(*answer);
          }));
}

void ProjectLink::OnPullAnswer(const PullAnswer& answer) {
  if (const Stop* stop = std::get_if<Stop>(&answer)) return Rest(*stop, true);
  if (states_ != replica_.intake().states()) return CompareAnew();
  if (const auto* state = std::get_if<PullState>(&answer))
    return OnState(*state);
  state_ = State::kSyncing;
  error_ = absl::OkStatus();
  began_ms_ = env_.time.SteadyMs();
  StartFetcher();
}

void ProjectLink::OnState(const PullState& state) {
  receiver_.reset();
  const absl::Status taken = replica_.intake().Offer(
      state.header, state.from, env_.peer_device, compared_);
  if (absl::IsAlreadyExists(taken)) return AwaitState();
  if (absl::IsInvalidArgument(taken))
    return env_.broken(Annotate(taken, "the peer is broken"));
  if (absl::IsAborted(taken)) {
    return Rest({Stop::Reason::kFence, std::string(FromAbsl(taken.message())),
                 ForkedOrigin(taken)},
                false);
  }
  if (!taken.ok()) return Rest(OwnFailure(taken), false);
  state_ = State::kSyncing;
  error_ = absl::OkStatus();
  state_receiver_ = std::make_unique<StateReceiver>(
      replica_, env_.loop, stream_, state.header.id,
      StateReceiver::Hooks{env_.broken,
                           [this](const Stop& stop) { Rest(stop, false); },
                           [this] { AwaitState(); }});
  for (auto& [piece, done] : std::exchange(early_, {})) {
    state_receiver_->OnPush(piece, std::move(done));
  }
}

void ProjectLink::RefuseEarly() {
  for (auto& [piece, done] : std::exchange(early_, {})) {
    done(PushAnswer(Stop{Stop::Reason::kStale, ""}));
  }
}

void ProjectLink::AwaitState() {
  state_ = State::kSyncing;
  state_receiver_.reset();
  RefuseEarly();
  replica_.intake().Await(alive_.Guard([this](const absl::Status& status) {
    if (fenced_) return;
    if (!status.ok()) return Rest(OwnFailure(status), false);
    backoff_.Reset();
    state_ = State::kResting;
    Start();
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
  if (by_peer) NoteDoubtOf(stop);
  state_ = State::kResting;
  error_ = StatusOf(stop, by_peer);
  if (receiver_) receiver_->Refuse(stop);
  receiver_.reset();
  state_receiver_.reset();
  RefuseEarly();
  fetcher_.reset();
  // Waiting helps where space or a store may come back, and who truncated
  // meanwhile has a state to give. The others need the peer's word, or people.
  if (stop.reason != Stop::Reason::kFull &&
      stop.reason != Stop::Reason::kFailed &&
      stop.reason != Stop::Reason::kTruncated)
    return;
  // What ends sooner did not go well, though it began so: where the disk is
  // full content comes, is thrown away, and comes again.
  constexpr std::int64_t kWentWellMs = 10'000;
  if (began_ms_ && env_.time.SteadyMs() - *began_ms_ >= kWentWellMs)
    backoff_.Reset();
  const std::int64_t wait_ms = backoff_.NextMs(env_.random);
  retry_at_ms_ = env_.time.NowMs() + wait_ms;
  retry_->Start(wait_ms, [this] { Start(); });
}

// Also while fenced: the peer finds out by itself whose turn it is.
void ProjectLink::OnCompare(const Position& theirs,
                            PeerCalls::Done<CompareAnswer> done) {
  if (replica_.installing()) return done(CompareAnswer(Installing()));
  told_states_ = replica_.intake().states();
  absl::StatusOr<Position> ours = PositionOf(replica_, env_.counterpart);
  if (!ours.ok()) return done(CompareAnswer(OwnFailure(ours.status())));
  const absl::StatusOr<std::optional<Contradiction>> contradiction =
      FindContradiction(replica_, env_.counterpart, *ours, theirs,
                        Asked::kByThem);
  if (!contradiction.ok())
    return done(CompareAnswer(OwnFailure(contradiction.status())));
  if (*contradiction) Contradict(**contradiction);
  if (ours->frontier_hash == theirs.frontier_hash) ours->frontier.reset();
  done(CompareAnswer(*std::move(ours)));
}

void ProjectLink::OnHistory(const Origin& origin,
                            const std::vector<std::uint64_t>& counters,
                            PeerCalls::Done<HistoryAnswer> done) {
  ChainHashes hashes;
  for (const std::uint64_t counter : counters) {
    const Dot dot{origin, counter};
    absl::StatusOr<Hash> hash = NotFound("not durable");
    if (replica_.log().durable_frontier().Covers(dot))
      hash = replica_.log().ChainAt(dot);
    if (!hash.ok() && !absl::IsNotFound(hash.status()))
      return done(HistoryAnswer(OwnFailure(hash.status())));
    hashes.push_back(hash.ok() ? std::optional(*hash) : std::nullopt);
  }
  done(HistoryAnswer(std::move(hashes)));
}

void ProjectLink::OnPull(const PullRequest& request,
                         PeerCalls::Done<PullAnswer> done) {
  if (fenced_) return done(PullAnswer(*fenced_));
  sender_.reset();
  state_sender_.reset();
  pulled_ = request.stream;
  if (replica_.installing()) return done(PullAnswer(Installing()));
  if (told_states_ != replica_.intake().states())
    return done(PullAnswer(Stop{Stop::Reason::kTruncated, ""}));
  theirs_.Join(request.frontier);
  if (!CanServe(replica_.log(), request.frontier))
    return ServeState(request, std::move(done));
  StartSender(request);
  done(PullAnswer(PullStarted{}));
}

void ProjectLink::StartSender(const PullRequest& request) {
  const ProjectId project = replica_.identity().project;
  const std::uint32_t stream = request.stream;
  SegmentSender::Hooks hooks;
  hooks.push = [this, stream](Segment segment,
                              PeerCalls::Done<PushAnswer> done) {
    if (told_states_ != replica_.intake().states())
      return EndSender(stream, {Stop::Reason::kTruncated, ""});
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
    // Who fell behind a truncation is given the state when it asks again.
    if (stop.reason != Stop::Reason::kTruncated)
      serving_error_ = StatusOf(stop, false);
    env_.peer.Ended(project, stream, stop, [](const absl::Status&) {});
  };
  sender_ = std::make_unique<SegmentSender>(replica_, env_.loop, env_.worker,
                                            request, theirs_, std::move(hooks));
  sender_->Start();
}

// Of its own accord: not within its call.
void ProjectLink::EndSender(std::uint32_t stream, const Stop& stop) {
  boost::asio::post(env_.loop, alive_.Guard([this, stream, stop] {
    if (!sender_ || sender_->stream() != stream) return;
    sender_.reset();
    env_.peer.Ended(replica_.identity().project, stream, stop,
                    [](const absl::Status&) {});
  }));
}

void ProjectLink::ServeState(const PullRequest& request,
                             PeerCalls::Done<PullAnswer> done) {
  replica_.PinState(
      request.state_id,
      alive_.Guard(
          [this, request, done = std::move(done)](
              const absl::StatusOr<std::shared_ptr<const PinnedState>>& pin) {
            if (fenced_) return done(PullAnswer(*fenced_));
            if (!pin.ok()) {
              serving_error_ = pin.status();
              return done(PullAnswer(OwnFailure(pin.status())));
            }
            const StateHeader& header = (*pin)->header();
            const std::string from =
                header.id == request.state_id ? request.state_key : "";
            // An answer that a newer pull has overtaken is told to nobody.
            if (request.stream == pulled_)
              StartStateSender(*pin, request, from);
            done(PullAnswer(PullState{header, from}));
          }));
}

void ProjectLink::StartStateSender(std::shared_ptr<const PinnedState> pin,
                                   const PullRequest& request,
                                   const std::string& from) {
  const ProjectId project = replica_.identity().project;
  const std::uint32_t stream = request.stream;
  StateSender::Hooks hooks;
  hooks.push = [this](StatePush piece, PeerCalls::Done<PushAnswer> done) {
    env_.peer.PushState(std::move(piece), std::move(done));
  };
  hooks.ended = [this, project, stream](const Stop& stop, bool by_peer) {
    state_sender_.reset();
    if (by_peer && IsFence(stop)) return Rest(stop, true);
    if (by_peer) return;
    serving_error_ = StatusOf(stop, false);
    env_.peer.Ended(project, stream, stop, [](const absl::Status&) {});
  };
  serving_error_ = absl::OkStatus();
  state_sender_ = std::make_unique<StateSender>(
      std::move(pin), env_.loop, env_.worker, env_.make_timer(), request, from,
      std::move(hooks));
  state_sender_->Start();
}

void ProjectLink::OnPush(Segment segment, PeerCalls::Done<PushAnswer> done) {
  if (fenced_) return done(PushAnswer(*fenced_));
  if (!receiver_ || receiver_->stream() != segment.stream)
    return done(PushAnswer(Stop{Stop::Reason::kStale, ""}));
  if (states_ != replica_.intake().states()) {
    CompareAnew();
    return done(PushAnswer(Stop{Stop::Reason::kStale, ""}));
  }
  receiver_->OnPush(std::move(segment), std::move(done));
}

void ProjectLink::OnPushState(const StatePush& piece,
                              PeerCalls::Done<PushAnswer> done) {
  if (fenced_) return done(PushAnswer(*fenced_));
  constexpr std::size_t kEarlyMax = 8;
  if (state_ == State::kComparing && piece.stream == stream_ &&
      early_.size() < kEarlyMax) {
    early_.emplace_back(piece, std::move(done));
    return;
  }
  if (!state_receiver_ || state_receiver_->stream() != piece.stream)
    return done(PushAnswer(Stop{Stop::Reason::kStale, ""}));
  state_receiver_->OnPush(piece, std::move(done));
}

void ProjectLink::OnEnded(std::uint32_t stream, const Stop& stop) {
  const bool segments = receiver_ && receiver_->stream() == stream;
  const bool pieces = state_receiver_ && state_receiver_->stream() == stream;
  if (segments || pieces) Rest(stop, true);
}

void ProjectLink::OnChunks(const std::vector<Hash>& hashes,
                           PeerCalls::Done<ChunksAnswer> done) {
  if (fenced_) return done(ChunksAnswer(*fenced_));
  server_->OnAsk(hashes, std::move(done));
}

// The first want is told within the turn that takes its entry in: so the peer
// hears of it before it hears that the entry is durable here.
void ProjectLink::TellLacking() {
  const std::size_t pieces = replica_.wants().size();
  if ((pieces > 0) == told_lacking_) return;
  told_lacking_ = pieces > 0;
  env_.peer.Lacking(replica_.identity().project, pieces,
                    [](const absl::Status&) {});
}

void ProjectLink::OnMoreContent() {
  if (fetcher_) fetcher_->OnMoreContent();
}

}  // namespace syncline
