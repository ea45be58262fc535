#include "node/cli/session.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

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

// Of the process at the other end; 0 if it is not told.
pid_t PeerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

}  // namespace

struct Session::Impl {
  Impl() : guard(boost::asio::make_work_guard(io)), tick(io) {}

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

  // Whether the node lives. All that comes from it runs a handler; two ticks
  // in a row without one are too long. One alone may have gone by while this
  // program was stopped, or was waiting for its input or output.
  boost::asio::steady_timer tick;
  std::int64_t silence_ms_max = 0;
  pid_t node_pid = 0;
  bool ticked = false;
  int silent_ticks = 0;
  std::size_t handlers_run = 0;  // Since the last tick, but for the tick.
  kj::Maybe<kj::Promise<void>> sign;

  void WaitForTick() {
    tick.expires_after(std::chrono::milliseconds((silence_ms_max + 1) / 2));
    tick.async_wait([this](boost::system::error_code error) {
      if (!error) ticked = true;
    });
  }

  absl::Status Tick() {
    silent_ticks = handlers_run > 0 ? 0 : silent_ticks + 1;
    if (silent_ticks >= 2) return Silent();  // From now on.
    ticked = false;
    handlers_run = 0;
    loop->Enter([this] {
      sign =
          client->versionRequest()
              .send()
              .then([this](auto&&) { ++handlers_run; }, [](kj::Exception&&) {})
              .eagerlyEvaluate(nullptr);
    });
    io.poll();  // What sending alone runs says nothing about the node.
    WaitForTick();
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status Silent() const {
    return absl::UnavailableError(fmt::format(
        "the node that serves this home has said nothing for {} s; a change "
        "may have been made (see whether its process{} is stopped or waits for "
        "a disk; '--patience 0' waits for ever)",
        static_cast<double>(silence_ms_max) / 1000,
        node_pid > 0 ? fmt::format(" {}", node_pid) : ""));
  }

  absl::Status Connect(boost::asio::local::stream_protocol::socket socket,
                       std::int64_t silence_ms) {
    node_pid = PeerOf(socket.native_handle());
    silence_ms_max = silence_ms;
    if (silence_ms_max > 0) WaitForTick();
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
      SYNCLINE_RETURN_IF_ERROR(
          session->impl_->Connect(*std::move(socket), options.silence_ms_max));
      return session;
    }
    if (absl::IsUnavailable(socket.status())) return socket.status();
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
      impl_->sign = nullptr;
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
    if (impl_->ticked) {
      SYNCLINE_RETURN_IF_ERROR(impl_->Tick());
      continue;
    }
    if (impl_->cancelled) return absl::CancelledError("interrupted");
    impl_->io.run_one();
    if (!impl_->ticked) ++impl_->handlers_run;
  }
  return absl::OkStatus();
}

}  // namespace syncline::cli
