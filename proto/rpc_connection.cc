#include "proto/rpc_connection.h"

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <capnp/rpc.h>
#include <kj/debug.h>

#include <algorithm>
#include <utility>

namespace syncline {
namespace {

using capnp::rpc::twoparty::VatId;

capnp::rpc::twoparty::Side ToCapnp(RpcConnection::Side side) {
  return side == RpcConnection::Side::kServer
             ? capnp::rpc::twoparty::Side::SERVER
             : capnp::rpc::twoparty::Side::CLIENT;
}

capnp::ReaderOptions ReaderOptionsOf(const RpcLimits& limits) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords =
      limits.traversal_bytes_max / sizeof(capnp::word);
  options.nestingLimit = limits.nesting_max;
  return options;
}

capnp::RpcSystem<VatId> MakeRpc(
    capnp::TwoPartyVatNetwork& network,
    kj::Maybe<capnp::Capability::Client> bootstrap) {
  KJ_IF_MAYBE (capability, bootstrap) {
    return capnp::makeRpcServer(network, kj::mv(*capability));
  }
  return capnp::makeRpcClient(network);
}

}  // namespace

// In the order in which they depend on one another: destroyed in reverse.
struct RpcConnection::State {
  State(kj::Own<kj::AsyncIoStream> connected,
        kj::Maybe<capnp::Capability::Client> bootstrap, Options options)
      : on_disconnect(std::move(options.on_disconnect)),
        peer_side(options.side == Side::kServer ? Side::kClient
                                                : Side::kServer),
        stream(kj::mv(connected)),
        network(*stream, ToCapnp(options.side),
                ReaderOptionsOf(options.limits)),
        rpc(MakeRpc(network, kj::mv(bootstrap))) {
    rpc.setFlowLimit(options.limits.unanswered_bytes_max / sizeof(capnp::word));
    watch = network.onDisconnect()
                .then([this] {
                  // It may destroy this object's owner, and with it itself.
                  const auto callback = std::exchange(on_disconnect, nullptr);
                  if (callback) callback();
                })
                .eagerlyEvaluate(nullptr);
  }

  std::function<void()> on_disconnect;
  const Side peer_side;
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<VatId> rpc;
  kj::Promise<void> watch = nullptr;
};

RpcConnection::RpcConnection(KjLoop& loop, kj::Own<kj::AsyncIoStream> stream,
                             kj::Maybe<capnp::Capability::Client> bootstrap,
                             Options options)
    : loop_(loop) {
  loop_.Enter([&] {
    state_ =
        kj::heap<State>(kj::mv(stream), kj::mv(bootstrap), std::move(options));
  });
}

RpcConnection::~RpcConnection() { Close(); }

capnp::Capability::Client RpcConnection::Bootstrap() {
  if (IsClosed()) {
    return capnp::Capability::Client(
        KJ_EXCEPTION(DISCONNECTED, "the connection is closed"));
  }
  capnp::MallocMessageBuilder message(4);
  auto vat = message.initRoot<VatId>();
  vat.setSide(ToCapnp(state_->peer_side));
  return state_->rpc.bootstrap(vat);
}

void RpcConnection::Close() {
  if (IsClosed()) return;
  state_->on_disconnect = nullptr;
  // Never here: this may be a continuation of the state's own promises.
  loop_.Post([state = kj::mv(state_)]() mutable { state = nullptr; });
}

std::size_t RpcConnection::UnsentBytes() const {
  if (IsClosed()) return 0;
  return const_cast<State&>(*state_).network.getCurrentQueueSize();
}

}  // namespace syncline
