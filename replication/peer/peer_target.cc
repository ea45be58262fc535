#include "replication/peer/peer_target.h"

#include <kj/async.h>
#include <kj/debug.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/status.h"
#include "proto/kj_status.h"
#include "proto/words.h"
#include "replication/peer/history_codec.h"
#include "replication/peer/peer_codec.h"

namespace syncline {

// The session answers with callbacks that outlive neither the call (the
// connection may be gone) nor the loop, so open calls are kept here and found
// again by number.
struct PeerTarget::State : std::enable_shared_from_this<State> {
  explicit State(KjLoop& kj_loop) : loop(kj_loop) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    ready = pair.promise.fork();
    set = kj::mv(pair.fulfiller);
  }

  // A call that `answer` ends, from inside or outside the loop.
  std::pair<std::uint64_t, kj::Promise<void>> OpenCall() {
    auto pair = kj::newPromiseAndFulfiller<void>();
    const std::uint64_t id = next++;
    open[id] = kj::mv(pair.fulfiller);
    return {id, pair.promise.attach(kj::defer([self = shared_from_this(), id] {
              self->open.erase(id);
            }))};
  }
  void Finish(std::uint64_t id, const absl::Status& status,
              absl::FunctionRef<void()> fill) {
    loop.Enter([&] {
      const auto at = open.find(id);
      if (at == open.end()) return;
      kj::Own<kj::PromiseFulfiller<void>> fulfiller = kj::mv(at->second);
      if (!status.ok()) return fulfiller->reject(KjFromStatus(status));
      fill();
      fulfiller->fulfill();
    });
  }

  KjLoop& loop;
  PeerCalls* calls = nullptr;
  bool cleared = false;
  std::function<void(absl::Status)> malformed;
  kj::ForkedPromise<void> ready = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> set;
  std::uint64_t next = 0;
  std::map<std::uint64_t, kj::Own<kj::PromiseFulfiller<void>>> open;
};

namespace {

kj::Exception Gone() {
  return KJ_EXCEPTION(DISCONNECTED, "the session has ended");
}

}  // namespace

class PeerServer final : public wire::Peer::Server {
 public:
  using State = PeerTarget::State;
  explicit PeerServer(std::shared_ptr<State> state)
      : state_(std::move(state)) {}

  kj::Promise<void> announce(AnnounceContext context) override {
    return WhenReady([this, context]() mutable {
      auto announcement =
          DecodeAnnouncement(context.getParams().getAnnouncement());
      if (!announcement.ok()) return Malformed(announcement.status());
      return Notify([&](PeerCalls::Called done) {
        state_->calls->Announce(*std::move(announcement), std::move(done));
      });
    });
  }

  kj::Promise<void> compare(CompareContext context) override {
    return WhenReady([this, context]() mutable {
      auto project = DecodeProjectId(context.getParams().getProject());
      if (!project.ok()) return Malformed(project.status());
      auto position = DecodePosition(context.getParams().getPosition());
      if (!position.ok()) return Malformed(position.status());
      return Ask<CompareAnswer>(context, EncodeCompareAnswer,
                                [&](PeerCalls::Done<CompareAnswer> done) {
                                  state_->calls->Compare(*project,
                                                         *std::move(position),
                                                         std::move(done));
                                });
    });
  }

  kj::Promise<void> history(HistoryContext context) override {
    return WhenReady([this, context]() mutable {
      auto project = DecodeProjectId(context.getParams().getProject());
      if (!project.ok()) return Malformed(project.status());
      auto origin = DecodeOrigin(context.getParams().getOrigin());
      if (!origin.ok()) return Malformed(origin.status());
      auto counters = DecodeCounters(context.getParams().getCounters());
      if (!counters.ok()) return Malformed(counters.status());
      return Ask<HistoryAnswer>(context, EncodeHistoryAnswer,
                                [&](PeerCalls::Done<HistoryAnswer> done) {
                                  state_->calls->History(*project, *origin,
                                                         *std::move(counters),
                                                         std::move(done));
                                });
    });
  }

  kj::Promise<void> pull(PullContext context) override {
    return WhenReady([this, context]() mutable {
      auto request = DecodePullRequest(context.getParams().getRequest());
      if (!request.ok()) return Malformed(request.status());
      return Ask<PullAnswer>(
          context, EncodePullAnswer, [&](PeerCalls::Done<PullAnswer> done) {
            state_->calls->Pull(*std::move(request), std::move(done));
          });
    });
  }

  kj::Promise<void> push(PushContext context) override {
    return WhenReady([this, context]() mutable {
      auto segment = DecodeSegment(context.getParams().getSegment());
      if (!segment.ok()) return Malformed(segment.status());
      context.releaseParams();
      return Ask<PushAnswer>(
          context, EncodePushAnswer, [&](PeerCalls::Done<PushAnswer> done) {
            state_->calls->Push(*std::move(segment), std::move(done));
          });
    });
  }

  kj::Promise<void> pushState(PushStateContext context) override {
    return WhenReady([this, context]() mutable {
      auto piece = DecodeStatePush(context.getParams().getPiece());
      if (!piece.ok()) return Malformed(piece.status());
      context.releaseParams();
      return Ask<PushAnswer>(
          context, EncodePushAnswer, [&](PeerCalls::Done<PushAnswer> done) {
            state_->calls->PushState(*std::move(piece), std::move(done));
          });
    });
  }

