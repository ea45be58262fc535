#include "node/cli/session.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/signal_set.hpp>

#include "node/cli/exit_code.h"
#include "node/client/control_address.h"
#include "node/control_service.h"
#include "node/node_core.h"
#include "proto/asio_stream.h"
#include "proto/rpc_connection.h"

namespace syncline::cli {
namespace {

constexpr int kTries = 60;
constexpr std::chrono::milliseconds kPause(50);

}  // namespace

struct Session::Impl {
  Impl() : guard(boost::asio::make_work_guard(io)) {}

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard;
  std::optional<boost::asio::signal_set> signals;
  bool cancelled = false;
  std::shared_ptr<NodeCore> core;    // Null if another process serves.
  std::unique_ptr<KjLoop> own_loop;  // Of a connection.
  KjLoop* loop = nullptr;            // That, or the node's.
  std::unique_ptr<RpcConnection> connection;
  std::optional<control::Control::Client> client;

  absl::Status Connect(boost::asio::local::stream_protocol::socket socket) {
    own_loop =
        std::make_unique<KjLoop>(io.get_executor(), [](const absl::Status&) {});
    loop = own_loop.get();
    absl::Status status;
    loop->Enter([&] {
      auto stream = NewAsioStream(*loop, std::move(socket));
      status = stream.status();
      if (!status.ok()) return;
      RpcConnection::Options options;
      options.limits.traversal_bytes_max = kControlMessageBytesMax;
      options.limits.unanswered_bytes_max = kControlMessageBytesMax;
      connection = std::make_unique<RpcConnection>(*loop, *std::move(stream),
                                                   nullptr, std::move(options));
      client = connection->Bootstrap().castAs<control::Control>();
    });
    return status;
  }

  absl::Status OpenHere(const Options& options) {
    NodeOptions node;
    node.home = options.home;
    node.name = options.name;
    node.run_mirrors = false;
    SYNCLINE_ASSIGN_OR_RETURN(core, NodeCore::Open(io, node));
    loop = &core->loop();
    loop->Enter([&] {
      client = control::Control::Client(kj::heap<ControlService>(*core));
    });
    return absl::OkStatus();
  }
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const Options& options) {
  absl::Status status;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kPause);
    std::unique_ptr<Session> session(new Session(std::make_unique<Impl>()));
    auto socket =
        ConnectControl(session->impl_->io.get_executor(), options.home);
    if (socket.ok()) {
      SYNCLINE_RETURN_IF_ERROR(session->impl_->Connect(*std::move(socket)));
      return session;
    }
    if (!absl::IsNotFound(socket.status())) return StoreError(socket.status());
    status = session->impl_->OpenHere(options);
    if (status.ok()) return session;
    if (!IsInUse(status)) break;
  }
  return StoreError(status);
}

Session::~Session() {
  if (impl_->loop != nullptr) {
    impl_->loop->Enter([this] {
      impl_->client.reset();
      impl_->connection.reset();
    });
  }
  if (impl_->core) {
    bool closed = false;
    impl_->core->Close([&](const absl::Status&) { closed = true; });
    while (!closed) impl_->io.run_one();
  }
}

bool Session::served() const { return impl_->core == nullptr; }
KjLoop& Session::loop() { return *impl_->loop; }
control::Control::Client& Session::client() { return *impl_->client; }

void Session::CancelOnSignal() {
  impl_->signals.emplace(impl_->io, SIGINT, SIGTERM);
  impl_->signals->async_wait([this](boost::system::error_code error, int) {
    if (!error) impl_->cancelled = true;
  });
}

absl::Status Session::FaultOf(absl::Status status) {
  if (!absl::IsUnavailable(status)) return status;
  return absl::UnavailableError(
      "the node that serves this home has ended (start it again)");
}

absl::Status Session::RunUntil(absl::FunctionRef<bool()> done) {
  while (!done()) {
    if (impl_->cancelled) return absl::CancelledError("interrupted");
    impl_->io.run_one();
  }
  return absl::OkStatus();
}

}  // namespace syncline::cli
