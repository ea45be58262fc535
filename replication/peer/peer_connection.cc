#include "replication/peer/peer_connection.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "proto/rpc_connection.h"
#include "replication/peer/alive.h"
#include "replication/peer/guarded_stream.h"
#include "replication/peer/handshake_rpc.h"
#include "replication/peer/loop_timer.h"
#include "replication/peer/remote_peer.h"

namespace syncline {
namespace {

// The largest message is one entry (4 MiB) with its content; reading one
// touches little more than its size.
RpcLimits Limits() {
  RpcLimits limits;
  limits.traversal_bytes_max = FrameGuard::kMessageBytesMax + (1u << 20);
  limits.unanswered_bytes_max = 32u << 20;
  return limits;
}

}  // namespace

struct PeerConnection::Impl {
  Impl(const Environment& environment, const Options& opts, bool dials,
       Hooks callbacks)
      : env(environment),
        options(opts),
        hooks(std::move(callbacks)),
        dialled(dials),
        target(environment.loop),
        deadline(environment.loop.executor()) {}
  ~Impl() {
    target.Clear();
    session.reset();
    remote.reset();
    handshake.reset();
    rpc.reset();
  }

  void Start(kj::Own<kj::AsyncIoStream> stream, std::optional<Dial> dial);
  HandshakeHooks HooksOfHandshake();
  void OnGreeted(absl::StatusOr<Greeted> outcome);
  void Run(const PeerIdentity& peer, wire::Peer::Client capability);
  // Ends it all in a turn of its own, with `why` for the owner.
  void Finish(absl::Status why);

  Environment env;
  Options options;
  Hooks hooks;
  bool dialled;
  std::shared_ptr<StreamMeter> meter = std::make_shared<StreamMeter>();
  PeerTarget target;
  std::unique_ptr<RpcConnection> rpc;
  std::unique_ptr<RpcHandshake> handshake;
  std::unique_ptr<PeerCalls> remote;
  std::unique_ptr<PeerSession> session;
  boost::asio::steady_timer deadline;
  bool finished = false;
  bool refused = false;
  Alive alive;
};

void PeerConnection::Impl::Start(kj::Own<kj::AsyncIoStream> stream,
                                 std::optional<Dial> dial) {
  RpcConnection::Options rpc_options;
  rpc_options.side =
      dial ? RpcConnection::Side::kClient : RpcConnection::Side::kServer;
  rpc_options.limits = Limits();
  // In a later turn: an answer that came just before the end counts.
  rpc_options.on_disconnect = alive.Guard([this] {
    env.loop.Post([lost = alive.Guard([this] {
      Finish(meter->violation.ok() ? MakeStatus(absl::StatusCode::kUnavailable,
                                                "the connection was lost")
                                   : meter->violation);
    })]() mutable { lost(); });
  });
  Hello own = MakeHello(env.host.self(), env.random, env.time);
  env.loop.Enter([&] {
    auto guarded = NewGuardedStream(kj::mv(stream), meter);
    if (!dial) {
      wire::PeerGate::Client gate = nullptr;
      handshake = ListenForPeer(env.loop, env.host, std::move(own), target,
                                HooksOfHandshake(), gate);
      rpc = std::make_unique<RpcConnection>(
          env.loop, kj::mv(guarded), capnp::Capability::Client(kj::mv(gate)),
          std::move(rpc_options));
      return;
    }
    rpc = std::make_unique<RpcConnection>(env.loop, kj::mv(guarded), nullptr,
                                          std::move(rpc_options));
    handshake = GreetPeer(
        env.loop,
        DialHandshake(env.host.self(), std::move(own), dial->expected,
                      std::move(dial->invitation_secret)),
        target, HooksOfHandshake(), rpc->Bootstrap().castAs<wire::PeerGate>());
  });
  deadline.expires_after(std::chrono::milliseconds(options.handshake_ms));
  deadline.async_wait(
      alive.Guard([this](const boost::system::error_code& error) {
        if (!error)
          Finish(absl::UnavailableError("the handshake took too long"));
      }));
}

HandshakeHooks PeerConnection::Impl::HooksOfHandshake() {
  HandshakeHooks handshake_hooks;
  handshake_hooks.admit = hooks.admit;
  handshake_hooks.done = alive.Guard([this](absl::StatusOr<Greeted> outcome) {
    OnGreeted(std::move(outcome));
  });
  return handshake_hooks;
}

void PeerConnection::Impl::OnGreeted(absl::StatusOr<Greeted> outcome) {
  if (finished) return;
  if (!outcome.ok()) {
    refused = !absl::IsUnavailable(outcome.status());
    return Finish(outcome.status());
  }
  deadline.cancel();
  meter->guard.Unlock();
  Run(outcome->peer, kj::mv(outcome->remote));
  hooks.ready(outcome->invited);
}

void PeerConnection::Impl::Run(const PeerIdentity& peer,
                               wire::Peer::Client capability) {
  auto failed =
      alive.Guard([this](absl::Status status) { Finish(std::move(status)); });
  remote = NewRemotePeer(env.loop, kj::mv(capability), failed);
  PeerSession::Environment environment{env.host,
                                       *remote,
                                       env.loop.executor(),
                                       env.worker,
                                       env.random,
                                       env.time,
                                       LoopTimers(env.loop.executor()),
                                       [this] { return meter->received_bytes; },
                                       env.addresses,
                                       env.remember,
                                       failed};
  session = std::make_unique<PeerSession>(environment, peer, options.session);
  target.Set(*session, failed);
}

void PeerConnection::Impl::Finish(absl::Status why) {
  if (finished) return;
  finished = true;
  deadline.cancel();
  target.Clear();
  if (rpc) rpc->Close();
  env.loop.Post(
      [closed = alive.Guard([hook = hooks.closed, why = std::move(why)] {
        hook(why);
      })]() mutable { closed(); });
}

PeerConnection::PeerConnection(const Environment& environment,
                               const Options& options,
                               kj::Own<kj::AsyncIoStream> stream,
                               std::optional<Dial> dial, Hooks hooks)
    : impl_(std::make_unique<Impl>(environment, options, dial.has_value(),
                                   std::move(hooks))) {
  impl_->Start(kj::mv(stream), std::move(dial));
}

PeerConnection::~PeerConnection() = default;

void PeerConnection::Close(const std::string& reason) {
  if (impl_->finished) return;
  // Small messages leave with the end of the stream.
  if (impl_->remote) impl_->remote->Goodbye(reason, [](const absl::Status&) {});
  impl_->Finish(absl::OkStatus());
}

bool PeerConnection::dialled() const { return impl_->dialled; }

PeerSession* PeerConnection::session() {
  return impl_->finished ? nullptr : impl_->session.get();
}
const PeerSession* PeerConnection::session() const {
  return impl_->finished ? nullptr : impl_->session.get();
}

bool PeerConnection::refused() const { return impl_->refused; }

bool PeerConnection::garbage() const { return !impl_->meter->violation.ok(); }

std::uint64_t PeerConnection::sent_bytes() const {
  return impl_->meter->sent_bytes;
}
std::uint64_t PeerConnection::received_bytes() const {
  return impl_->meter->received_bytes;
}

}  // namespace syncline
