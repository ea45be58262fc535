#include "node/control_socket.h"

#include <kj/debug.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <boost/asio/local/stream_protocol.hpp>

#include "base/status.h"
#include "node/client/control_address.h"
#include "node/control_service.h"
#include "proto/asio_stream.h"
#include "proto/rpc_connection.h"

namespace syncline {
namespace {

using boost::asio::local::stream_protocol;

constexpr char kFreshName[] = "control.sock.new";

}  // namespace

struct ControlSocket::Impl {
  Impl(boost::asio::io_context& io, NodeCore& core, std::filesystem::path dir)
      : home(std::move(dir)),
        acceptor(io),
        loop(core.loop()),
        alive(std::make_shared<bool>(true)) {
    loop.Enter([&] {
      service = capnp::Capability::Client(kj::heap<ControlService>(core));
    });
  }

  ~Impl() {
    *alive = false;
    loop.Enter([&] {
      connections.clear();
      service = nullptr;
    });
  }

  absl::Status Bind() {
    const DirHandle dir(home);
    if (!dir.ok()) return ErrnoStatus(errno, "open " + home.string());
    const std::string fresh = dir.PathOf(kFreshName);
    unlink(fresh.c_str());
    boost::system::error_code error;
    acceptor.open(stream_protocol(), error);
    if (!error) acceptor.bind(stream_protocol::endpoint(fresh), error);
    if (!error)
      acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return ErrnoStatus(error.value(), "control socket");
    // Nobody can connect before the socket has its mode and its name.
    if (chmod(fresh.c_str(), S_IRUSR | S_IWUSR) != 0 ||
        rename(fresh.c_str(), dir.PathOf(kControlSocketName).c_str()) != 0) {
      return ErrnoStatus(errno, "control socket");
    }
    return absl::OkStatus();
  }

  void Accept() {
    acceptor.async_accept(
        [this, alive = alive](boost::system::error_code error,
                              stream_protocol::socket socket) {
          if (!*alive || error == boost::asio::error::operation_aborted) return;
          if (!error) Serve(std::move(socket));
          if (acceptor.is_open()) Accept();
        });
  }

  void Serve(stream_protocol::socket socket) {
    loop.Enter([&] {
      absl::StatusOr<kj::Own<kj::AsyncIoStream>> stream =
          NewAsioStream(loop, std::move(socket));
      if (!stream.ok()) return;
      const std::uint64_t id = next_id++;
      RpcConnection::Options options;
      options.side = RpcConnection::Side::kServer;
      options.limits.traversal_bytes_max = kControlMessageBytesMax;
      options.limits.unanswered_bytes_max = kControlMessageBytesMax;
      options.on_disconnect = [this, id] { Forget(id); };
      connections.emplace(
          id, std::make_unique<RpcConnection>(loop, *std::move(stream),
                                              KJ_ASSERT_NONNULL(service),
                                              std::move(options)));
    });
  }

  void Forget(std::uint64_t id) {
    loop.Post([this, alive = alive, id] {
      if (*alive) connections.erase(id);
    });
  }

  std::filesystem::path home;
  stream_protocol::acceptor acceptor;
  KjLoop& loop;
  std::shared_ptr<bool> alive;
  kj::Maybe<capnp::Capability::Client> service;
  std::map<std::uint64_t, std::unique_ptr<RpcConnection>> connections;
  std::uint64_t next_id = 0;
};

ControlSocket::ControlSocket(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

ControlSocket::~ControlSocket() { StopAccepting(); }

absl::StatusOr<std::unique_ptr<ControlSocket>> ControlSocket::Listen(
    boost::asio::io_context& io, NodeCore& core,
    const std::filesystem::path& home) {
  auto impl = std::make_unique<Impl>(io, core, home);
  SYNCLINE_RETURN_IF_ERROR(impl->Bind());
  impl->Accept();
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(impl)));
}

void ControlSocket::StopAccepting() {
  if (!impl_->acceptor.is_open()) return;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  unlink((impl_->home / kControlSocketName).c_str());
}

}  // namespace syncline