  kj::Promise<void> ended(EndedContext context) override {
    return NotifyOf(
        context, [this](const ProjectId& project, auto params, auto done) {
          state_->calls->Ended(project, params.getStream(),
                               DecodeStop(params.getStop()), std::move(done));
        });
  }

  kj::Promise<void> chunks(ChunksContext context) override {
    return WhenReady([this, context]() mutable {
      auto project = DecodeProjectId(context.getParams().getProject());
      if (!project.ok()) return Malformed(project.status());
      auto hashes = DecodeHashes(context.getParams().getHashes());
      if (!hashes.ok()) return Malformed(hashes.status());
      return Ask<ChunksAnswer>(
          context, EncodeChunksAnswer, [&](PeerCalls::Done<ChunksAnswer> done) {
            state_->calls->Chunks(*project, *std::move(hashes),
                                  std::move(done));
          });
    });
  }

  kj::Promise<void> moreContent(MoreContentContext context) override {
    return NotifyOf(context, [this](const ProjectId& project, auto, auto done) {
      state_->calls->MoreContent(project, std::move(done));
    });
  }

  kj::Promise<void> lacking(LackingContext context) override {
    return NotifyOf(
        context, [this](const ProjectId& project, auto params, auto done) {
          state_->calls->Lacking(project, params.getPieces(), std::move(done));
        });
  }

  kj::Promise<void> copied(CopiedContext context) override {
    return WhenReady([this, context]() mutable {
      auto origin = DecodeOrigin(context.getParams().getOrigin());
      if (!origin.ok()) return Malformed(origin.status());
      return Notify([&](PeerCalls::Called done) {
        state_->calls->Copied(*origin, std::move(done));
      });
    });
  }

  kj::Promise<void> ping(PingContext) override {
    return WhenReady([this] {
      return Notify([&](PeerCalls::Called done) {
        state_->calls->Ping(std::move(done));
      });
    });
  }

  kj::Promise<void> goodbye(GoodbyeContext context) override {
    return WhenReady([this, context]() mutable {
      std::string reason = CleanText(context.getParams().getReason(), 512);
      return Notify([&](PeerCalls::Called done) {
        state_->calls->Goodbye(std::move(reason), std::move(done));
      });
    });
  }

 private:
  template <typename Function>
  kj::Promise<void> WhenReady(Function function) {
    if (state_->cleared) return Gone();
    if (state_->calls != nullptr) return function();
    return state_->ready.addBranch().then(
        [this, function = std::move(function)]() mutable -> kj::Promise<void> {
          if (state_->calls == nullptr) return Gone();
          return function();
        });
  }

  kj::Promise<void> Malformed(const absl::Status& status) {
    state_->malformed(Annotate(status, "the peer is broken"));
    return KjFromStatus(status);
  }

  // `call` hands `done` to the session.
  template <typename Call>
  kj::Promise<void> Notify(Call call) {
    auto [id, promise] = state_->OpenCall();
    call(PeerCalls::Called(
        [state = std::weak_ptr(state_), id = id](const absl::Status& status) {
          if (const auto target = state.lock())
            target->Finish(id, status, [] {});
        }));
    return kj::mv(promise);
  }

  // The same about a project: `call` gets its id and the parameters, too.
  template <typename Context, typename Call>
  kj::Promise<void> NotifyOf(Context context, Call call) {
    return WhenReady([this, context, call]() mutable {
      auto params = context.getParams();
      auto project = DecodeProjectId(params.getProject());
      if (!project.ok()) return Malformed(project.status());
      return Notify([&](PeerCalls::Called done) {
        call(*project, params, std::move(done));
      });
    });
  }

  template <typename Answer, typename Context, typename Encode, typename Call>
  kj::Promise<void> Ask(Context context, Encode encode, Call call) {
    auto [id, promise] = state_->OpenCall();
    // std::function copies; the context is a reference that may be copied.
    auto shared = std::make_shared<Context>(context);
    call(
        PeerCalls::Done<Answer>([state = std::weak_ptr(state_), id = id, shared,
                                 encode](const absl::StatusOr<Answer>& answer) {
          const auto target = state.lock();
          if (!target) return;
          target->Finish(id, answer.status(), [&] {
            encode(*answer, shared->getResults().initAnswer());
          });
        }));
    return kj::mv(promise);
  }

  std::shared_ptr<State> state_;
};

PeerTarget::PeerTarget(KjLoop& loop) : loop_(loop) {
  loop_.Enter([this] { state_ = std::make_shared<State>(loop_); });
}

PeerTarget::~PeerTarget() {
  loop_.Enter([this] {
    Clear();
    state_.reset();
  });
}

wire::Peer::Client PeerTarget::Offer() { return kj::heap<PeerServer>(state_); }

void PeerTarget::Set(PeerCalls& calls,
                     std::function<void(absl::Status)> malformed) {
  state_->calls = &calls;
  state_->malformed = std::move(malformed);
  loop_.Enter([this] { state_->set->fulfill(); });
}

void PeerTarget::Clear() {
  if (state_->cleared) return;
  state_->cleared = true;
  state_->calls = nullptr;
  loop_.Enter([this] {
    state_->set->fulfill();  // Those who wait find nobody.
    const auto open = std::exchange(state_->open, {});
    for (const auto& [id, fulfiller] : open)
      const_cast<kj::Own<kj::PromiseFulfiller<void>>&>(fulfiller)->reject(
          Gone());
  });
}

}  // namespace syncline
