#include "replication/peer/handshake_rpc.h"

#include <kj/async.h>
#include <kj/debug.h>

#include <string>
#include <utility>
#include <variant>

#include "base/status.h"
#include "proto/kj_status.h"
#include "proto/words.h"
#include "replication/peer/alive.h"
#include "replication/peer/peer_codec.h"

namespace syncline {
namespace {

// Reports the end once, in a later turn, so that the answer leaves first.
class Ending {
 public:
  Ending(KjLoop& loop, HandshakeHooks hooks)
      : loop_(loop), hooks_(std::move(hooks)) {}

  [[nodiscard]] std::optional<Refusal> Admit(const PeerIdentity& peer,
                                             bool invited) const {
    return hooks_.admit(peer, invited);
  }
  void Report(absl::StatusOr<Greeted> outcome) {
    if (reported_) return;
    reported_ = true;
    loop_.Post([report = alive_.Guard(
                    [hook = hooks_.done](absl::StatusOr<Greeted> result) {
                      hook(std::move(result));
                    }),
                outcome = std::move(outcome)]() mutable {
      report(std::move(outcome));
    });
  }
  template <typename Function>
  auto Guard(Function function) const {
    return alive_.Guard(std::move(function));
  }

 private:
  KjLoop& loop_;
  HandshakeHooks hooks_;
  bool reported_ = false;
  Alive alive_;
};

// ---- the listening side

struct Listening {
  Listening(KjLoop& kj_loop, PeerHost& host, Hello own, PeerTarget& peer_target,
            HandshakeHooks hooks)
      : loop(kj_loop),
        handshake(host, std::move(own)),
        target(peer_target),
        ending(kj_loop, std::move(hooks)) {}

  KjLoop& loop;
  ListenHandshake handshake;
  PeerTarget& target;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> proving;
  Ending ending;
};

class Gate final : public wire::PeerGate::Server {
 public:
  explicit Gate(std::weak_ptr<Listening> owner) : owner_(std::move(owner)) {}

  kj::Promise<void> hello(HelloContext context) override {
    const std::shared_ptr<Listening> owner = owner_.lock();
    if (!owner) return Gone();
    auto answer = context.getResults().initAnswer();
    absl::StatusOr<Hello> theirs = DecodeHello(context.getParams().getHello());
    if (!theirs.ok())
      return Refuse(*owner, answer, {Refusal::Reason::kMalformed, "hello"});
    const auto result = owner->handshake.OnHello(*std::move(theirs));
    if (const auto* refusal = std::get_if<Refusal>(&result))
      return Refuse(*owner, answer, *refusal);
    const auto& accepted = std::get<ListenHandshake::Accepted>(result);
    auto out = answer.initAccepted();
    EncodeHello(accepted.hello, out.initHello());
    out.setSignature(ToData(accepted.signature));
    return kj::READY_NOW;
  }

  kj::Promise<void> prove(ProveContext context) override {
    const std::shared_ptr<Listening> owner = owner_.lock();
    if (!owner) return Gone();
    const absl::StatusOr<Proof> proof =
        DecodeProof(context.getParams().getProof());
    const bool again = owner->proving != nullptr;
    if (!proof.ok() || again || !context.getParams().hasPeer())
      return Refuse(*owner, context.getResults().initAnswer(),
                    {Refusal::Reason::kMalformed, "proof"});
    auto waiting = kj::newPromiseAndFulfiller<void>();
    owner->proving = kj::mv(waiting.fulfiller);
    auto call = std::make_shared<ProveContext>(context);
    owner->handshake.OnProof(
        *proof,
        owner->ending.Guard(
            [owner = owner.get(), call](
                const std::variant<ListenHandshake::Proven, Refusal>& result) {
              owner->loop.Enter([&] { Answer(*owner, *call, result); });
            }));
    return kj::mv(waiting.promise);
  }

 private:
  template <typename AnswerBuilder>
  static kj::Promise<void> Refuse(Listening& owner, AnswerBuilder answer,
                                  const Refusal& refusal) {
    EncodeRefusal(refusal, answer.initRefused());
    owner.ending.Report(refusal.ToStatus());
    return kj::READY_NOW;
  }

  static kj::Exception Gone() {
    return KJ_EXCEPTION(DISCONNECTED, "the connection is being closed");
  }

  static void Answer(
      Listening& owner, ProveContext& call,
      const std::variant<ListenHandshake::Proven, Refusal>& result) {
    KJ_IF_MAYBE (fulfiller, owner.proving) {
      // Cancelled: the call is gone, and its context with it.
      if (!(*fulfiller)->isWaiting()) return;
      auto answer = call.getResults().initAnswer();
      const auto* proven = std::get_if<ListenHandshake::Proven>(&result);
      std::optional<Refusal> refusal =
          proven ? owner.ending.Admit(proven->peer, !proven->invited.empty())
                 : std::get<Refusal>(result);
      if (refusal) {
        Refuse(owner, answer, *refusal);
      } else {
        auto accepted = answer.initAccepted();
        accepted.setPeer(owner.target.Offer());
        EncodeProjects(proven->invited,
                       accepted.initInvited(
                           static_cast<unsigned>(proven->invited.size())));
        owner.ending.Report(
            Greeted{proven->peer, call.getParams().getPeer(), proven->invited});
      }
      (*fulfiller)->fulfill();
    }
  }

  std::weak_ptr<Listening> owner_;
};

class ListeningHandshake final : public RpcHandshake {
 public:
  ListeningHandshake(KjLoop& loop, PeerHost& host, Hello own,
                     PeerTarget& target, HandshakeHooks hooks)
      : loop_(loop),
        state_(std::make_shared<Listening>(loop, host, std::move(own), target,
                                           std::move(hooks))) {}
  ~ListeningHandshake() noexcept override {
    loop_.Enter([this] { state_.reset(); });
  }
  wire::PeerGate::Client Offer() { return kj::heap<Gate>(state_); }

 private:
  KjLoop& loop_;
  std::shared_ptr<Listening> state_;
};

// ---- the dialling side

class DiallingHandshake final : public RpcHandshake {
 public:
  DiallingHandshake(KjLoop& loop, DialHandshake handshake, PeerTarget& target,
                    HandshakeHooks hooks)
      : loop_(loop),
        handshake_(std::move(handshake)),
        target_(target),
        ending_(loop, std::move(hooks)) {}
  ~DiallingHandshake() noexcept override {
    loop_.Enter([this] { work_ = nullptr; });
  }

  // Inside the loop.
  void Start(wire::PeerGate::Client gate) {
    auto request = gate.helloRequest();
    EncodeHello(handshake_.hello(), request.initHello());
    work_ = request.send()
                .then([this, gate](auto&& response) mutable {
                  return OnHello(response.getAnswer(), gate);
                })
                .eagerlyEvaluate([this](kj::Exception&& exception) {
                  ending_.Report(StatusFromKj(exception));
                });
  }

 private:
  kj::Promise<void> OnHello(wire::HelloAnswer::Reader answer,
                            wire::PeerGate::Client gate) {
    if (answer.isRefused()) return Fail(DecodeRefusal(answer.getRefused()));
    if (!answer.isAccepted()) return Fail({Refusal::Reason::kMalformed, ""});
    absl::StatusOr<Hello> theirs = DecodeHello(answer.getAccepted().getHello());
    if (!theirs.ok()) return Fail(theirs.status());
    const auto signature = answer.getAccepted().getSignature();
    const absl::StatusOr<Proof> proof = handshake_.OnAccepted(
        *std::move(theirs),
        {reinterpret_cast<const char*>(signature.begin()), signature.size()});
    if (!proof.ok()) return Fail(proof.status());
    auto request = gate.proveRequest();
    EncodeProof(*proof, request.initProof());
    request.setPeer(target_.Offer());
    return request.send().then(
        [this](auto&& response) { return OnProved(response.getAnswer()); });
  }

  kj::Promise<void> OnProved(wire::ProofAnswer::Reader answer) {
    if (answer.isRefused()) return Fail(DecodeRefusal(answer.getRefused()));
    if (!answer.isAccepted() || !answer.getAccepted().hasPeer())
      return Fail({Refusal::Reason::kMalformed, ""});
    absl::StatusOr<std::vector<ProjectInfo>> invited =
        DecodeProjects(answer.getAccepted().getInvited());
    if (!invited.ok()) return Fail(invited.status());
    if (const std::optional<Refusal> refusal =
            ending_.Admit(handshake_.peer(), !invited->empty()))
      return Fail(*refusal);
    ending_.Report(Greeted{handshake_.peer(), answer.getAccepted().getPeer(),
                           *std::move(invited)});
    return kj::READY_NOW;
  }

  kj::Promise<void> Fail(const Refusal& refusal) {
    return Fail(refusal.ToStatus());
  }
  kj::Promise<void> Fail(const absl::Status& status) {
    ending_.Report(status);
    return kj::READY_NOW;
  }

  KjLoop& loop_;
  DialHandshake handshake_;
  PeerTarget& target_;
  Ending ending_;
  kj::Promise<void> work_ = nullptr;
};

}  // namespace

std::unique_ptr<RpcHandshake> ListenForPeer(KjLoop& loop, PeerHost& host,
                                            Hello own, PeerTarget& target,
                                            HandshakeHooks hooks,
                                            wire::PeerGate::Client& gate) {
  auto handshake = std::make_unique<ListeningHandshake>(
      loop, host, std::move(own), target, std::move(hooks));
  gate = handshake->Offer();
  return handshake;
}

std::unique_ptr<RpcHandshake> GreetPeer(KjLoop& loop, DialHandshake handshake,
                                        PeerTarget& target,
                                        HandshakeHooks hooks,
                                        wire::PeerGate::Client gate) {
  auto dialling = std::make_unique<DiallingHandshake>(
      loop, std::move(handshake), target, std::move(hooks));
  dialling->Start(kj::mv(gate));
  return dialling;
}

}  // namespace syncline
